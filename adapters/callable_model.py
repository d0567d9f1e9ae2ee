"""Any function from a NumPy batch to logits, as a model: the few lines for a framework that has no adapter here.

    # Keras 3, on any backend
    model = CallableModel(lambda x: keras_model.predict(x, verbose=0), (28, 28, 1), 10)

    # JAX with flax
    apply = jax.jit(lambda x: module.apply(params, x))
    model = CallableModel(lambda x: np.asarray(apply(x)), (28, 28, 1), 10)

On the command line the function has a name in a Python file, and the data are given in the shape that it takes::

    unlearn audit callable:mine.py:predict --data digits.npz ...
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.outputs import as_logits, choose_output, trial_inputs
from harness.data import Floats
from harness.errors import BadSetting
from harness.sources import Source

BATCH = 256
Predict = Callable[[Floats], Any]


class CallableModel:
    """A function as a model; probabilities that it returns become logits."""

    def __init__(self, predict: Predict, input_shape: tuple[int, ...], num_classes: int, *, batch_size: int = BATCH,
                 name: str = "the function") -> None:
        """Take ``predict`` and try it on a few inputs.

        Args:
            predict: returns (B, C) logits or probabilities from a (B, ...) float32 batch.
            input_shape: of one input.
            num_classes: C.
            batch_size: largest B.
            name: for errors.

        Raises:
            BadSetting: if what it returns does not fit.
        """
        self._predict = predict
        self._num_classes = num_classes
        self._batch_size = batch_size
        trial = trial_inputs(input_shape)
        self._kind = choose_output({"its result": self._call(trial)}, len(trial), num_classes, name).kind

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits."""
        size = self._batch_size
        parts = [self._call(inputs[start:start + size]) for start in range(0, len(inputs), size)]
        if not parts:
            return np.zeros((0, self._num_classes), dtype=np.float32)
        return as_logits(np.concatenate(parts), self._kind)

    def _call(self, batch: Floats) -> NDArray[Any]:
        return np.asarray(self._predict(np.array(batch, dtype=np.float32)))


def open_callable(source: Source) -> CallableModel:
    """Return the function ``NAME`` in a Python file as a model; the location is ``FILE.py:NAME``.

    Raises:
        BadSetting: if there is no such file or function, or what it returns does not fit the data.
    """
    place, _, name = source.location.rpartition(":")
    path = Path(place)
    if path.suffix != ".py" or not name:
        raise BadSetting(f"{source.uri}: expected callable:FILE.py:FUNCTION")
    if not path.is_file():
        raise BadSetting(f"{source.uri}: there is no file {path}")
    predict = getattr(_load(path, source), name, None)
    if not callable(predict):
        raise BadSetting(f"{source.uri}: {path} has no function '{name}'")
    return CallableModel(predict, source.input_shape, source.num_classes, name=source.uri)


def _load(path: Path, source: Source) -> Any:
    spec = importlib.util.spec_from_file_location(f"unlearning_harness_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadSetting(f"{source.uri}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    # The border to a user's own file: whatever it raises is what is wrong with it.
    except Exception as error:
        raise BadSetting(f"{source.uri}: {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module
