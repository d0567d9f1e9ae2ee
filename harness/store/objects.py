"""Objects: written whole or not at all, checked when read.

An object is a folder ``objects/ab/cdef...`` with ``manifest.json`` and safetensors files. It is written under a
temporary name, flushed to disk and renamed, so that it is either whole or absent; it is checked against its digests
when read; nothing in it is ever unpickled.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from attrs import Attribute, field, frozen, validators
from numpy.typing import NDArray

from harness.digests import digest_bytes, digest_json
from harness.errors import StoreError

SCHEMA = 1
Arrays = Mapping[str, NDArray[Any]]


def _texts(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
        raise TypeError(f"{attribute.name}: expected names and digests, got {value!r}")


def _costs(_: Any, attribute: Attribute[Any], value: Any) -> None:
    numbers = [value.get(name, 0) for name in ("seconds", "peak_memory_mb")] if isinstance(value, Mapping) else [value]
    if not all(type(number) in (int, float) for number in numbers):
        raise TypeError(f"{attribute.name}: expected seconds and megabytes, got {value!r}")


@frozen(kw_only=True)
class Manifest:
    """What is known of an object without opening its arrays.

    Attributes:
        key: SHA-256 of ``spec``.
        stage: kind of the stage that made it.
        label: that stage in words.
        spec: what it was made from.
        report: small results as JSON.
        files: SHA-256 by file name.
        measured: seconds, peak memory, date and device; no part of the content.
    """

    key: str = field(validator=validators.instance_of(str))
    stage: str = field(validator=validators.instance_of(str))
    label: str = field(validator=validators.instance_of(str))
    spec: Mapping[str, Any] = field(validator=validators.instance_of(dict))
    report: Mapping[str, Any] = field(validator=validators.instance_of(dict))
    files: Mapping[str, str] = field(validator=_texts)
    measured: Mapping[str, Any] = field(factory=dict, validator=_costs)

    @property
    def digest(self) -> str:
        """SHA-256 over key, report and the digests of all files: equal for equal results."""
        return digest_json([self.key, dict(self.report), dict(self.files)])


class Store:
    """A folder of objects."""

    def __init__(self, root: Path, *, create: bool = True) -> None:
        self.root = root
        if not create:
            return
        try:
            for part in ("objects", "tmp", "runs"):
                (root / part).mkdir(parents=True, exist_ok=True)
            probe = root / "tmp" / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"store {root} cannot be written: {error.strerror}; name another with --store") from error

    def path(self, key: str) -> Path:
        """Return the folder of an object."""
        return self.root / "objects" / key[:2] / key[2:]

    def has(self, key: str) -> bool:
        """Return whether the object is there."""
        return (self.path(key) / "manifest.json").is_file()

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of all objects."""
        for folder in sorted((self.root / "objects").glob("*/*")):
            yield folder.parent.name + folder.name

    def files(self, key: str) -> list[Path]:
        """Return the files of an object, its manifest first."""
        return sorted(self.path(key).iterdir(), key=lambda path: (path.name != "manifest.json", path.name))

    def write(self, stage: str, label: str, spec: Mapping[str, Any], *, report: Mapping[str, Any],
              arrays: Mapping[str, Arrays], measured: Mapping[str, Any]) -> Manifest:
        """Write an object and return its manifest; an object that is there already stays.

        Args:
            stage: kind of stage.
            label: the stage in words.
            spec: what the object is made from; its digest is the key.
            report: small results as JSON, without NaN.
            arrays: arrays by name, by file name without its ending.
            measured: seconds, memory, date.
        """
        key = digest_json(dict(spec))
        folder = self.root / "tmp" / f"{key[:16]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir(parents=True)
            files = {f"{name}.safetensors": _write_arrays(folder / f"{name}.safetensors", content)
                     for name, content in sorted(arrays.items()) if content}
            manifest = Manifest(key=key, stage=stage, label=label, spec=dict(spec), report=dict(report), files=files,
                                measured={"date": datetime.now(UTC).isoformat(timespec="seconds"), **measured})
            _write_manifest(folder / "manifest.json", manifest)
            self._publish(folder, self.path(key))
        except OSError as error:
            raise StoreError(f"store {self.root} cannot be written: {error.strerror}; what it holds is whole, "
                             "the same command continues from there") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return manifest

    def _publish(self, folder: Path, place: Path) -> None:
        place.parent.mkdir(exist_ok=True)
        try:
            folder.rename(place)
        except OSError:
            # Another process was faster; its object was made from the same key.
            if not (place / "manifest.json").is_file():
                raise

    def manifest(self, key: str) -> Manifest:
        """Return the manifest of an object, checked against its own digest.

        Raises:
            StoreError: if it is missing or damaged.
        """
        try:
            return _read_manifest(self.path(key), key)
        except FileNotFoundError as error:
            raise StoreError(f"store {self.root} has no object {key[:12]}") from error
        except (_Damaged, OSError) as error:
            raise self._damaged(key, error) from error

    def arrays(self, key: str, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of one file of an object, checked against its digest.

        Raises:
            StoreError: if the object is missing or damaged.
        """
        file = f"{name}.safetensors"
        expected = self.manifest(key).files.get(file)
        if expected is None:
            raise StoreError(f"object {key[:12]} in store {self.root} has no {file}")
        try:
            return _read_arrays(self.path(key) / file, expected)
        except (_Damaged, OSError) as error:
            raise self._damaged(key, error) from error

    def verify(self, key: str) -> Manifest:
        """Return the manifest of an object after every one of its files has been read and checked.

        Raises:
            StoreError: if the object is missing or damaged.
        """
        manifest = self.manifest(key)
        try:
            _verify_files(self.path(key), manifest)
        except (_Damaged, OSError) as error:
            raise self._damaged(key, error) from error
        return manifest

    def adopt(self, key: str, folder: Path) -> None:
        """Move a folder from elsewhere in the store's file system to where the object ``key`` belongs.

        Raises:
            StoreError: if the folder does not hold that very object, whole.
            OSError: if it cannot be moved.
        """
        try:
            _verify_files(folder, _read_manifest(folder, key))
        except (_Damaged, FileNotFoundError) as error:
            raise StoreError(f"object {key[:12]} is not whole: {error}") from error
        self._publish(folder, self.path(key))

    def _damaged(self, key: str, error: Exception) -> StoreError:
        what = f"{error.strerror}" if isinstance(error, OSError) else str(error)
        return StoreError(f"object {key[:12]} in store {self.root} is damaged: {what}; remove {self.path(key)} "
                          "and the same command computes it again")


class _Damaged(Exception):
    """A file is not what it was when it was written."""


def _read_manifest(folder: Path, key: str) -> Manifest:
    try:
        content = json.loads((folder / "manifest.json").read_bytes())
        check = content.pop("check")
        whole = check == digest_json(content) and content.pop("schema") == SCHEMA
        manifest = Manifest(**content)
        whole = whole and manifest.key == key == digest_json(dict(manifest.spec))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _Damaged(f"manifest.json is unreadable ({type(error).__name__})") from error
    if not whole:
        raise _Damaged("manifest.json does not match its digest")
    return manifest


def _read_arrays(path: Path, expected: str) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = path.read_bytes()
    if digest_bytes(data) != expected:
        raise _Damaged(f"{path.name} does not match its digest")
    try:
        return dict(load(data))
    except SafetensorError as error:
        raise _Damaged(f"{path.name} is no safetensors file") from error


def _verify_files(folder: Path, manifest: Manifest) -> None:
    found = {path.name for path in folder.iterdir()}
    if found != {"manifest.json", *manifest.files}:
        raise _Damaged(f"it holds {', '.join(sorted(found))} instead of what its manifest lists")
    for name, expected in manifest.files.items():
        _read_arrays(folder / name, expected)


def _write_arrays(path: Path, arrays: Arrays) -> str:
    from safetensors.numpy import save

    # Not ascontiguousarray: it gives a scalar, such as the step count of batch norm, an axis.
    data = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    _write_bytes(path, data)
    return digest_bytes(data)


def _write_manifest(path: Path, manifest: Manifest) -> None:
    content = {
        "schema": SCHEMA, "key": manifest.key, "stage": manifest.stage, "label": manifest.label,
        "spec": dict(manifest.spec), "report": dict(manifest.report), "files": dict(manifest.files),
        "measured": dict(manifest.measured),
    }
    whole = {"check": digest_json(content), **content}
    _write_bytes(path, json.dumps(whole, allow_nan=False, indent=1).encode())


def _write_bytes(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
