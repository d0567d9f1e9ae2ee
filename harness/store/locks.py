"""Who uses a store: any number of runs side by side, or one that tidies up.

Writing an object needs no lock, since it appears by one rename. Removing does: a run counts on what it has found.
The kernel drops a lock when its process ends, however it ends, so that nothing is left to clean up after a kill.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StoreError


@contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Keep others from removing anything from the store while the block runs."""
    with _opened(root) as file:
        _lock(file, alone=False, wait=True)
        yield


@contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Yield whether nobody else uses the store; if so, nobody will until the block has ended."""
    with _opened(root) as file:
        yield _lock(file, alone=True, wait=False)


@contextmanager
def _opened(root: Path) -> Iterator[int]:
    try:
        file = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StoreError(f"store {root} cannot be written: {error.strerror}; name another with --store") from error
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int, *, alone: bool, wait: bool) -> bool:
    """Return whether the lock was got. Where a system or a file system has none, nobody is ever known to be alone."""
    if sys.platform == "win32":
        return not alone
    import fcntl

    kind = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, kind)
    except OSError:
        return False
    return True
