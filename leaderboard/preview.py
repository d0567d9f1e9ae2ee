"""A server for looking at the site on one's own machine; nobody else can reach it."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.errors import BadSetting

LOOPBACK = "127.0.0.1"


def preview(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the files in ``folder`` on the loopback interface; the caller runs and closes it.

    Raises:
        BadSetting: if the port is taken.
    """
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    try:
        return ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError as error:
        raise BadSetting(f"--port {port}: {error.strerror}; choose another, or 0 for any") from error
