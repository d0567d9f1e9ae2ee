"""Print what came of every hostile unlearner in a run beside honest ones: ``python -m tests.benchmarks.hostile_table``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tabulate import tabulate

from tests.harness.isolation import hostile
from tests.harness.isolation.test_hostile_plugins import HONEST, Aftermath, cell_of, mixed_run


def lines(aftermath: Aftermath) -> list[tuple[str, str, str, str]]:
    """Return name, what it does, status and error of each hostile method, then of each honest one."""
    found = []
    for kind in hostile.KINDS:
        cell = aftermath.cell(kind.name)
        found.append((kind.name, (kind.__doc__ or "").partition("\n")[0], cell.status, cell.error))
    for name in HONEST:
        cell = aftermath.cell(name)
        same = cell.scores == cell_of(aftermath.alone, name).scores
        found.append((name, "honest", cell.status, "as alone" if same else "NOT AS ALONE"))
    return found


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder, mixed_run(Path(folder)) as aftermath:
        print(aftermath.isolation)
        print(tabulate(lines(aftermath), headers=["method", "what it does", "status", "what its row says"],
                       maxcolwidths=[None, 34, None, 60]))


if __name__ == "__main__":
    main()
