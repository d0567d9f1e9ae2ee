"""Unlearners that a harness must survive. Loaded as a plugin; each does one kind of harm inside ``unlearn``."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Examples, Scope, Unlearned, UnlearnTask, hookimpl


def out() -> Path:
    """Return the folder from which the harness will read what this process hands back."""
    return Path(json.loads(sys.argv[1])["out"])


@frozen(kw_only=True)
class Hostile:
    """What all have in common; the settings say where harm could be done."""

    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    access: ClassVar[tuple[Access, ...]] = ("retain+forget",)
    scopes: ClassVar[tuple[Scope, ...]] = ("sample",)

    outside: str = ""
    secret: str = ""
    port: int = 0


class Raises(Hostile):
    """Raises an error with a line break in it."""

    name: ClassVar[str] = "raises"

    def unlearn(self, task: UnlearnTask) -> Any:
        raise KeyError("no such\nthing")


class Exits(Hostile):
    """Calls sys.exit."""

    name: ClassVar[str] = "exits"

    def unlearn(self, task: UnlearnTask) -> Any:
        sys.exit("enough")


class EndsWithoutAWord(Hostile):
    """Ends its process as if all were well."""

    name: ClassVar[str] = "ends-without-a-word"

    def unlearn(self, task: UnlearnTask) -> Any:
        os._exit(0)


class Crashes(Hostile):
    """Reads address 0."""

    name: ClassVar[str] = "crashes"

    def unlearn(self, task: UnlearnTask) -> Any:
        ctypes.string_at(0)


class Hangs(Hostile):
    """Sleeps for ever, deaf to signals."""

    name: ClassVar[str] = "hangs"

    def unlearn(self, task: UnlearnTask) -> Any:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(1)


class Spins(Hostile):
    """Computes for ever."""

    name: ClassVar[str] = "spins"

    def unlearn(self, task: UnlearnTask) -> Any:
        while True:
            pass


class Forks(Hostile):
    """Forks for ever."""

    name: ClassVar[str] = "forks"

    def unlearn(self, task: UnlearnTask) -> Any:
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)


class Prints(Hostile):
    """Prints for ever."""

    name: ClassVar[str] = "prints"

    def unlearn(self, task: UnlearnTask) -> Any:
        while True:
            print("x" * 10_000)  # noqa: T201


class EatsMemory(Hostile):
    """Takes memory for ever."""

    name: ClassVar[str] = "eats-memory"

    def unlearn(self, task: UnlearnTask) -> Any:
        kept = []
        while True:
            kept.append(np.ones(10_000_000))


class FillsTheDisk(Hostile):
    """Writes into its own folder for ever."""

    name: ClassVar[str] = "fills-the-disk"

    def unlearn(self, task: UnlearnTask) -> Any:
        with (out() / "rubbish").open("wb") as file:
            while True:
                file.write(bytes(1 << 20))


class WritesOutside(Hostile):
    """Writes a file outside its folder."""

    name: ClassVar[str] = "writes-outside"

    def unlearn(self, task: UnlearnTask) -> Any:
        Path(self.outside).write_text("I was here", encoding="ascii")
        raise RuntimeError("wrote")


class ReadsTheStore(Hostile):
    """Reads a file of the store."""

    name: ClassVar[str] = "reads-the-store"

    def unlearn(self, task: UnlearnTask) -> Any:
        raise RuntimeError(f"read {len(Path(self.secret).read_bytes())} bytes")


class LooksForOracles(Hostile):
    """Looks through the store for parameters of other models."""

    name: ClassVar[str] = "looks-for-oracles"

    def unlearn(self, task: UnlearnTask) -> Any:
        found = [*Path(self.secret).parents[2].rglob("*.safetensors")] if self.secret else []
        raise RuntimeError(f"found {len(found)} files")


class LooksForTheTestSet(Hostile):
    """Looks through its process for examples that it was not given."""

    name: ClassVar[str] = "looks-for-the-test-set"

    def unlearn(self, task: UnlearnTask) -> Any:
        sizes = {len(found) for found in gc.get_objects() if isinstance(found, Examples)}
        raise RuntimeError(f"found sets of {sorted(sizes)} examples")


class ReadsTheEnvironment(Hostile):
    """Reads a token from the environment."""

    name: ClassVar[str] = "reads-the-environment"

    def unlearn(self, task: UnlearnTask) -> Any:
        raise RuntimeError(f"token {os.environ['UNLEARN_TEST_TOKEN']}")


class PhonesHome(Hostile):
    """Connects to a server."""

    name: ClassVar[str] = "phones-home"

    def unlearn(self, task: UnlearnTask) -> Any:
        socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        raise RuntimeError("connected")


class KillsItsParent(Hostile):
    """Kills the process that started it."""

    name: ClassVar[str] = "kills-its-parent"

    def unlearn(self, task: UnlearnTask) -> Any:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.2)
        raise RuntimeError("still here")


class LeavesADaemon(Hostile):
    """Goes on in a grandchild in a session of its own, under a name by which the test looks for it."""

    name: ClassVar[str] = "leaves-a-daemon"

    def unlearn(self, task: UnlearnTask) -> Any:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(15, b"unlearn-daemon", 0, 0, 0)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
            os._exit(0)
        os.wait()
        return task.original


class ReturnsANumber(Hostile):
    """Returns 3."""

    name: ClassVar[str] = "returns-a-number"

    def unlearn(self, task: UnlearnTask) -> Any:
        return 3


class ReturnsNan(Hostile):
    """Returns parameters that are NaN."""

    name: ClassVar[str] = "returns-nan"

    def unlearn(self, task: UnlearnTask) -> Any:
        original: Any = task.original
        arrays = original.parameters()
        return original.with_parameters({name: np.full_like(array, np.nan) for name, array in arrays.items()})


class Shapeless:
    """A model whose parameters are in any shape."""

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays

    def logits(self, inputs: Any) -> Any:
        return np.zeros((len(inputs), 10), dtype=np.float32)

    def parameters(self) -> Any:
        return self.arrays

    def with_parameters(self, parameters: Any) -> Any:
        return self


class ReturnsAnotherShape(Hostile):
    """Returns parameters of another shape."""

    name: ClassVar[str] = "returns-another-shape"

    def unlearn(self, task: UnlearnTask) -> Any:
        arrays = task.original.parameters()  # type: ignore[attr-defined]
        return Shapeless({name: np.append(array, array).astype(np.float32) for name, array in arrays.items()})


class ReturnsTooMuch(Hostile):
    """Returns a parameter of 4 MB too many."""

    name: ClassVar[str] = "returns-too-much"

    def unlearn(self, task: UnlearnTask) -> Any:
        return Shapeless({"huge": np.zeros(1 << 20, dtype=np.float32)})


class ReportsNonsense(Hostile):
    """Reports an infinite accuracy."""

    name: ClassVar[str] = "reports-nonsense"

    def unlearn(self, task: UnlearnTask) -> Any:
        return Unlearned(model=task.original, facts={"accuracy": float("inf")})


class LeavesALink(Hostile):
    """Leaves a link to the store in place of its parameters."""

    name: ClassVar[str] = "leaves-a-link"

    def unlearn(self, task: UnlearnTask) -> Any:
        (out() / "weights.safetensors").symlink_to(self.secret)
        os._exit(0)


class LeavesAPipe(Hostile):
    """Leaves a pipe that nobody writes to in place of its parameters."""

    name: ClassVar[str] = "leaves-a-pipe"

    def unlearn(self, task: UnlearnTask) -> Any:
        os.mkfifo(out() / "weights.safetensors")
        os._exit(0)


class LeavesRubbish(Hostile):
    """Leaves rubbish in place of its parameters."""

    name: ClassVar[str] = "leaves-rubbish"

    def unlearn(self, task: UnlearnTask) -> Any:
        (out() / "weights.safetensors").write_bytes(b"\xff" * 100)
        os._exit(0)


class PatchesTheHarness(Hostile):
    """Turns every audit in its process into a perfect one; the audits are in another."""

    name: ClassVar[str] = "patches-the-harness"

    def unlearn(self, task: UnlearnTask) -> Any:
        import harness.statistics

        harness.statistics.clopper_pearson = lambda *_: None  # type: ignore[assignment]
        np.mean = lambda *_, **__: 0.5  # type: ignore[assignment]
        return task.original


KINDS = [Raises, Exits, EndsWithoutAWord, Crashes, Hangs, Spins, Forks, Prints, EatsMemory, FillsTheDisk, WritesOutside,
         ReadsTheStore, LooksForOracles, LooksForTheTestSet, ReadsTheEnvironment, PhonesHome, KillsItsParent,
         LeavesADaemon, ReturnsANumber, ReturnsNan, ReturnsAnotherShape, ReturnsTooMuch, ReportsNonsense, LeavesALink,
         LeavesAPipe, LeavesRubbish, PatchesTheHarness]


@hookimpl
def harness_unlearners() -> list[Any]:
    return KINDS
