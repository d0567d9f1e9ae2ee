"""Models of a submission that are not what they are called: the original, an oracle, or another method's result."""

from __future__ import annotations

from collections.abc import Sequence

from harness.plan import ORACLE
from harness.record import CellRecord
from harness.rows import Row
from harness.store import Manifest
from leaderboard.evidence import Evidence
from leaderboard.flags import Flag
from leaderboard.formats import duration
from leaderboard.names import CONTROLS

SIGNALS = "signals.safetensors"


def copy_flags(evidence: Evidence, rows: Sequence[Row]) -> dict[str, list[Flag]]:
    """Return what the models of each row have in common with others, by the row's id.

    Two models with the same logits on every training and test example, bit for bit, are one model.
    """
    flags: dict[str, list[Flag]] = {}
    oracles = {_logits(evidence.model(cell)) for cell in evidence.record.cells if cell.method == ORACLE}
    for row in rows:
        cells = [cell for cell in evidence.record.cells if cell.status == "ok" and cell.method == row.method.title
                 and cell.access == row.method.access]
        if row.method.name == ORACLE or not cells:
            continue
        found = [*_copies(evidence, cells, oracles, row), *_budget(evidence, cells)]
        if found:
            flags[row.id] = found
    return flags


def _copies(evidence: Evidence, cells: Sequence[CellRecord], oracles: set[str], row: Row) -> list[Flag]:
    same = sum(_logits(evidence.model(cell)) == _logits(evidence.linked(cell, "original")) for cell in cells)
    stolen = sum(_logits(evidence.model(cell)) in oracles for cell in cells)
    others = {_logits(evidence.model(cell)): cell.method for cell in evidence.record.cells
              if cell.status == "ok" and cell.method not in (row.method.title, ORACLE, *CONTROLS)}
    twins = {others[own] for cell in cells if (own := _logits(evidence.model(cell))) in others}
    flags = []
    if same and row.method.name not in CONTROLS:
        flags.append(Flag(code="returns-original", title="returns the original model", level="grave",
                          evidence=f"{same} of {len(cells)} models have its logits, bit for bit"))
    if stolen:
        flags.append(Flag(code="equals-oracle", title="returns an oracle", level="grave",
                          evidence=f"{stolen} of {len(cells)} models have an oracle's logits, bit for bit"))
    if twins and row.method.name not in CONTROLS:
        flags.append(Flag(code="identical", title=f"identical to {', '.join(sorted(twins))}", level="grave",
                          evidence="models with the same logits, bit for bit"))
    return flags


def _budget(evidence: Evidence, cells: Sequence[CellRecord]) -> list[Flag]:
    limit = evidence.suite.unlearn_seconds
    over = [cell for cell in cells if float(cell.measured.get("seconds", 0)) > limit]
    if not over:
        return []
    return [Flag(code="budget", title="exceeds the suite's time limit", level="grave",
                 evidence=f"{len(over)} of {len(cells)} models took more than {duration(limit)}")]


def _logits(manifest: Manifest | None) -> str:
    """Return the digest of a model's logits; of a model without, a name that no other has."""
    return manifest.files.get(SIGNALS, manifest.key) if manifest else ""
