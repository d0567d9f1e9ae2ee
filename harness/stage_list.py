"""The stages of a plan while it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.digests import derive_seed
from harness.plan import Stage


class StageList:
    """Stages in the order in which they were added, each once: equal work is planned once."""

    def __init__(self, data_spec: Mapping[str, Any], root: int) -> None:
        """Begin an empty list.

        Args:
            data_spec: the data set, which is part of every stage's key.
            root: seed from which those of the stages are derived.
        """
        self._data_spec, self._root = data_spec, root
        self._stages: dict[str, Stage] = {}

    def add(self, kind: str, label: str, inputs: Iterable[str], work: float = 0.0, limit: float | None = None,
            **content: Any) -> str:
        """Add a stage made from ``content`` unless it is there, and return its key."""
        spec = {"kind": kind, "schema": 1, "data": self._data_spec, **content}
        stage = Stage(kind=kind, label=label, spec=spec, inputs=tuple(dict.fromkeys(inputs)), work=work, limit=limit)
        return self._stages.setdefault(stage.key, stage).key

    def seed(self, stage: str, *parts: int | str) -> int:
        """Return the seed of a stage."""
        return derive_seed(self._root, stage, *parts)

    def __iter__(self) -> Any:
        """Yield the stages."""
        return iter(self._stages.values())
