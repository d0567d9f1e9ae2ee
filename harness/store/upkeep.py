"""Looking after a store: checking every object, dropping what no run needs, clearing away after killed runs."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from harness.errors import StoreError
from harness.store.locks import alone
from harness.store.objects import Store

LISTING = "objects.txt"


@frozen(kw_only=True)
class Garbage:
    """What no run needs.

    Attributes:
        keys: of objects.
        bytes: their size.
        kept: number of objects that stay.
    """

    keys: tuple[str, ...]
    bytes: int
    kept: int


def list_objects(folder: Path, keys: Iterable[str]) -> None:
    """Write down in a run's folder which objects it rests on, before it looks for them.

    Raises:
        StoreError: if the store cannot be written.
    """
    part = folder / f"{LISTING}.{uuid.uuid4().hex[:8]}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text("".join(f"{key}\n" for key in keys), encoding="ascii")
        part.replace(folder / LISTING)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error


def runs_with(store: Store, key: str) -> list[str]:
    """Return the names of the runs that rest on an object."""
    return [folder.name for folder, keys in _listings(store) if key in keys]


def check_objects(store: Store) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) of every damaged object; each file is read and compared with its digest."""
    for key in store:
        try:
            store.verify(key)
        except StoreError as error:
            yield key, str(error)


def find_garbage(store: Store) -> Garbage:
    """Return what no run in ``runs/`` rests on.

    Raises:
        StoreError: if a run does not say what it rests on.
    """
    needed: set[str] = set()
    for _, keys in _listings(store):
        needed |= keys
    found = list(store)
    spare = tuple(key for key in found if key not in needed)
    return Garbage(keys=spare, bytes=sum(object_bytes(store, key) for key in spare), kept=len(found) - len(spare))


def collect_garbage(store: Store) -> Garbage:
    """Remove what no run rests on and return it.

    Raises:
        StoreError: if a run is under way, or one does not say what it rests on.
    """
    with alone(store.root) as sole:
        if not sole:
            raise StoreError(f"store {store.root} is in use by a run; collect its garbage when that has ended")
        garbage = find_garbage(store)
        for key in garbage.keys:
            remove_object(store, key)
        _clear(store.root / "tmp")
    return garbage


def remove_object(store: Store, key: str) -> None:
    """Remove an object: it is absent at once, then its files go."""
    _discard(store.path(key), store.root / "tmp")


def clear_leftovers(store: Store) -> None:
    """Remove what killed runs have left half-written, unless another run is under way, whose it may be."""
    with alone(store.root) as sole:
        if sole:
            _clear(store.root / "tmp")


def object_bytes(store: Store, key: str) -> int:
    """Return the size of an object's files."""
    return sum(path.stat().st_size for path in store.files(key))


def _listings(store: Store) -> Iterator[tuple[Path, set[str]]]:
    for folder in sorted((store.root / "runs").glob("*/")):
        try:
            yield folder, set((folder / LISTING).read_text(encoding="ascii").split())
        except OSError as error:
            raise StoreError(f"run {folder.name} does not say which objects it rests on ({LISTING}: {error.strerror}); "
                             f"run it again, which computes nothing, or remove {folder}") from error


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        _discard(path, folder)


def _discard(path: Path, bin_folder: Path) -> None:
    # Renamed first: a worker that outlived its run by a moment can then no longer publish half of what is going.
    doomed = bin_folder / f"removed-{uuid.uuid4().hex}"
    try:
        path.rename(doomed)
    except FileNotFoundError:
        return
    if doomed.is_dir():
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        doomed.unlink(missing_ok=True)
