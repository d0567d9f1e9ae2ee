"""What each level holds, on machines that have it."""

from __future__ import annotations

import re
import socket
from functools import cache
from pathlib import Path

import pytest

import harness
from harness.errors import BadSetting
from harness.isolation import LEVELS, Isolation, Level, bubblewrap, establish, landlock
from harness.isolation.levels import weakest
from tests.harness.isolation.test_hostile_plugins import CONTAINED, DENIED, LIMITS, cell_of, run_suite

REASON = {"bubblewrap": "bubblewrap is not installed", "landlock": "this kernel has no Landlock",
          "subprocess": ""}
OUTSIDE = {"files", "writing", "network"}


@cache
def at(level: Level) -> Isolation:
    """Return the isolation at a level, or skip the test where the machine lacks it."""
    offered = {"bubblewrap": bubblewrap.found(), "landlock": landlock.version() > 0, "subprocess": True}
    if not offered[level]:
        pytest.skip(REASON[level])
    try:
        return establish(LIMITS, levels=[level])
    except BadSetting as error:
        pytest.skip(f"{level} does not hold in this environment: {error}")


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_holds_what_it_promises(level: Level) -> None:
    held = set(at(level).held)

    assert {"memory", "processes"} <= held
    assert level == "subprocess" or held >= OUTSIDE
    assert held.isdisjoint(at(level).loose)


@pytest.mark.parametrize("level", ["landlock", "subprocess"])
def test_a_weaker_level_contains_too(level: Level, tmp_path: Path) -> None:
    alone = run_suite(tmp_path / "alone", [{"name": "ft"}], None)
    methods = ["hangs", "kills-its-parent", "leaves-a-daemon", "ft"]

    record = run_suite(tmp_path / "together", [{"name": name} for name in methods], at(level))

    assert cell_of(record, "ft").scores == cell_of(alone, "ft").scores
    assert cell_of(record, "ft").measured["isolation"] == level
    for method in ("hangs", "kills-its-parent"):
        assert re.match(CONTAINED[method], cell_of(record, method).error)
    assert "unlearn-daemon" not in {name.read_text().strip() for name in Path("/proc").glob("[0-9]*/comm")}


def test_the_time_of_a_method_does_not_begin_before_its_child_has_read_the_task(tmp_path: Path) -> None:
    # No interpreter starts in a hundredth of a second.
    record = run_suite(tmp_path, [{"name": "ft"}], at("subprocess"), unlearn_seconds=0.01)

    assert cell_of(record, "ft").status == "ok"


def test_landlock_denies_files_and_calls(tmp_path: Path) -> None:
    isolation = at("landlock")
    secret = tmp_path / "secret"
    secret.write_text("hush", encoding="ascii")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings = {"outside": str(tmp_path / "outside"), "secret": str(secret), "port": listener.getsockname()[1]}
        record = run_suite(tmp_path / "store", [{"name": name, "settings": settings} for name in DENIED], isolation)

    for method, (_, error) in DENIED.items():
        assert re.match(error, cell_of(record, method).error)
    assert not (tmp_path / "outside").exists()


def test_a_secret_within_reach_of_the_code_is_found_out(caplog: pytest.LogCaptureFixture) -> None:
    within_the_package = Path(harness.__file__)

    isolation = establish(LIMITS, secrets=[within_the_package], levels=["bubblewrap", "subprocess"])

    assert isolation.level == "subprocess"
    assert "files" in isolation.loose
    assert not bubblewrap.found() or "bubblewrap does not hold here: a child got through to files" in caplog.text


def test_the_weakest_of_several_levels_counts() -> None:
    assert weakest(["bubblewrap", "in-process", "landlock"]) == "in-process"
    assert weakest(["bubblewrap", "landlock"]) == "landlock"
    assert weakest([]) == ""


def test_an_isolation_says_what_it_holds() -> None:
    isolation = Isolation(level="subprocess", held=("memory",), loose=("files", "network"))

    assert str(isolation) == "subprocess: holds memory; open: files, network"
