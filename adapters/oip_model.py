"""A model behind the Open Inference Protocol v2 (KServe, Triton, MLServer), asked in batches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.http_transport import TOKEN_VARIABLE, Answer, ServerError, Transport, printable, told
from adapters.outputs import as_logits, choose_output, trial_inputs
from harness.data import Floats
from harness.errors import BadSetting
from harness.sources import Source

LARGEST_BATCH = 256
LARGEST_BODY = 4 * 2**20
# Digits, sign and separator of a float32 that json writes with the digits of a float64.
_JSON_BYTES = 22
_TYPES: Mapping[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"), "FP32": np.dtype("<f4"), "FP64": np.dtype("<f8"), "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8")}
_LENGTH = "Inference-Header-Content-Length"


class OipModel:
    """A served model; probabilities that it returns become logits."""

    def __init__(self, transport: Transport, source: Source) -> None:
        """Read the model's metadata and try it on a few inputs, as binary tensors and then as JSON.

        Raises:
            BadSetting: if the URL names no model, or its inputs or outputs do not fit the data.
            ServerError: if the server cannot be reached or answers nonsense.
        """
        self._transport = transport
        self._uri = source.uri
        self._path = _model_path(source.uri, transport.url.path)
        self._num_classes = source.num_classes
        self._input, self._type, self._shape = self._check_input(source)
        trial = trial_inputs(source.input_shape)
        self.binary = self._post(trial, binary=True).ok
        self._output = choose_output(self._infer(trial), len(trial), source.num_classes, source.uri)

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits.

        Raises:
            ServerError: if the server fails, or answers with another shape than it is bound to.
        """
        size = int(np.prod(inputs.shape[1:])) * (self._type.itemsize if self.binary else _JSON_BYTES)
        rows = min(LARGEST_BATCH, max(1, LARGEST_BODY // size))
        parts = [self._rows(inputs[start:start + rows]) for start in range(0, len(inputs), rows)]
        if not parts:
            return np.zeros((0, self._num_classes), dtype=np.float32)
        return as_logits(np.concatenate(parts), self._output.kind)

    def _rows(self, inputs: Floats) -> NDArray[Any]:
        outputs = self._infer(inputs)
        values = outputs.get(self._output.name)
        if values is None or values.shape != (len(inputs), self._num_classes):
            found = "no such output" if values is None else f"shape {values.shape}"
            raise ServerError(f"{self._uri} answers {len(inputs)} inputs with {found} for '{self._output.name}', "
                              f"expected ({len(inputs)}, {self._num_classes})")
        return values

    def _check_input(self, source: Source) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
        """Return name, type and shape of the one input; a server that says nothing of it is taken at its default."""
        metadata = self._read_json(self._checked(self._transport.ask("GET", self._path)))
        inputs = metadata.get("inputs") or [{"name": "input-0", "datatype": "FP32", "shape": []}]
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
            raise BadSetting(f"{source.uri} does not have one input, the batch: {printable(str(inputs))[:200]}")
        datatype, shape = inputs[0].get("datatype"), [*(inputs[0].get("shape") or [])][1:]
        if datatype not in ("FP16", "FP32", "FP64"):
            raise BadSetting(f"{source.uri} takes {printable(str(datatype))}; expected FP16, FP32 or FP64")
        wanted = source.input_shape
        fits = not shape or (len(shape) == len(wanted) and all(
            size in (-1, want) for size, want in zip(shape, wanted, strict=True)))
        if not fits and shape != [int(np.prod(wanted))]:
            raise BadSetting(f"{source.uri} takes inputs of shape {tuple(shape)}, the data have {wanted}; "
                             "give it data in the shape and layout that it was trained on")
        return str(inputs[0].get("name")), _TYPES[datatype], wanted if fits else (-1,)

    def _infer(self, inputs: Floats) -> Mapping[str, NDArray[Any]]:
        """Return the outputs of one batch by name; those that are no numbers are left out."""
        return self._outputs(self._checked(self._post(inputs, self.binary)))

    def _post(self, inputs: Floats, binary: bool) -> Answer:
        values = np.ascontiguousarray(inputs.reshape(len(inputs), *self._shape), dtype=self._type)
        names = {dtype: name for name, dtype in _TYPES.items()}
        tensor: dict[str, Any] = {"name": self._input, "shape": list(values.shape), "datatype": names[self._type]}
        # The protocol does not ask for an id, but servers written in Python often pass it on without a look.
        request: dict[str, Any] = {"id": "unlearn-audit", "inputs": [tensor]}
        if not binary:
            tensor["data"] = values.ravel().tolist()
            return self._transport.ask("POST", f"{self._path}/infer", json.dumps(request).encode(),
                                       {"Content-Type": "application/json"})
        tensor["parameters"] = {"binary_data_size": values.nbytes}
        request["parameters"] = {"binary_data_output": True}
        head = json.dumps(request).encode()
        return self._transport.ask("POST", f"{self._path}/infer", head + values.tobytes(),
                                   {"Content-Type": "application/octet-stream", _LENGTH: str(len(head))})

    def _checked(self, answer: Answer) -> Answer:
        if answer.ok:
            return answer
        hint = ""
        if answer.status in (401, 403):
            hint = f"; give a token in the environment variable {TOKEN_VARIABLE}"
        elif 300 <= answer.status < 400:
            hint = "; redirections are not followed, give the final URL"
        raise ServerError(f"{self._uri} answers {answer.status} {answer.reason}{told(answer)}{hint}")

    def _read_json(self, answer: Answer, end: int | None = None) -> dict[str, Any]:
        try:
            content = json.loads(answer.body[:end])
        except (ValueError, RecursionError) as error:
            raise ServerError(f"{self._uri} answers with something that is no JSON{told(answer)}") from error
        if not isinstance(content, dict):
            raise ServerError(f"{self._uri} answers with something that is no JSON object{told(answer)}")
        return content

    def _outputs(self, answer: Answer) -> Mapping[str, NDArray[Any]]:
        length = {name.lower(): value for name, value in answer.headers.items()}.get(_LENGTH.lower(), "")
        end = int(length) if length.isdigit() else len(answer.body)
        content, tail = self._read_json(answer, end), answer.body[end:]
        found = {}
        try:
            for output in content["outputs"]:
                dtype = _TYPES.get(output["datatype"])
                size = (output.get("parameters") or {}).get("binary_data_size")
                raw, tail = (tail[:size], tail[size:]) if isinstance(size, int) else (None, tail)
                if dtype is not None:
                    values = np.array(output["data"], dtype) if raw is None else np.frombuffer(raw, dtype)
                    found[str(output["name"])] = values.reshape(output["shape"])
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError(f"{self._uri} answers with outputs that do not follow the Open Inference Protocol: "
                              f"{type(error).__name__}: {printable(str(error))[:200]}") from error
        return found


def _model_path(uri: str, path: str) -> str:
    """Return ``/.../v2/models/NAME[/versions/V]``."""
    plain = path.rstrip("/").removesuffix("/infer")
    parts = plain.split("/")
    where = parts.index("models") if "models" in parts else -1
    if where < 1 or parts[where - 1] != "v2" or len(parts) < where + 2 or not parts[where + 1]:
        raise BadSetting(f"{uri}: expected http(s)://HOST[:PORT]/v2/models/NAME, the Open Inference Protocol of "
                         "KServe, Triton and MLServer")
    return plain
