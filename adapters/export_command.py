"""`unlearn export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from adapters.store_models import Cell, StoredModel, find_model, open_store
from harness.cli.options import DEFAULT_STORE
from harness.context import Context, Place
from harness.errors import BadSetting
from harness.models import HasParameters, NativeTorch
from harness.sources import Source

TOLERANCE = 1e-4
CHECKED = 512


@click.command("export")
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="Where to write it: FILE.onnx or FILE.safetensors.")
@click.option("--method", metavar="NAME", help="Of a run: the method's title, or 'oracle'.")
@click.option("--access", metavar="MODE", help="Of a run: retain+forget or forget-only.")
@click.option("--original", type=int, metavar="I", help="Of a run: index of the original, from 0.")
@click.option("--request", type=int, metavar="R", help="Of a run: index of the forget set, from 0.")
@click.option("--run", type=int, metavar="N", help="Of a run: index of the unlearning run or of the oracle, from 0.")
@click.option("--store", type=click.Path(path_type=Path), default=DEFAULT_STORE, show_default=True, metavar="DIR",
              help="Where the model is.")
@click.option("--data-root", type=click.Path(path_type=Path), envvar="UNLEARN_DATA_ROOT", metavar="DIR",
              help="Folder of the data sets [env: UNLEARN_DATA_ROOT].")
@click.option("--plugin", "plugins", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Load a plugin from a Python file; repeatable.")
def export(model: str, out: Path, store: Path, data_root: Path | None, plugins: tuple[Path, ...], **cell: Any) -> None:
    """Write a model from the store to a file: MODEL is a key (or its first digits) or a run of which options pick one.

    An ONNX file is read back, and its logits are compared with the model's.

    \b
    unlearn export digits-v1 --method amun --access retain+forget --original 0 --request 0 --run 0 --out amun.onnx
    unlearn export 3f9c04d1 --out original.safetensors
    """
    if not out.parent.is_dir():
        raise BadSetting(f"--out {out}: there is no folder {out.parent} to write it to")
    place = Place(store=open_store(store).root, data_root=data_root, plugins=plugins)
    found = find_model(Context(place), model, Cell(**cell))
    if out.suffix == ".safetensors":
        _write(out, _weights(found))
        click.echo(f"{out}: {found.manifest.label}")
    elif out.suffix == ".onnx":
        difference = _export_onnx(found, out)
        click.echo(f"{out}: {found.manifest.label}; logits differ from the model's by {difference:.1e} at most")
    else:
        raise BadSetting(f"--out {out}: expected a name that ends in .onnx or .safetensors")


def _weights(found: StoredModel) -> bytes:
    if not isinstance(found.model, HasParameters):
        raise BadSetting(f"{found.manifest.label}: {type(found.model).__name__} has no parameters to write")
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(value) for name, value in found.model.parameters().items()}))


def _export_onnx(found: StoredModel, out: Path) -> float:
    """Write the ONNX file under a temporary name, compare, and rename it; return the largest difference of logits."""
    if not isinstance(found.model, NativeTorch):
        raise BadSetting(f"{found.manifest.label}: only PyTorch models can be written as ONNX, this one belongs to "
                         f"adapter '{found.manifest.spec['model']['adapter']}'; write FILE.safetensors")
    from adapters.onnx_export import export_onnx
    from adapters.onnx_model import open_onnx

    part = out.with_name(f"{out.name}.part")
    _write(part, export_onnx(found.model.native, found.data.input_shape))
    try:
        read = open_onnx(Source(uri=f"onnx:{part}", input_shape=found.data.input_shape,
                                num_classes=found.data.num_classes))
        inputs = found.data.test.inputs[:CHECKED]
        difference = float(np.abs(read.logits(inputs) - found.model.logits(inputs)).max())
        if difference > TOLERANCE:
            raise BadSetting(f"{found.manifest.label}: as ONNX its logits differ by {difference:.1e}, "
                             f"more than {TOLERANCE}; nothing was written")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return difference


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadSetting(f"--out {path}: cannot be written: {error.strerror}") from error
