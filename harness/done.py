"""What a stage has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from numpy.typing import NDArray

from harness.models import Model


@frozen(kw_only=True)
class Done:
    """What a stage has made.

    Attributes:
        report: small results as JSON.
        arrays: arrays by name, by file.
        measured: costs of a part of the stage, beside those of the whole, and how it was held.
        model: the model that it has made, if it makes one.
    """

    report: Mapping[str, Any]
    arrays: Mapping[str, Mapping[str, NDArray[Any]]]
    measured: Mapping[str, Any] = field(factory=dict)
    model: Model | None = None
