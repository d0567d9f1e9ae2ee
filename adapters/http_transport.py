"""Requests to one server: deadlines, retries with back-off, bounded answers, no token without encryption."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from attrs import frozen

from harness.errors import BadSetting, HarnessError

TOKEN_VARIABLE = "UNLEARN_HTTP_TOKEN"
ATTEMPTS = 4
HANGS = 2
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
LARGEST_ANSWER = 64 * 2**20
_PASSING = (408, 429, 502, 503, 504)


class ServerError(HarnessError):
    """A server that cannot be reached, answers with an error, or answers nonsense."""


@frozen
class Answer:
    """What a server has answered."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300


class Transport:
    """One connection to one server, opened again when it breaks."""

    def __init__(self, url: str, timeout: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Prepare to talk to the server of ``url``; nothing is sent yet.

        Args:
            url: http or https; its path is left to the caller.
            timeout: seconds for one answer, from connecting to its last byte.
            sleep: waits between attempts.

        Raises:
            BadSetting: if the URL does not fit, or a token would be sent without encryption.
        """
        self.url = _split(url)
        self._timeout = timeout
        self._sleep = sleep
        self._headers = {"Accept": "application/json", "Connection": "keep-alive"}
        token = os.environ.get(TOKEN_VARIABLE)
        if token:
            if self.url.scheme == "http" and not _is_loopback(self.url.hostname or ""):
                raise BadSetting(f"{url}: the token in {TOKEN_VARIABLE} would be sent unencrypted; use https, or "
                                 "unset the variable")
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None,
            headers: Mapping[str, str] | None = None) -> Answer:
        """Return the server's answer; what may pass (refused, timed out, 429, 503 ...) is tried again, waiting longer.

        Raises:
            ServerError: if there is none after the last attempt.
        """
        reason, hangs = "", 0
        for attempt in range(ATTEMPTS):
            wait = FIRST_WAIT * 2**attempt
            try:
                answer = self._once(method, path, body, headers or {})
            # ValueError: a size in a chunked answer that is no number.
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._drop()
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise ServerError(f"{self._name}: its certificate is not valid: {error.verify_message}") from error
                reason = self._why(error)
                hangs += isinstance(error, TimeoutError)
            else:
                if answer.status not in _PASSING:
                    return answer
                reason = f"answers {answer.status} {answer.reason}{told(answer)}"
                wait = max(wait, _retry_after(answer))
            # Whoever waits for an answer that takes too long should not wait four times.
            if attempt + 1 == ATTEMPTS or hangs == HANGS:
                break
            self._sleep(min(wait, LONGEST_WAIT))
        raise ServerError(f"{self._name} {reason} ({attempt + 1} attempts)")

    @property
    def _name(self) -> str:
        return f"server {self.url.scheme}://{self.url.netloc}"

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = self._connection or self._connect()
        self._connection = connection
        # The socket's own timeout starts again with every byte, so a server that drips could hold us for ever.
        late = threading.Event()
        watchdog = threading.Timer(self._timeout, _cut, [connection, late])
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request(method, path, body=body, headers={**self._headers, **headers})
            response = connection.getresponse()
            content = response.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            if late.is_set():
                raise TimeoutError from error
            raise
        finally:
            watchdog.cancel()
        if late.is_set():
            raise TimeoutError
        if len(content) > LARGEST_ANSWER:
            raise ServerError(f"{self._name} answers with more than {LARGEST_ANSWER >> 20} MiB")
        # A read of limited size does not complain of an answer that ends before its announced length.
        if response.length:
            raise http.client.IncompleteRead(content, response.length)
        if response.will_close:
            self._drop()
        return Answer(response.status, printable(response.reason), dict(response.headers), content)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self.url.hostname or "", self.url.port
        if self.url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _why(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"does not answer within {self._timeout:g} s"
        if isinstance(error, socket.gaierror):
            return f"cannot be found: {error.strerror}"
        why = getattr(error, "strerror", None) or printable(str(error)) or type(error).__name__
        return f"cannot be talked to: {why}"


def told(answer: Answer) -> str:
    """Return what an error answer says of itself, shortened, with a colon in front; empty when it says nothing."""
    text = answer.body[:2000].decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"])
    text = printable(text)
    return f": {text[:200]}" if text else ""


def printable(text: str) -> str:
    """Return a server's text on one line without control characters, which a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()  # first: the cut wakes the reader, who asks at once
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _retry_after(answer: Answer) -> float:
    seconds = answer.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else 0.0


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadSetting(f"{url}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise BadSetting(f"{url}: expected http(s)://HOST[:PORT]/v2/models/NAME")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadSetting(f"{parts.scheme}://{parts.hostname}: no user, query or fragment belongs in the URL; "
                         f"give a token in the environment variable {TOKEN_VARIABLE}")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
