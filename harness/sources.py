"""Models that exist already: how an adapter opens one that the command line names as ``ADAPTER:LOCATION``."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from attrs import field, frozen

from harness.audits import Signals
from harness.models import Architecture, Model
from harness.settings import Settings


@frozen(kw_only=True)
class Source:
    """What an adapter has to know to open a model.

    Attributes:
        uri: as given, e.g. ``onnx:model.onnx`` or ``https://host/v2/models/digits``.
        input_shape: of one input, e.g. ``(1, 28, 28)``.
        num_classes: C.
        architecture: for files of parameters; None where none was named.
        settings: of the architecture.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: on which a CPU computes.
        timeout: seconds that one answer of a server may take.
    """

    uri: str
    input_shape: tuple[int, ...]
    num_classes: int
    architecture: Architecture | None = None
    settings: Settings = field(factory=dict)
    device: str = "cpu"
    threads: int = 1
    timeout: float = 30.0

    @property
    def adapter(self) -> str:
        """What is before the first colon."""
        return self.uri.partition(":")[0]

    @property
    def location(self) -> str:
        """What is after the first colon."""
        return self.uri.partition(":")[2]


@runtime_checkable
class Opens(Protocol):
    """An adapter that opens models."""

    def open(self, source: Source) -> Model:
        """Return the model at ``source.location``.

        Raises:
            HarnessError: if it cannot be opened or does not fit the data, in one line.
        """
        ...


@runtime_checkable
class ReadsSignals(Protocol):
    """An adapter that reads what a model once said of a data set."""

    def read_signals(self, source: Source, train: int, test: int) -> Signals:
        """Return the logits at ``source.location`` on ``train`` and ``test`` examples.

        Raises:
            HarnessError: if they cannot be read or do not fit the data, in one line.
        """
        ...
