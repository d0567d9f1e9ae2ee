"""From a PyTorch network to the bytes of an ONNX file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import nn

from harness.errors import BadSetting


def export_onnx(module: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """Return an ONNX file of ``module``: input ``input``, output ``logits``, batches of any size.

    What the exporter writes beside the graph is taken out: it holds stack traces with the paths of this machine.
    Equal networks then give equal files.

    Raises:
        BadSetting: if the exporter's packages are missing, or it cannot export the network.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it
    except ImportError as error:
        raise BadSetting(f"exporting needs the package {error.name}; "
                         "`pip install 'unlearning-harness[onnx]'`") from error
    example = torch.zeros(2, *input_shape, device=next(module.parameters()).device)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                module.eval(), (example,), dynamo=True, input_names=["input"], output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)
        except torch.onnx.errors.OnnxExporterError as error:
            raise BadSetting(f"torch cannot export this network: {str(error).splitlines()[0]}") from error
    if program is None:
        raise BadSetting("torch has exported nothing")
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _strip(message: Any) -> None:
    """Remove metadata and documentation from a message and from all that it holds."""
    for field, value in list(message.ListFields()):
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if isinstance(value, Iterable) else [value]:
                _strip(part)
