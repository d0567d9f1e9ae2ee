"""Canaries: what a confined child must not manage, tried by a child that wants to.

`Cage` is the parent's side: it hides a file, listens on the loopback address, and afterwards looks what arrived.
`sing` and `fork_on` are the child's.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

from harness.isolation.descendants import after_name

# Seconds after which whoever counts processes from outside has looked, even on a busy machine.
NOTICED = 5.0
CANARIES = ("files", "writing", "network", "signals", "memory", "processes")


@frozen(kw_only=True)
class Cage:
    """What a child must not reach.

    Attributes:
        secrets: files outside.
        folder: a folder outside that its user may write in.
        tcp, udp: sockets that listen.
    """

    secrets: tuple[Path, ...]
    folder: Path
    tcp: socket.socket
    udp: socket.socket

    def order(self) -> dict[str, Any]:
        """Return what the child is told to try."""
        return {"secrets": [str(path) for path in self.secrets], "outside": str(self.folder),
                "tcp": self.tcp.getsockname()[1], "udp": self.udp.getsockname()[1], "victim": os.getpid(),
                "victim_since": _since(os.getpid())}

    def reached(self) -> list[str]:
        """Return what a child has left outside, whatever it says."""
        found = ["writing"] if any(self.folder.glob("egg*")) else []
        for listener in (self.tcp, self.udp):
            with suppress(BlockingIOError):
                if listener is self.tcp:
                    listener.accept()[0].close()
                else:
                    listener.recv(16)
                found.append("network")
        return found


@contextmanager
def cage(secrets: Sequence[Path]) -> Iterator[Cage]:
    """Yield a cage; ``secrets`` are files of the harness, such as one of its store, beside one made up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unlearn-canary-")))
        # Only confinement may keep the child out, not the rights of another user.
        folder.chmod(0o777)
        secret = folder / "secret"
        secret.write_text("canary", encoding="ascii")
        secret.chmod(0o666)
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, kind))
                   for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
            listener.setblocking(False)
        sockets[0].listen()
        yield Cage(secrets=(secret, *secrets), folder=folder, tcp=sockets[0], udp=sockets[1])


def sing(order: Mapping[str, Any]) -> list[str]:
    """Return the names of the canaries that have died: of what this process managed to do."""
    dead = []
    if any(_reads(path) for path in order["secrets"]):
        dead.append("files")
    with suppress(OSError):
        # In a jail this may be a file of the same name inside; the parent looks.
        Path(order["outside"], "egg").write_text("egg", encoding="ascii")
    if _calls(order["tcp"], order["udp"]):
        dead.append("network")
    if _touches(order["victim"], order["victim_since"]):
        dead.append("signals")
    if _allocates(2 * order["limits"]["memory_mb"] << 20):
        dead.append("memory")
    return dead


def _reads(path: str) -> bool:
    try:
        Path(path).read_bytes()
    except OSError:
        return False
    return True


def _calls(tcp: int, udp: int) -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as letter:
        letter.sendto(b"canary", ("127.0.0.1", udp))
    try:
        socket.create_connection(("127.0.0.1", tcp), timeout=1).close()
    except OSError:
        return False
    return True


def _touches(process: int, since: str) -> bool:
    """Return whether this process may send signals to the one that started it all."""
    try:
        os.kill(process, 0)
    except OSError:
        return False
    # In a namespace of its own another process may have that number.
    return _since(process) in ("", since)


def _since(process: int) -> str:
    """Return when a process was started, in ticks; nothing when that cannot be seen."""
    with suppress(OSError, IndexError):
        return after_name(process)[19]
    return ""


def _allocates(size: int) -> bool:
    try:
        bytearray(size)
    except MemoryError:
        return False
    return True


def fork_on(limit: int) -> list[str]:
    """Return whether twice ``limit`` processes could be started, and run until somebody should have noticed."""
    started = []
    try:
        for _ in range(2 * limit):
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            started.append(child)
        time.sleep(NOTICED)
    except OSError:
        return []
    finally:
        for child in started:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    return ["processes"]
