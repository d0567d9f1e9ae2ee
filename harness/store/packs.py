"""Packs: objects in one plain zip file, to be shared, so that nobody trains the same oracle twice.

A pack holds ``objects/ab/cdef.../manifest.json`` and the arrays beside it, uncompressed and in order, so that the same
objects give the same bytes. Importing believes nothing: names, sizes and digests are checked, nothing is unpickled,
and an object appears in the store only when all of it is right. What a pack says of how an object was *made* cannot be
checked this way, only by computing it again: import packs from people whom you would believe a table of numbers.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from harness.errors import StoreError
from harness.store.locks import in_use
from harness.store.objects import Store

_NAME = re.compile(r"objects/([0-9a-f]{2})/([0-9a-f]{62})/(manifest\.json|[A-Za-z0-9_-]{1,64}\.safetensors)")
_WHEN = (1980, 1, 1, 0, 0, 0)
_BLOCK = 2**20


@frozen(kw_only=True)
class Imported:
    """What an import has done: objects taken over, and objects that were there already."""

    new: int
    known: int


def write_pack(store: Store, keys: Iterable[str], path: Path) -> int:
    """Write objects to a pack and return how many; each is checked first.

    Raises:
        StoreError: if an object is damaged or the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as pack:
            for key in sorted(keys):
                store.verify(key)
                for file in store.files(key):
                    entry = zipfile.ZipInfo(f"objects/{key[:2]}/{key[2:]}/{file.name}", _WHEN)
                    entry.external_attr = 0o644 << 16
                    pack.writestr(entry, file.read_bytes())
                count += 1
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def import_pack(store: Store, path: Path) -> Imported:
    """Take over the objects of a pack; what the store has already stays as it is.

    Raises:
        StoreError: if the file is no pack, or anything in it is not what it says; objects before the bad one stay.
    """
    new = known = 0
    try:
        with in_use(store.root), zipfile.ZipFile(path) as pack:
            for key, entries in _contents(pack, path).items():
                if store.has(key):
                    known += 1
                else:
                    _take(store, key, entries, pack, path)
                    new += 1
    except (OSError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path}: cannot be imported: {getattr(error, 'strerror', None) or error}") from error
    return Imported(new=new, known=known)


def _contents(pack: zipfile.ZipFile, path: Path) -> dict[str, list[zipfile.ZipInfo]]:
    """Return the entries by key; anything that a pack does not hold is refused before a byte is written."""
    found: dict[str, list[zipfile.ZipInfo]] = {}
    for entry in pack.infolist():
        if entry.is_dir():
            continue
        match = _NAME.fullmatch(entry.filename)
        if not match:
            raise StoreError(f"{path}: {entry.filename!r} has no place in a pack; nothing was imported")
        # Compressed bytes may unpack to any size.
        if entry.compress_type != zipfile.ZIP_STORED:
            raise StoreError(f"{path}: {entry.filename} is compressed, which packs are not; nothing was imported")
        found.setdefault(match[1] + match[2], []).append(entry)
    for key, entries in found.items():
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise StoreError(f"{path}: object {key[:12]} has a file twice; nothing was imported")
    return found


def _take(store: Store, key: str, entries: list[zipfile.ZipInfo], pack: zipfile.ZipFile, path: Path) -> None:
    folder = store.root / "tmp" / f"{key[:16]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        for entry in entries:
            with pack.open(entry) as source, (folder / Path(entry.filename).name).open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
                target.flush()
                os.fsync(target.fileno())
        store.adopt(key, folder)
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
