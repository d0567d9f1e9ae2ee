"""Digests that name things by their content, and seeds derived from the names of stages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of ``value`` (RFC 8785): one spelling for equal values.

    Raises:
        ValueError: for NaN, infinities, integers beyond 2^53 and what JSON cannot say.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"not representable as canonical JSON: {error}") from error


def digest_json(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``."""
    return digest_bytes(canonical_json(value))


def digest_arrays(*arrays: NDArray[Any]) -> str:
    """Return the SHA-256 over dtype, shape and bytes (C order, little endian) of each array in turn."""
    sha = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array)
        plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
        sha.update(f"{plain.dtype.str}{plain.shape}".encode())
        sha.update(plain.data)
    return sha.hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def derive_seed(root: int, stage: str, *parts: int | str) -> int:
    """Return a seed in [0, 2^53) that depends on every part of the stage's name and on nothing else.

    It is the first 53 bits of the SHA-256 of the canonical JSON ``[root, stage, *parts]``. 53 rather than 63
    bits, so that a seed survives JSON readers that store numbers as doubles (RFC 8785 refuses larger ones).
    """
    return int(digest_json([root, stage, *parts])[:16], 16) >> 11
