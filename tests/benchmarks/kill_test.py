"""Kills runs with SIGKILL at random moments until they have been killed often enough, and compares the rows.

    python -m tests.benchmarks.kill_test [--kills 50] [--seed 0] [--json]

A small suite of digits is run once undisturbed. Then it is run in a fresh store and killed at a random moment, the
command itself, one of its workers or all of them at once; the same command is given again, and killed again, until
one gets through. Its rows must be those of the undisturbed run byte for byte but for `measured`, every object of its
store must be whole and nothing half-written may be left. Exit code 1 if one of this is not so.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from attrs import asdict, field, frozen

from harness.digests import canonical_json
from harness.store import Store
from harness.store.upkeep import check_objects
from tests.conftest import SUITE_TOML

_COMMAND = "import sys; from harness.cli import run_main; sys.exit(run_main(sys.argv[1:]))"
TARGETS = ("command", "worker", "all")


@frozen(kw_only=True)
class Verdict:
    """What came of it.

    Attributes:
        kills: number of processes or groups killed, by what was killed.
        moments: when, as a share of the seconds of an undisturbed run.
        completed: runs that got through after being killed.
        commands: how often the command was given in all.
        seconds: of the undisturbed run.
        problems: what was not as it should be.
    """

    kills: dict[str, int]
    moments: list[float]
    completed: int
    commands: int
    seconds: float
    problems: list[str] = field(factory=list)


class Trial:
    """Runs of one suite below one folder."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng = folder, rng
        self.suite = folder / "tiny-v1.toml"
        self.suite.write_text(SUITE_TOML, encoding="utf-8")
        self.kills: Counter[str] = Counter()
        self.moments: list[float] = []
        self.commands = 0

    def start(self, store: Path) -> subprocess.Popen[bytes]:
        """Give the command, in a process group of its own."""
        self.commands += 1
        arguments = ["run", str(self.suite), "--jobs", "2", "--store", str(store), "--rows", str(store / "rows.jsonl")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-c", _COMMAND, *arguments], stdout=log, stderr=log,
                                    start_new_session=True)

    def disturbed(self, store: Path, seconds: float, kills: int) -> int:
        """Run until a command gets through, killing up to ``kills`` times in all; return its exit code."""
        process = self.start(store)
        began = time.monotonic()
        while True:
            if self.kills.total() >= kills:
                return process.wait()
            moment = self.rng.uniform(0, 1.1)
            try:
                return process.wait(max(0.0, moment * seconds - (time.monotonic() - began)))
            except subprocess.TimeoutExpired:
                target = self.rng.choice(TARGETS)
            if not self._kill(process, target):
                continue
            self.kills[target] += 1
            self.moments.append(round((time.monotonic() - began) / seconds, 3))
            if target != "worker":
                process.wait()
                process = self.start(store)
            began = time.monotonic()

    def _kill(self, process: subprocess.Popen[bytes], target: str) -> bool:
        """Return whether there was something to kill."""
        if target == "all":
            os.killpg(process.pid, signal.SIGKILL)
            return True
        victims = [process.pid] if target == "command" else list(_workers(process.pid))
        for victim in self.rng.sample(victims, min(1, len(victims))):
            os.kill(victim, signal.SIGKILL)
        return bool(victims)


def _workers(parent: int) -> Iterator[int]:
    """Yield the processes that the fork server of a run has made."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    for child in children.get(parent, ()):
        yield from children.get(child, ())


def plain_rows(path: Path) -> list[bytes]:
    """Return the rows of a file without what was measured, one canonical line each."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [canonical_json({name: value for name, value in row.items() if name != "measured"}) for row in rows]


def kill_runs(folder: Path, kills: int, seed: int) -> Verdict:
    """Kill runs below ``folder`` until ``kills`` have been, and say what came of it."""
    trial = Trial(folder, random.Random(seed))
    began = time.monotonic()
    if trial.start(folder / "undisturbed").wait():
        raise SystemExit((folder / "log").read_text())
    seconds = time.monotonic() - began
    expected = plain_rows(folder / "undisturbed" / "rows.jsonl")
    problems: list[str] = []
    completed = 0
    while trial.kills.total() < kills:
        store = folder / f"store-{completed}"
        code = trial.disturbed(store, seconds, kills)
        problems += [f"run {completed}: {problem}" for problem in _problems(store, code, expected)]
        if code:
            problems.append(f"run {completed} said: {(folder / 'log').read_text()[-500:]}")
        completed += 1
    return Verdict(kills=dict(trial.kills), moments=trial.moments, completed=completed, commands=trial.commands,
                   seconds=round(seconds, 2), problems=problems)


def _problems(store: Path, code: int, expected: Sequence[bytes]) -> Iterator[str]:
    if code:
        yield f"exit code {code}"
        return
    if plain_rows(store / "rows.jsonl") != expected:
        yield "other rows than the undisturbed run's"
    yield from (problem for _, problem in check_objects(Store(store, create=False)))
    yield from (f"{path.name} is left in tmp" for path in (store / "tmp").iterdir())


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(kills: int, seed: int, as_json: bool) -> None:
    """Kill runs of a small suite at random moments and compare their rows with those of an undisturbed one."""
    with tempfile.TemporaryDirectory() as folder:
        verdict = kill_runs(Path(folder), kills, seed)
    if as_json:
        print(json.dumps(asdict(verdict), indent=1))
    else:
        killed = ", ".join(f"{count} x {target}" for target, count in sorted(verdict.kills.items()))
        print(f"undisturbed {verdict.seconds} s; killed {killed}; {verdict.commands} commands, "
              f"{verdict.completed} runs completed; {len(verdict.problems)} problems")
        for problem in verdict.problems:
            print(problem)
    raise SystemExit(1 if verdict.problems else 0)


if __name__ == "__main__":
    main()
