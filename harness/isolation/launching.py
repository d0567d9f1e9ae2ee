"""Starting a child and watching it until it ends, by itself or not."""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import attrs
from attrs import define, field, frozen

from harness.isolation import bubblewrap
from harness.isolation.descendants import descendants, end_all, held_mb
from harness.isolation.levels import Isolation
from harness.isolation.returns import Tray
from harness.isolation.visible import import_path

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from harness.isolation.child import main; main()"
_LOOK = 0.05
_KEPT = 4096
# Of a jail's /tmp, which is memory.
_SCRATCH_MB = 512
# Within this time the interpreter, the libraries and the task are read, even on a busy machine.
_STARTING = 60.0
# Users that systemd keeps for services of a moment; nothing else runs as one of them.
_FIRST_USER, _USERS = 61184, 4336


@frozen(kw_only=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code; negative for a signal.
        stopped: why the harness ended it; empty when it ended by itself.
        overdue: whether that was since its time was up.
        seconds: of the work, from the moment at which the child was ready.
        peak_mb: the most memory that its processes were seen to hold together.
        said: the end of what it printed.
    """

    code: int
    stopped: str
    overdue: bool
    seconds: float
    peak_mb: float
    said: str


@contextmanager
def workplace() -> Iterator[Path]:
    """Yield a folder for one child, with ``task``, ``out`` and ``scratch`` in it."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="unlearn-child-"))
    try:
        folder.chmod(0o755)
        for name in ("task", "out", "scratch"):
            (folder / name).mkdir(mode=0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def tray(folder: Path) -> Iterator[Tray]:
    """Yield the ``out`` of a workplace, opened before a child can put something else in its place."""
    descriptor = os.open(folder / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield Tray(descriptor=descriptor)
    finally:
        os.close(descriptor)


def launch(isolation: Isolation, folder: Path, work: str, device: str,
           told: Mapping[str, Any] | None = None) -> Ended:
    """Run a child in ``folder`` and return how it ended; nothing of it is left running.

    Args:
        isolation: how it is held.
        folder: a workplace, with the task in it.
        work: ``unlearn``, ``canaries`` or ``forks``.
        device: where models compute.
        told: what else the order says, if anything.
    """
    user = _FIRST_USER + secrets.randbelow(_USERS) if isolation.drops_user else None
    if user is not None:
        for name in ("out", "scratch"):
            os.chown(folder / name, user, user)
    jail = isolation.level == "bubblewrap"
    places = (bubblewrap.TASK, bubblewrap.OUT, bubblewrap.SCRATCH) if jail else (
        str(folder / "task"), str(folder / "out"), str(folder / "scratch"))
    ready, tell = os.pipe()
    try:
        order = {**(told or {}), "work": work, "level": isolation.level, "user": user, "device": device, "ready": tell,
                 "limits": attrs.asdict(isolation.limits), **dict(zip(("task", "out", "scratch"), places, strict=True))}
        command = [sys.executable, "-I", "-c", _START, json.dumps(order), json.dumps(import_path())]
        environment = _environment(places[2])
        if jail:
            command = bubblewrap.jailed(command, folder, environment, drops_user=isolation.drops_user,
                                        scratch_mb=min(isolation.limits.disk_mb, _SCRATCH_MB), device=device)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=environment, cwd=folder, start_new_session=True, pass_fds=(tell,))
        os.close(tell)
        return _Watch(process, isolation, folder, ready).until_the_end()
    finally:
        os.close(ready)


def _environment(scratch: str) -> Mapping[str, str]:
    """Return all that a child learns of the harness's environment: nothing."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch, "USER": "plugin",
            "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1"}


@define(eq=False)
class _Watch:
    """Looks after one running child."""

    process: subprocess.Popen[bytes]
    isolation: Isolation
    folder: Path
    ready: int
    began: float = field(factory=time.monotonic)
    begun_work: float | None = None
    printed: int = 0
    said: bytes = b""
    peak_mb: float = 0.0
    overdue: bool = False

    def until_the_end(self) -> Ended:
        """Return how the child ended."""
        with self._output:
            stopped, ended = self._watched()
            with suppress(BlockingIOError):
                while self._read_output():
                    pass
        return Ended(code=self.process.returncode, stopped=stopped, overdue=self.overdue,
                     seconds=ended - (self.begun_work or self.began), peak_mb=round(self.peak_mb, 1),
                     said=self.said.decode("utf-8", "replace"))

    def _watched(self) -> tuple[str, float]:
        """Return why the child was stopped, if it was, and when it ended; whatever happens, it is not running then."""
        stopped = ""
        os.set_blocking(self._output.fileno(), False)
        try:
            with selectors.DefaultSelector() as selector, _ending(self.process.pid) as ending:
                for descriptor in ending:
                    selector.register(descriptor, selectors.EVENT_READ, lambda: False)
                selector.register(self._output, selectors.EVENT_READ, self._read_output)
                selector.register(self.ready, selectors.EVENT_READ, self._note_beginning)
                while not stopped and self.process.poll() is None:
                    for key, _ in selector.select(_LOOK):
                        if not key.data():
                            selector.unregister(key.fileobj)
                    stopped = self._excess()
        finally:
            ended = time.monotonic()
            self._end()
        return stopped, ended

    @property
    def _output(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise ValueError("the child was started without a pipe for what it prints")
        return self.process.stdout

    def _read_output(self) -> bool:
        """Read what was printed, of which only the end is kept; return whether there may be more."""
        with suppress(BlockingIOError):
            content = os.read(self._output.fileno(), 1 << 16)
            self.printed += len(content)
            self.said = (self.said + content)[-_KEPT:]
            return bool(content) and self.printed <= self._most_printed
        return False

    @property
    def _most_printed(self) -> float:
        return self.isolation.limits.output_mb * 2**20

    def _note_beginning(self) -> bool:
        self.begun_work = time.monotonic() if os.read(self.ready, 1) else None
        return False

    def _excess(self) -> str:
        """Return which limit the child has gone beyond, or nothing."""
        limits = self.isolation.limits
        running = descendants(self.process.pid)
        held = held_mb(running, limits.memory_mb)
        self.peak_mb = max(self.peak_mb, held)
        if self.printed > self._most_printed:
            return f"it printed more than {limits.output_mb:g} MB"
        if held > limits.memory_mb:
            return f"its processes held more than {limits.memory_mb} MB of memory"
        # The jail and the supervisor are two more.
        if len(running) > limits.processes + 2:
            return f"it ran more than {limits.processes} processes"
        if _disk_mb(self.folder) > limits.disk_mb:
            return f"it wrote more than {limits.disk_mb} MB"
        self.overdue = limits.wall_seconds is not None and self._working() > limits.wall_seconds
        if self.overdue:
            return f"it ran longer than {limits.wall_seconds:g} s"
        return ""

    def _working(self) -> float:
        """Return for how many seconds the child has been at work."""
        start = self.began + _STARTING if self.begun_work is None else self.begun_work
        return time.monotonic() - start

    def _end(self) -> None:
        """End the child and all that has come of it."""
        if self.process.poll() is None:
            end_all(self.process.pid)
            self.process.kill()
            self.process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def _ending(process: int) -> Iterator[list[int]]:
    """Yield a descriptor that is readable once a process has ended, so that its time is not rounded up to a look.

    None where the kernel or a container does not give one.
    """
    descriptors: list[int] = []
    with suppress(OSError):
        descriptors.append(os.pidfd_open(process))
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _disk_mb(folder: Path, most_files: int = 10_000) -> float:
    """Return the size of everything below ``folder``; infinite where there are more files than anybody needs."""
    total, files, waiting = 0, 0, [str(folder / "out"), str(folder / "scratch")]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                if files > most_files:
                    return float("inf")
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total / 2**20


def signal_name(code: int) -> str:
    """Return the name of the signal in an exit code (-9, or 137 by way of another process), or nothing."""
    number = -code if code < 0 else code - 128
    with suppress(ValueError):
        return signal.Signals(number).name
    return ""

