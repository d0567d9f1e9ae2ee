"""Hostile unlearners beside honest ones in one run: each is contained and recorded, no other result is harmed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from harness.context import Place, load_dataset
from harness.isolation import Isolation, Limits, establish
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.record import CellRecord, RunRecord
from harness.run import run
from harness.settings import structure
from harness.suite import Suite
from tests.harness.isolation import hostile

LIMITS = Limits(memory_mb=512, cpu_seconds=3, wall_seconds=1, processes=24, output_mb=1, disk_mb=8)
HONEST = ("original", "ft", "ga")
# What the row says; several where one limit may strike before the other, on a busy machine.
CONTAINED = {
    "raises": "PluginFailed: KeyError: 'no such.*thing'",
    "exits": "PluginFailed: SystemExit: enough",
    "ends-without-a-word": "BadResult: .* ended without handing back a model",
    "crashes": "PluginFailed: its process was ended by SIGSEGV",
    "hangs": "stopped: it ran longer than 1 s",
    "spins": "(PluginFailed: )?stopped: it (used more than 3 s of processor time|ran longer than 1 s)",
    "forks": "(PluginFailed: )?stopped: it (ran more than 24 processes|ran longer than 1 s|used more than 3 s)",
    "prints": "PluginFailed: stopped: it printed more than 1 MB",
    "eats-memory": "(PluginFailed: )?(.*MemoryError|stopped: it(s processes held more than 512 MB| ran longer than 1 s))",
    "fills-the-disk": "PluginFailed: (OSError: .*too large|stopped: it wrote more than 8 MB)",
    "kills-its-parent": "PluginFailed: (RuntimeError: still here|PermissionError|its process was ended by SIGKILL)",
    "returns-a-number": "PluginFailed: TypeError: unlearn returned int",
    "returns-nan": "BadResult: .*contains NaN",
    "returns-another-shape": "BadResult: .*of shape .*, the original's is",
    "returns-too-much": "BadResult: the unlearner left .* bytes in weights.safetensors",
    "reports-nonsense": "(PluginFailed|BadResult): ",
    "leaves-a-link": "BadResult: the unlearner left a link in place of weights.safetensors",
    "leaves-a-pipe": "BadResult: the unlearner left a special file",
    "leaves-rubbish": "BadResult: what the unlearner handed back is no safetensors file",
    # 12 of its 120 training examples are forgotten; the test set has 120.
    "looks-for-the-test-set": r"PluginFailed: RuntimeError: found sets of \[12, 108\] examples",
    "reads-the-environment": "PluginFailed: KeyError: 'UNLEARN_TEST_TOKEN'",
}
# What only some levels hold off, by the canary that says whether the level here does.
DENIED = {
    "writes-outside": ("writing", "PluginFailed: (PermissionError|FileNotFoundError|OSError)"),
    "reads-the-store": ("files", "PluginFailed: (PermissionError|FileNotFoundError)"),
    "looks-for-oracles": ("files", "PluginFailed: RuntimeError: found 0 files"),
    "phones-home": ("network", "PluginFailed: (ConnectionRefusedError|PermissionError|OSError|TimeoutError)"),
}
HARMLESS = ("leaves-a-daemon", "patches-the-harness")

SUITE = {
    "name": "hostile-v1",
    "description": "honest and hostile methods in one run",
    "data": {"name": "digits", "train": 120, "test": 120},
    "model": {"name": "linear"},
    "recipe": {"epochs": 3, "batch_size": 30, "lr": 0.1},
    "requests": {"generator": "random", "size": 0.1, "count": 1},
    "access": ["retain+forget"],
    "originals": 1,
    "oracles": 2,
    "runs": 1,
    "references": {"count": 0},
    "auditors": [{"name": "accuracy"}],
}


@frozen(kw_only=True)
class Aftermath:
    """A run with honest and hostile methods, and what was left of it."""

    isolation: Isolation
    record: RunRecord
    alone: RunRecord
    outside: Path
    listener: socket.socket

    def cell(self, method: str) -> CellRecord:
        return cell_of(self.record, method)


def cell_of(record: RunRecord, method: str) -> CellRecord:
    [cell] = [cell for cell in record.cells if cell.method == method]
    return cell


def run_suite(store: Path, methods: list[dict[str, Any]], isolation: Isolation | None, **changes: Any) -> RunRecord:
    registry = load_registry([Path(hostile.__file__)])
    place = Place(store=store, plugins=(Path(hostile.__file__),), isolation=isolation)
    suite = structure({**SUITE, "unlearners": methods, **changes}, Suite, "hostile")
    return run(make_plan(suite, load_dataset(registry, suite.data, place), registry), place, registry, jobs=0)


@contextmanager
def mixed_run(folder: Path) -> Iterator[Aftermath]:
    """Run honest and hostile methods together, and the honest ones alone."""
    honest = [{"name": name} for name in HONEST]
    alone = run_suite(folder / "alone", honest, None)
    secret = next((folder / "alone" / "objects").rglob("*.safetensors"))
    with socket.socket() as listener, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARN_TEST_TOKEN", "hush")
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        settings = {"outside": str(folder / "outside"), "secret": str(secret), "port": listener.getsockname()[1]}
        methods = [{"name": kind.name, "settings": settings} for kind in hostile.KINDS]
        isolation = establish(LIMITS, secrets=[secret])
        # Honest methods before, among and after the others.
        mixed = [honest[0], *methods[:12], honest[1], *methods[12:], honest[2]]
        record = run_suite(folder / "together", mixed, isolation)
        yield Aftermath(isolation=isolation, record=record, alone=alone, outside=folder / "outside", listener=listener)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    with mixed_run(tmp_path_factory.mktemp("hostile")) as found:
        yield found


@pytest.mark.parametrize("method", CONTAINED)
def test_a_hostile_method_is_contained_and_recorded(method: str, aftermath: Aftermath) -> None:
    cell = aftermath.cell(method)

    assert cell.status == ("timeout" if "ran longer" in cell.error else "failed")
    assert re.match(CONTAINED[method], cell.error)


@pytest.mark.parametrize("method", DENIED)
def test_what_is_out_of_bounds_is_denied(method: str, aftermath: Aftermath) -> None:
    canary, error = DENIED[method]
    if canary not in aftermath.isolation.held:
        pytest.skip(f"{aftermath.isolation}: this machine has neither bubblewrap nor Landlock")

    cell = aftermath.cell(method)

    assert cell.status == "failed"
    assert re.match(error, cell.error)


@pytest.mark.parametrize("method", HARMLESS)
def test_what_does_no_harm_is_a_result_like_any_other(method: str, aftermath: Aftermath) -> None:
    assert aftermath.cell(method).status == "ok"


@pytest.mark.parametrize("method", HONEST)
def test_the_results_of_honest_methods_are_those_of_a_run_without_the_others(method: str, aftermath: Aftermath) -> None:
    together, alone = aftermath.cell(method), cell_of(aftermath.alone, method)

    assert together.status == "ok"
    assert together.scores == alone.scores


def test_patching_an_audit_in_the_child_changes_no_score(aftermath: Aftermath) -> None:
    assert aftermath.cell("patches-the-harness").scores == aftermath.cell("original").scores


def test_every_hostile_method_is_in_a_table() -> None:
    assert {kind.name for kind in hostile.KINDS} == {*CONTAINED, *DENIED, *HARMLESS}


def test_nothing_is_written_outside(aftermath: Aftermath) -> None:
    if "writing" not in aftermath.isolation.held:
        pytest.skip(f"{aftermath.isolation}: this machine has neither bubblewrap nor Landlock")
    assert not aftermath.outside.exists()


def test_nobody_has_called(aftermath: Aftermath) -> None:
    if "network" not in aftermath.isolation.held:
        pytest.skip(f"{aftermath.isolation}: this machine has neither bubblewrap nor Landlock")
    with pytest.raises(BlockingIOError):
        aftermath.listener.accept()


def test_no_process_is_left_behind(aftermath: Aftermath) -> None:
    names = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            names.append((process / "comm").read_text(encoding="ascii", errors="replace").strip())
        except OSError:
            continue
    assert "unlearn-daemon" not in names


def test_the_level_is_recorded(aftermath: Aftermath) -> None:
    assert aftermath.cell("ft").measured["isolation"] == aftermath.isolation.level
    assert aftermath.record.measured["isolation"] == aftermath.isolation.level
    assert aftermath.record.measured["canaries"]["held"] == list(aftermath.isolation.held)
    assert aftermath.alone.measured["isolation"] == "in-process"
