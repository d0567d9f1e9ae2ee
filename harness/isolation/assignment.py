"""A task as files: written by the harness, carried out by the child."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from harness.data import Examples
from harness.models import HasParameters, Model
from harness.settings import as_json, structure
from harness.tasks import ForgetRequest, Unlearned, UnlearnTask

ORDER, ORIGINAL, INITIAL, EXAMPLES, WEIGHTS, FACTS = (
    "task.json", "original.safetensors", "initial.safetensors", "examples.safetensors", "weights.safetensors",
    "facts.json")
_INDICES = {"forget": "indices", "earlier": "earlier"}


@frozen(kw_only=True)
class Assignment:
    """What a child is told beside the arrays of its task.

    Attributes:
        method: name and settings.
        model: adapter, architecture and settings, as in a stage's spec.
        recipe: of the original, as in a stage's spec.
        plugins: files that method and model come from.
        device: where models compute.
        input_shape: of one input.
    """

    method: Mapping[str, Any]
    model: Mapping[str, Any]
    recipe: Mapping[str, Any]
    plugins: tuple[Path, ...]
    device: str
    input_shape: tuple[int, ...]

    def write(self, folder: Path, task: UnlearnTask) -> None:
        """Write the task and copies of the plugins into ``folder``.

        Raises:
            TypeError: if the original has no parameters to hand over.
        """
        from safetensors.numpy import save_file

        _save_model(task.original, folder / ORIGINAL)
        if task.initial is not None:
            _save_model(task.initial, folder / INITIAL)
        parts = {"forget": task.forget, **({"retain": task.retain} if task.retain is not None else {})}
        arrays = {f"{name}.{kind}": np.ascontiguousarray(getattr(part, kind))
                  for name, part in parts.items() for kind in ("inputs", "labels")}
        indices = {file: np.ascontiguousarray(found) for name, file in _INDICES.items()
                   if len(found := getattr(task.request, name))}
        save_file({**arrays, **indices}, folder / EXAMPLES)
        for path in self.plugins:
            shutil.copyfile(path, folder / path.name)
        request = {key: value for key, value in as_json(task.request).items() if key not in _INDICES}
        order = {"method": dict(self.method), "model": dict(self.model), "recipe": dict(self.recipe),
                 "plugins": [path.name for path in self.plugins], "device": self.device,
                 "input_shape": list(self.input_shape), "num_classes": task.num_classes, "request": request,
                 "seed": task.seed}
        (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
        for path in folder.iterdir():
            # The child may be another user.
            path.chmod(0o644)


def carry_out(folder: Path, out: Path, ready: int) -> None:
    """Do what `Assignment.write` has written: the child's work.

    Args:
        folder: holds the task.
        out: where weights and facts are to go.
        ready: file descriptor on which a byte says that the method begins.
    """
    from harness.engine.worker import single_thread
    from harness.plugins import load_registry
    from harness.settings import configure

    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    registry = load_registry([folder / name for name in order["plugins"]])
    task = _task(order, folder, registry)
    unlearner = configure(registry.unlearners[order["method"]["name"]], order["method"]["settings"], "method")
    with single_thread():
        os.write(ready, b"!")
        result = unlearner.unlearn(task)
    unlearned = result if isinstance(result, Unlearned) else Unlearned(model=result)
    _hand_back(unlearned, out)


def _task(order: Mapping[str, Any], folder: Path, registry: Any) -> UnlearnTask:
    from safetensors.numpy import load_file

    from harness.models import FitOptions
    from harness.training import with_aids

    model, arrays = order["model"], load_file(folder / EXAMPLES)
    factory = registry.adapters[model["adapter"]]().factory(
        registry.models[model["architecture"]], tuple(order["input_shape"]), order["num_classes"], model["settings"],
        order["device"])
    request = {**order["request"], **{name: tuple(order["request"][name]) for name in ("classes", "earlier_classes")},
               **{name: arrays[file] for name, file in _INDICES.items() if file in arrays}}
    initial = folder / INITIAL
    return UnlearnTask(
        original=factory.build(0).with_parameters(load_file(folder / ORIGINAL)), forget=_examples(arrays, "forget"),
        retain=_examples(arrays, "retain") if "retain.inputs" in arrays else None,
        request=ForgetRequest(**request),
        num_classes=order["num_classes"], recipe=with_aids(structure(order["recipe"], FitOptions, "recipe"),
                                                           registry.aids),
        build=factory.build, seed=order["seed"],
        initial=factory.build(0).with_parameters(load_file(initial)) if initial.is_file() else None)


def _save_model(model: Model, path: Path) -> None:
    from safetensors.numpy import save_file

    if not isinstance(model, HasParameters):
        raise TypeError(f"{type(model).__name__} has no parameters that could be handed to another process; run this "
                        "method without --isolate")
    save_file({name: np.asarray(array, order="C") for name, array in model.parameters().items()}, path)


def _examples(arrays: Mapping[str, Any], name: str) -> Examples:
    return Examples(inputs=arrays[f"{name}.inputs"], labels=arrays[f"{name}.labels"])


def _hand_back(unlearned: Unlearned, out: Path) -> None:
    from safetensors.numpy import save_file

    model: Model = unlearned.model
    if not isinstance(model, HasParameters):
        raise TypeError(f"unlearn returned {type(model).__name__}, which has no parameters; return a model")
    (out / FACTS).write_text(json.dumps({name: float(value) for name, value in unlearned.facts.items()}),
                             encoding="utf-8")
    save_file({name: np.asarray(array, order="C") for name, array in model.parameters().items()}, out / WEIGHTS)
