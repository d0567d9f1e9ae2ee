"""What a child hands back, read with suspicion: it may have left links, pipes, huge files or nonsense."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.isolation.assignment import FACTS, WEIGHTS
from harness.models import HasParameters, Model
from harness.outputs import BadResult, finite
from harness.tasks import Unlearned

_HEADER = 1 << 20
_MOST_FACTS = 100
_REPORT = 1 << 16
Arrays = Mapping[str, NDArray[Any]]


@frozen(kw_only=True)
class Tray:
    """The folder in which a child leaves files, held open so that it cannot be swapped for another.

    Attributes:
        descriptor: of the folder.
    """

    descriptor: int

    def read(self, name: str, most: int) -> bytes | None:
        """Return the content of a file, or None if there is none.

        Raises:
            BadResult: if it is a link, no plain file, a file with another name elsewhere, or longer than ``most``.
        """
        try:
            # Not blocking: a pipe in the file's place would keep the harness waiting for ever.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            what = "a link" if error.errno == errno.ELOOP else f"what cannot be read ({error.strerror})"
            raise BadResult(f"the unlearner left {what} in place of {name}") from error
        with os.fdopen(file, "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise BadResult(f"the unlearner left a special file or a link in place of {name}")
            if found.st_size > most:
                raise BadResult(f"the unlearner left {found.st_size} bytes in {name}; at most {most} are expected")
            return stream.read(most + 1)

    def error(self) -> str | None:
        """Return what the child says went wrong, or None; the text is the child's and may be a lie."""
        report = self._json("error.json")
        return None if report is None else str(report.get("error", "an error without a word"))[:4000]

    def unlearned(self, original: HasParameters) -> Unlearned:
        """Return the model with the weights that were handed back, and the facts.

        Raises:
            BadResult: if anything is missing, malformed, or not in the original's shape.
        """
        before = original.parameters()
        weights = self._weights(before)
        _check_alike(before, weights)
        facts = self._json(FACTS) or {}
        if len(facts) > _MOST_FACTS:
            raise BadResult(f"the unlearner reports {len(facts)} facts; at most {_MOST_FACTS} are kept")
        model: Model = original.with_parameters(weights)
        return Unlearned(model=model, facts={str(name)[:100]: finite(_number(value)) for name, value in facts.items()})

    def _weights(self, before: Arrays) -> Arrays:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        content = self.read(WEIGHTS, sum(array.nbytes for array in before.values()) + _HEADER)
        if content is None:
            raise BadResult("the unlearner's process ended without handing back a model")
        try:
            return dict(load(content))
        except (SafetensorError, ValueError, KeyError) as error:
            raise BadResult(f"what the unlearner handed back is no safetensors file: {error}") from error

    def _json(self, name: str) -> dict[str, Any] | None:
        content = self.read(name, _REPORT)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BadResult(f"the unlearner left something in {name} that is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise BadResult(f"the unlearner left {type(found).__name__} in {name}, expected a table")
        return found


def _check_alike(before: Arrays, after: Arrays) -> None:
    missing, unknown = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    if missing or unknown:
        raise BadResult(f"the unlearner's model lacks the original's {', '.join(missing) or 'nothing'} and has besides "
                        f"{', '.join(unknown) or 'nothing'}")
    for name, array in before.items():
        found = after[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            raise BadResult(f"the unlearner's '{name}' is {found.dtype} of shape {found.shape}, the original's is "
                            f"{array.dtype} of shape {array.shape}")
        if np.issubdtype(found.dtype, np.floating) and not np.isfinite(found).all():
            raise BadResult(f"the unlearner's '{name}' contains NaN or infinity")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadResult(f"a reported number is {str(value)[:100]!r}")
    return float(value)
