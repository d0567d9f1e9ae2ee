"""`unlearn spectrum`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import numpy as np
from attrs import asdict, frozen
from tabulate import tabulate

from harness.cli.options import DEFAULT_STORE
from harness.context import Context, Place
from harness.errors import BadSetting, StoreError, UnknownName
from harness.models import Model, NativeTorch
from harness.plugins import Registry, load_registry
from harness.settings import parse_assignment
from harness.sources import Opens, Source
from harness.store import Store

if TYPE_CHECKING:
    from torch import nn

    from reference_methods.training.affine import AffineLayer

# Entries up to which a layer's whole matrix is formed and decomposed.
_DENSE = 1 << 22
_TOLERANCE = 1e-4


@frozen(kw_only=True)
class LayerSpectrum:
    """One line of the table.

    Attributes:
        layer: its name in the network.
        input_shape: of one input.
        values: the largest singular values, descending.
        dense: largest difference from a dense decomposition, relative to the largest value; None where the matrix is
            too large for one.
    """

    layer: str
    input_shape: tuple[int, ...]
    values: tuple[float, ...]
    dense: float | None


@click.command("spectrum")
@click.argument("model")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, metavar="K",
              help="Singular values per layer.")
@click.option("--batch-norm", type=click.Choice(["composition", "ignore"]), default="composition", show_default=True,
              help="Take a layer and the batch norm behind it as one, or the layer alone.")
@click.option("--architecture", metavar="NAME", help="Of a file: which network its parameters belong to.")
@click.option("--setting", "settings", multiple=True, metavar="PARAM=VALUE",
              help="Of a file: a setting of the architecture, e.g. hidden=[64]; repeatable.")
@click.option("--input-shape", metavar="CxHxW", help="Of a file: shape of one input, e.g. 1x28x28.")
@click.option("--classes", type=click.IntRange(min=2), metavar="C", help="Of a file: number of classes.")
@click.option("--store", type=click.Path(path_type=Path), default=DEFAULT_STORE, show_default=True, metavar="DIR",
              help="Where a stored model is.")
@click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Load a plugin from a Python file; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def spectrum(model: str, top: int, batch_norm: Literal["composition", "ignore"], as_json: bool, store: Path,
             data_root: Path | None, plugins: tuple[Path, ...], **file: Any) -> None:
    """Print the largest singular values of every layer of MODEL, and an upper bound of its Lipschitz constant.

    MODEL is a stored model's key (or its first digits), or a file as ADAPTER:FILE.

    \b
    unlearn spectrum 3f9c04d1
    unlearn spectrum torch:model.safetensors --architecture mlp --input-shape 1x8x8 --classes 10
    """
    registry = load_registry(plugins)
    if ":" in model:
        source = _source(model, registry, **file)
        found, shape = _opened(source, registry), source.input_shape
    else:
        found, shape = _stored(model, Context(Place(store=_existing(store), data_root=data_root, plugins=plugins)))
    if not isinstance(found, NativeTorch):
        raise BadSetting(f"{model}: only PyTorch models have a spectrum here, this is a {type(found).__name__}")
    network = found.native
    layers = layer_spectra(network, shape, top, batch_norm)
    bound, reason = _bound(network, shape)
    if as_json:
        click.echo(json.dumps({"layers": [asdict(layer) for layer in layers], "lipschitz_bound": bound,
                               "reason": reason}, indent=1))
        return
    click.echo(_table(layers, top))
    click.echo(reason or f"\nLipschitz constant of the logits at most {bound:.4g}: an upper bound, usually far above "
                         "the truth, for no input is stretched most by every layer")


def layer_spectra(network: nn.Module, shape: tuple[int, ...], k: int,
                  batch_norm: Literal["composition", "ignore"]) -> list[LayerSpectrum]:
    """Return the ``k`` largest singular values of every affine layer of ``network``, in double precision.

    Args:
        network: on the CPU.
        shape: of one input.
        k: fewer are returned for layers with fewer inputs.
        batch_norm: as for `reference_methods.training.affine.affine_layers`.
    """
    import torch

    from reference_methods.training.affine import affine_layers

    return [_layer_spectrum(layer, k) for layer in affine_layers(network, torch.zeros(1, *shape), batch_norm)]


def _layer_spectrum(layer: AffineLayer, k: int) -> LayerSpectrum:
    import torch

    from reference_methods.training.spectrum import singular_values

    size = int(np.prod(layer.input_shape))
    found = singular_values(layer.module, layer.input_shape, min(k, size), tolerance=_TOLERANCE, dtype=torch.float64)
    values = tuple(found.values.tolist())
    return LayerSpectrum(layer=layer.name, input_shape=layer.input_shape, values=values, dense=_dense(layer, values))


def _dense(layer: AffineLayer, values: tuple[float, ...]) -> float | None:
    import torch

    from reference_methods.training.affine import evaluating
    from reference_methods.training.spectrum import dense_matrix

    with torch.no_grad(), evaluating(layer.module):
        outputs = layer.module(torch.zeros(1, *layer.input_shape)).numel()
    if outputs * np.prod(layer.input_shape) > _DENSE:
        return None
    exact = torch.linalg.svdvals(dense_matrix(layer.module, layer.input_shape)).tolist()
    pairs = zip(values, exact, strict=False)
    return max(abs(value - true) for value, true in pairs) / exact[0] if exact[0] else 0.0


def _bound(network: nn.Module, shape: tuple[int, ...]) -> tuple[float | None, str]:
    """Return the bound and nothing, or None and why there is none."""
    import torch

    from reference_methods.training.lipschitz import lipschitz_bound

    try:
        return lipschitz_bound(network, torch.zeros(1, *shape)), ""
    except ValueError as error:
        return None, str(error)


def _table(layers: list[LayerSpectrum], top: int) -> str:
    lines = [[layer.layer, "x".join(map(str, layer.input_shape)), *(f"{value:.4f}" for value in layer.values),
              *[""] * (top - len(layer.values)), "-" if layer.dense is None else f"{layer.dense:.0e}"]
             for layer in layers]
    headers = ["layer", "input", *(f"sigma_{i + 1}" for i in range(top)), "off dense by"]
    return tabulate(lines, headers=headers, disable_numparse=True, stralign="right", colalign=("left",))


def _source(uri: str, registry: Registry, architecture: str | None, settings: tuple[str, ...],
            input_shape: str | None, classes: int | None) -> Source:
    if architecture is None or input_shape is None or classes is None:
        raise BadSetting(f"{uri} holds parameters only; say what network they belong to with --architecture, "
                         "--input-shape and --classes")
    sizes = input_shape.split("x")
    if not all(size.isdigit() and int(size) for size in sizes):
        raise BadSetting(f"--input-shape {input_shape}: expected sizes joined by x, e.g. 1x28x28")
    return Source(uri=uri, input_shape=tuple(map(int, sizes)), num_classes=classes,
                  architecture=registry.models[architecture],
                  settings=dict(parse_assignment(f"{architecture}.{text}")[1:] for text in settings))


def _opened(source: Source, registry: Registry) -> Model:
    adapter = registry.adapters[source.adapter]()
    if not isinstance(adapter, Opens):
        raise BadSetting(f"{source.uri}: adapter '{source.adapter}' cannot open models")
    return adapter.open(source)


def _existing(root: Path) -> Path:
    if not (root / "objects").is_dir():
        raise StoreError(f"there is no store at {root}; `unlearn run SUITE --store {root}` makes one")
    return root


def _stored(name: str, context: Context) -> tuple[Model, tuple[int, ...]]:
    """Return the stored model whose key begins with ``name``, and the shape of its inputs.

    Raises:
        UnknownName, BadSetting: if there is none, or more than one, or it is no model.
    """
    store: Store = context.store
    keys = [key for key in store if key.startswith(name)]
    if not keys:
        raise UnknownName("key in this store", name, [])
    manifest = store.manifest(keys[0])
    if len(keys) > 1:
        raise BadSetting(f"'{name}' is the start of {len(keys)} keys; write more of it")
    if "weights.safetensors" not in manifest.files:
        raise BadSetting(f"{keys[0][:12]} is '{manifest.label}', which is no model")
    data = context.dataset(manifest.spec["data"])
    return context.model(manifest.key, context.factory(manifest.spec["model"], data)), data.input_shape
