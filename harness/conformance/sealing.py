"""Blocks in which opening a file or a connection is a failed check."""

from __future__ import annotations

import builtins
import io
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest import mock

from harness.conformance.outcomes import CheckFailed


@contextmanager
def no_files() -> Iterator[None]:
    """Fail when the block opens a file. Imports are let through: they do not go by these functions."""
    def refuse(file: object, *_: Any, **__: Any) -> NoReturn:
        raise CheckFailed(f"{file} was opened; whatever a plugin needs is in what it is given")

    with ExitStack() as stack:
        for module, name in ((builtins, "open"), (io, "open"), (os, "open")):
            stack.enter_context(mock.patch.object(module, name, refuse))
        yield


@contextmanager
def no_connections() -> Iterator[None]:
    """Fail when the block makes a socket."""
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise CheckFailed("a socket was opened; a plugin works with what it is given, without a network")

    with mock.patch.object(socket, "socket", refuse):
        yield
