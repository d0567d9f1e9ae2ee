"""The child's side: confine, read the task, run the unlearner, write files. Started by `harness.isolation.launching`.

Outside bubblewrap two processes are made of one: a supervisor, to which every orphan falls, and the one that is
confined and meets the plugin. When that one ends, the supervisor ends whatever it has left behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from harness.isolation.confinement import adopt_orphans, confine, end_with_parent
from harness.isolation.descendants import end_all


def main() -> NoReturn:
    """Run the order in the first argument, which is JSON, and exit with its code."""
    order = json.loads(sys.argv[1])
    if order["level"] != "bubblewrap":
        _split()
    confine(order)
    os.environ["TMPDIR"] = os.environ["HOME"] = order["scratch"]
    os.chdir(order["scratch"])
    work = {"canaries": _canaries, "forks": _forks, "unlearn": _unlearn}[order["work"]]
    # Whatever is left running in other threads or queued for exit is not waited for.
    os._exit(_run(work, order))


def _run(work: Callable[[Mapping[str, Any]], Any], order: Mapping[str, Any]) -> int:
    """Return 0 when ``work`` came to an end; otherwise the error is in a file."""
    try:
        work(order)
    # The border of the child: even what ends a program is an outcome to report.
    except BaseException as error:
        report = json.dumps({"error": f"{type(error).__name__}: {error}"[:4000]})
        Path(order["out"], "error.json").write_text(report, encoding="utf-8")
        return 1
    return 0


def _split() -> None:
    """Return in a new process; this one becomes its supervisor and never returns."""
    signal.signal(signal.SIGTERM, _end)
    end_with_parent(signal.SIGTERM)
    adopt_orphans()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    # The pipe that says when the plugin begins is the child's alone.
    os.closerange(3, 1024)
    status = _wait_for(child)
    _clear_up()
    os._exit(128 - status if status < 0 else status)


def _wait_for(child: int) -> int:
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _end(*_: Any) -> NoReturn:
    _clear_up()
    os._exit(128 + signal.SIGTERM)


def _clear_up() -> None:
    """End what the child has left behind; not even a zombie stays."""
    end_all(os.getpid())
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _canaries(order: Mapping[str, Any]) -> None:
    from harness.isolation.canaries import sing
    from harness.isolation.visible import code_paths

    for path in filter(Path.is_dir, map(Path, code_paths())):
        # A user that cannot read the libraries could start, and fail much later.
        next(path.iterdir(), None)
    Path(order["out"], "canaries.json").write_text(json.dumps(sing(order)), encoding="utf-8")


def _forks(order: Mapping[str, Any]) -> None:
    from harness.isolation.canaries import fork_on

    Path(order["out"], "forks.json").write_text(json.dumps(fork_on(order["limits"]["processes"])), encoding="utf-8")


def _unlearn(order: Mapping[str, Any]) -> None:
    from harness.isolation.assignment import carry_out

    carry_out(Path(order["task"]), Path(order["out"]), order["ready"])
