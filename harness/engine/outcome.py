"""How one stage ended."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Status = Literal["ok", "failed", "timeout"]


@frozen(kw_only=True)
class Outcome:
    """How one stage ended.

    Attributes:
        key: of the stage.
        status: ``ok``, ``failed`` or ``timeout``.
        seconds: of the stage; 0 when it was there already.
        peak_mb: peak memory of the process.
        error: one line, when not ``ok``.
        trace: the traceback, when there is one.
    """

    key: str
    status: Status
    seconds: float = 0.0
    peak_mb: float = 0.0
    error: str = ""
    trace: str = ""
