"""A real inference server: MLServer in an environment of its own, serving an ONNX file on the loopback address."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

ENVIRONMENT = "UNLEARN_MLSERVER"
"""Names the folder of a virtual environment with mlserver and onnxruntime, which the harness itself never installs."""
PATIENCE = 60.0

RUNTIME = '''
import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Served(MLModel):
    async def load(self):
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload):
        batch = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        [logits] = self.session.run(None, {self.session.get_inputs()[0].name: batch})
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("logits", logits)])
'''


def why_not() -> str:
    """Return why MLServer cannot be started here, or nothing if it can."""
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return f"{ENVIRONMENT} names no virtual environment with mlserver and onnxruntime"
    if not _command(folder).is_file():
        return f"{ENVIRONMENT}: there is no {_command(folder)}"
    return ""


@contextmanager
def mlserver(model: Path, folder: Path, input_shape: tuple[int, ...] = (1, 8, 8)) -> Iterator[str]:
    """Serve an ONNX file and give the URL of the model ``digits``.

    Args:
        model: the ONNX file.
        folder: empty; for the server's settings and log.
        input_shape: of one input, as the server's metadata tell it.

    Raises:
        RuntimeError: if the server ends, or is not ready in time.
    """
    ports = _free_ports(3)
    _write_settings(model, folder, input_shape, ports)
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen([_command(os.environ[ENVIRONMENT]), "start", folder], cwd=folder, stdout=log,
                                  stderr=log)
    try:
        _wait_until_ready(server, ports[0], folder / "log.txt")
        yield f"http://127.0.0.1:{ports[0]}/v2/models/digits"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _command(folder: str) -> Path:
    return Path(folder) / "bin" / "mlserver"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _write_settings(model: Path, folder: Path, input_shape: tuple[int, ...], ports: list[int]) -> None:
    names = ("http_port", "grpc_port", "metrics_port")
    # No worker processes of its own, so that ending the server ends all of it.
    server: dict[str, Any] = {"host": "127.0.0.1", "parallel_workers": 0, **dict(zip(names, ports, strict=True))}
    served = {"name": "digits", "implementation": "runtime.Served", "parameters": {"uri": str(model)},
              "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, *input_shape]}]}
    (folder / "settings.json").write_text(json.dumps(server), encoding="utf-8")
    (folder / "model-settings.json").write_text(json.dumps(served), encoding="utf-8")
    (folder / "runtime.py").write_text(RUNTIME, encoding="utf-8")


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/v2/models/digits/ready")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    how = "is not ready" if server.poll() is None else "ended"
    raise RuntimeError(f"MLServer {how}; its last words: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
