"""The file of a submission: a plain zip archive of which every byte is accounted for.

Entries are stored without compression, in order, under names of which a list exists, so nothing can unpack to more
than it is, and nothing lands elsewhere. The same content always gives the same bytes, and a file that is not exactly
what its own content would be written as is refused.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.digests import canonical_json, digest_bytes, digest_file, digest_json
from harness.errors import HarnessError

MANIFEST, RECORD, ROWS, SIGNATURE = "manifest.json", "record.json", "rows.jsonl", "signature.json"
KIND, SCHEMA = "unlearning-harness submission", 1
_NAME = re.compile(r"manifest\.json|record\.json|rows\.jsonl|signature\.json"
                   r"|objects/[0-9a-f]{2}/[0-9a-f]{62}/(manifest\.json|[A-Za-z0-9_-]{1,64}\.safetensors)")
_WHEN = (1980, 1, 1, 0, 0, 0)
_MOST_ENTRIES = 200_000
_MOST_JSON = 256 * 2**20
_UNREADABLE = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError, struct.error)


class BundleError(HarnessError):
    """A submission that is not what it should be; ``problems`` has all of them."""

    def __init__(self, place: Path, problems: list[str]) -> None:
        super().__init__(f"{place}: " + "; ".join(problems))
        self.problems = problems


def write_archive(files: Mapping[str, Path | bytes], path: Path) -> None:
    """Write files to an archive, or nothing.

    Raises:
        HarnessError: if it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, _WHEN)
                entry.create_system, entry.external_attr = 3, 0o644 << 16
                content = files[name]
                archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
        part.replace(path)
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def make_manifest(files: Mapping[str, Path | bytes], about: Mapping[str, str]) -> bytes:
    """Return the manifest of an archive: what it is about, and size and digest of each of its files."""
    content = {"schema": SCHEMA, "kind": KIND, "about": dict(about), "files": {
        name: {"bytes": len(content), "sha256": digest_bytes(content)} if isinstance(content, bytes)
        else {"bytes": content.stat().st_size, "sha256": digest_file(content)} for name, content in files.items()}}
    return canonical_json({**content, "check": digest_json(content)})


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Write the files of an archive below ``folder`` and return its manifest.

    Raises:
        BundleError: with everything that is wrong with it; then nothing in ``folder`` may be used.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            problems = list(_entry_problems(archive, path))
            if problems:
                raise BundleError(path, problems)
            for entry in archive.infolist():
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("xb") as sink:
                    while block := source.read(2**20):
                        sink.write(block)
    except _UNREADABLE as error:
        raise BundleError(path, [f"is no whole zip archive: {error}"]) from error
    manifest = read_json(folder / MANIFEST, path)
    problems = [*_manifest_problems(manifest), *_file_problems(manifest, folder)]
    if not problems and not _is_canonical(path, folder):
        problems = ["differs from the archive that its content gives: something was added or changed between the files"]
    if problems:
        raise BundleError(path, problems)
    return manifest


def read_json(file: Path, place: Path) -> dict[str, Any]:
    """Return the object in a JSON file; NaN, infinities, repeated keys and bottomless nesting are refused.

    Raises:
        BundleError: if it is anything else.
    """
    try:
        content = json.loads(file.read_bytes(), parse_constant=_no_number, parse_float=_finite,
                             object_pairs_hook=_no_repetition)
    except (ValueError, RecursionError) as error:
        raise BundleError(place, [f"{file.name} is no strict JSON: {error}"]) from error
    if not isinstance(content, dict):
        raise BundleError(place, [f"{file.name} holds {type(content).__name__}, expected an object"])
    return content


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return value


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has a key twice")
    return content


def _entry_problems(archive: zipfile.ZipFile, path: Path) -> Iterator[str]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(entries) > _MOST_ENTRIES:
        yield f"has {len(entries)} files; expected at most {_MOST_ENTRIES}"
        return
    yield from (f"{name!r} has no place in a submission" for name in names if not _NAME.fullmatch(name))
    yield from (f"{entry.filename!r} is compressed or encrypted; expected it stored as it is" for entry in entries
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1)
    yield from (f"{entry.filename!r} has {entry.file_size} bytes of JSON; expected at most {_MOST_JSON}"
                for entry in entries if entry.filename.endswith(("json", "jsonl")) and entry.file_size > _MOST_JSON)
    if len(set(names)) < len(names):
        yield "has a file twice"
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        yield "claims to hold more bytes than it has"
    yield from (f"lacks {name}" for name in (MANIFEST, RECORD, ROWS) if name not in names)


def _manifest_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("schema") != SCHEMA or manifest.get("kind") != KIND:
        yield (f"manifest.json says schema {manifest.get('schema')!r} of {manifest.get('kind')!r}; this harness reads "
               f"schema {SCHEMA} of '{KIND}'")
    try:
        right = digest_json({key: value for key, value in manifest.items() if key != "check"})
    except ValueError as error:
        yield f"manifest.json: {error}"
        return
    if manifest.get("check") != right:
        yield "manifest.json does not match its own digest"
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in files.values()):
        yield "manifest.json lists no files"


def _file_problems(manifest: Mapping[str, Any], folder: Path) -> Iterator[str]:
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        return
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    yield from (f"{name} is listed but missing" for name in sorted(set(listed) - there))
    yield from (f"{name} is not listed" for name in sorted(there - set(listed) - {MANIFEST, SIGNATURE}))
    for name in sorted(there & set(listed)):
        right = {"bytes": (folder / name).stat().st_size, "sha256": digest_file(folder / name)}
        if listed[name] != right:
            yield f"{name} does not match its digest"


def _is_canonical(path: Path, folder: Path) -> bool:
    """Return whether the archive is byte for byte what its files are written as."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    handle, name = tempfile.mkstemp(dir=folder.parent, suffix=".zip")
    os.close(handle)
    try:
        write_archive(files, Path(name))
        return filecmp.cmp(path, name, shallow=False)
    finally:
        Path(name).unlink()
