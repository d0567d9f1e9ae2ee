"""Records of runs whose scores are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from harness.audits import Score, Target
from harness.record import CellRecord, MethodRecord, RequestRecord, RunRecord

ACCESS = "retain+forget"


def cells(method: str, values: ArrayLike, name: str = "FT AUC", auditor: str = "rmia", unit: str = "auc",
          target: Target = "oracle") -> list[CellRecord]:
    """Return one cell for each of (originals, forget sets, runs) values, for an oracle of (forget sets, oracles)."""
    grid = np.asarray(values, dtype=np.float64)
    is_oracle = method == "oracle"
    made = []
    for place, value in np.ndenumerate(grid[None] if is_oracle else grid):
        score = Score(name=name, value=value, n=90, unit=unit, target=target)
        made.append(CellRecord(
            method=method, access=None if is_oracle else ACCESS, original=None if is_oracle else place[0],
            request=place[1], run=place[2], status="ok", model=f"{method}{place}", scores={auditor: (score,)}))
    return made


def merged(*groups: Sequence[CellRecord]) -> list[CellRecord]:
    """Return cells of the same models with the scores of all groups."""
    found: dict[str, CellRecord] = {}
    for group in groups:
        for cell in group:
            if cell.model in found:
                for auditor, scores in cell.scores.items():
                    found[cell.model].scores[auditor] = (*found[cell.model].scores.get(auditor, ()), *scores)
            else:
                found[cell.model] = cell
    return list(found.values())


def record(cells: Sequence[CellRecord], methods: Mapping[str, str] | None = None) -> RunRecord:
    """Return a record of these cells.

    Args:
        cells: of oracles and methods.
        methods: names of the methods by title; the titles themselves when not given.
    """
    titles = list(dict.fromkeys(cell.method for cell in cells if cell.method != "oracle"))
    forget_sets = 1 + max(cell.request for cell in cells)
    runs = {title: 1 + max(cell.run for cell in cells if cell.method == title) for title in titles}
    made = tuple(MethodRecord(title=title, name=(methods or {}).get(title, title), version="1", aliases=(),
                              access="retain+forget", settings={}, source="", owner={}, runs=runs[title])
                 for title in titles)
    requests = tuple(RequestRecord(name=f"r{r}", digest="3" * 64, scope="sample", classes=(), forget=9, train=90)
                     for r in range(forget_sets))
    suite = {"name": "tiny-v1", "seed": 0, "originals": 1, "oracles": 3, "runs": 2, "access": [ACCESS], "columns": [],
             "references": {"count": 0}, "unlearners": []}
    auditors = {auditor: {} for cell in cells for auditor in cell.scores}
    return RunRecord(suite=suite, suite_digest="1" * 64, protocol="2" * 64, data={}, requests=requests, methods=made,
                     auditors=auditors, cells=tuple(cells), skipped=(), originals=("o",), references=(), stages={},
                     measured={}, environment={})
