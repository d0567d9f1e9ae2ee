"""The ``onnx`` adapter; ONNX Runtime is imported when a file is opened, not before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.unbuildable import refuse_to_build
from harness.models import Architecture, Model, ModelFactory
from harness.sources import Source


class OnnxAdapter:
    """Models in ONNX files: ``onnx:FILE``. Logits or probabilities, by ONNX Runtime."""

    name: ClassVar[str] = "onnx"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset({"logits"})

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Raise BadSetting: an ONNX file is a trained model."""
        refuse_to_build(self.name, "opens trained models")

    def open(self, source: Source) -> Model:
        """Return the model in the file ``source.location``.

        Raises:
            BadSetting: if it cannot be loaded or does not fit the data.
        """
        from adapters.onnx_model import open_onnx

        return open_onnx(source)
