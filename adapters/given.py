"""The adapters ``callable`` and ``signals``: a model that the user has in hand, as a function or as its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.unbuildable import refuse_to_build
from harness.audits import Signals
from harness.models import Architecture, Model, ModelFactory
from harness.sources import Source


class CallableAdapter:
    """Any function from a NumPy batch to logits or probabilities: ``callable:FILE.py:FUNCTION``. It runs that file."""

    name: ClassVar[str] = "callable"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset({"logits"})

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Raise BadSetting: a function is a trained model."""
        refuse_to_build(self.name, "calls functions")

    def open(self, source: Source) -> Model:
        """Return the function as a model.

        Raises:
            BadSetting: if there is no such file or function, or what it returns does not fit the data.
        """
        from adapters.callable_model import open_callable

        return open_callable(source)


class SignalsAdapter:
    """Logits or probabilities per sample in a file: ``signals:FILE``, npz, safetensors, CSV or Parquet."""

    name: ClassVar[str] = "signals"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset()

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Raise BadSetting: a file of answers is no model."""
        refuse_to_build(self.name, "reads what models have answered")

    def read_signals(self, source: Source, train: int, test: int) -> Signals:
        """Return the logits in the file.

        Raises:
            DataError: if it cannot be read or does not fit the data.
        """
        from adapters.signals_file import read_signals_file

        return read_signals_file(source, train, test)
