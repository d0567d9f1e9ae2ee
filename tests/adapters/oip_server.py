"""A server of the Open Inference Protocol v2 from the standard library, with manners to choose."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

Predict = Callable[[NDArray[Any]], NDArray[Any]]
LENGTH = "Inference-Header-Content-Length"


@define(kw_only=True)
class Manners:
    """How the server behaves.

    Attributes:
        predict: from a batch to the output.
        shape: of the input in the metadata; None for metadata without inputs.
        binary: whether it takes and gives binary tensors; otherwise it answers them with 500.
        failures: statuses of its first answers to POST.
        hangs: seconds before it answers a POST.
        drips: seconds between single bytes of an answer.
        body: what it answers instead of outputs.
        token: the bearer token that it asks for.
        seen: (method, path, rows) of every request.
    """

    predict: Predict
    shape: list[int] | None = field(factory=lambda: [-1, 1, 8, 8])
    datatype: str = "FP32"
    binary: bool = False
    failures: list[int] = field(factory=list)
    hangs: float = 0.0
    drips: float = 0.0
    body: bytes | None = None
    token: str = ""
    retry_after: str = ""
    seen: list[tuple[str, str, int]] = field(factory=list)


@contextmanager
def serving(manners: Manners) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 and give the URL of model ``digits``."""
    class Handler(_Handler):
        pass

    Handler.manners = manners
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v2/models/digits"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    manners: Manners
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.manners.seen.append(("GET", self.path, 0))
        if self._refused() or self.path != "/v2/models/digits":
            return self._answer(401 if self._refused() else 404, {"error": "no such model"})
        inputs = [] if self.manners.shape is None else [
            {"name": "x", "datatype": self.manners.datatype, "shape": self.manners.shape}]
        return self._answer(200, {"name": "digits", "inputs": inputs, "outputs": []})

    def do_POST(self) -> None:
        manners = self.manners
        content = self.rfile.read(int(self.headers["Content-Length"]))
        head = int(self.headers.get(LENGTH, len(content)))
        tensor = json.loads(content[:head])["inputs"][0]
        manners.seen.append(("POST", self.path, tensor["shape"][0]))
        time.sleep(manners.hangs)
        if head < len(content) and not manners.binary:
            return self._answer(500, {"error": "cannot read binary tensors"})
        if manners.failures:
            return self._answer(manners.failures.pop(0), {"error": "not \x1b[31mnow\x1b[0m"})
        dtype = {"FP32": "<f4", "FP64": "<f8"}[tensor["datatype"]]
        values = np.frombuffer(content[head:], dtype) if "data" not in tensor else np.array(tensor["data"], dtype)
        outputs = manners.predict(values.reshape(tensor["shape"])).astype(np.float32)
        if manners.body is not None:
            return self._send(200, manners.body, {})
        output = {"name": "y", "datatype": "FP32", "shape": list(outputs.shape)}
        if not manners.binary:
            return self._answer(200, {"outputs": [{**output, "data": outputs.ravel().tolist()}]})
        output["parameters"] = {"binary_data_size": outputs.nbytes}
        answer = json.dumps({"outputs": [output]}).encode()
        return self._send(200, answer + outputs.tobytes(), {LENGTH: str(len(answer))})

    def _refused(self) -> bool:
        return bool(self.manners.token) and self.headers.get("Authorization") != f"Bearer {self.manners.token}"

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(),
                   {"Retry-After": self.manners.retry_after} if self.manners.retry_after else {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        for start in range(0, len(body), 1 if self.manners.drips else max(1, len(body))):
            try:
                self.wfile.write(body[start:] if not self.manners.drips else body[start:start + 1])
                self.wfile.flush()
            except OSError:
                return
            time.sleep(self.manners.drips)
