"""A model in an ONNX file, computed by ONNX Runtime with NumPy at every boundary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from adapters.outputs import Output, as_logits, choose_output, trial_inputs
from harness.data import Floats
from harness.errors import BadSetting
from harness.sources import Source

# Throughput falls again beyond: a resnet18 does 2200 images a second at 32 to 256 and 1100 at 1024.
BATCH = 256
_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_FATAL_ONLY = 4
RUNTIME_ERRORS: tuple[type[Exception], ...] = tuple(
    value for value in vars(runtime).values() if isinstance(value, type) and issubclass(value, Exception))


class OnnxModel:
    """An ONNX Runtime session; probabilities that it returns become logits."""

    def __init__(self, session: onnxruntime.InferenceSession, source: Source) -> None:
        """Take over ``session`` and try it on a few inputs.

        Raises:
            BadSetting: if its inputs or outputs do not fit the data.
        """
        self._session = session
        self._name = source.uri
        self._num_classes = source.num_classes
        self._input, self._type, self._batch, self._shape = self._check_input(source)
        trial = trial_inputs(source.input_shape)
        self.output: Output = choose_output(self._run(trial), len(trial), source.num_classes, self._name)

    def logits(self, inputs: Floats) -> Floats:
        """Return (N, C) float32 logits.

        Raises:
            BadSetting: if ONNX Runtime fails.
        """
        parts = [self._run(inputs[start:start + BATCH])[self.output.name] for start in range(0, len(inputs), BATCH)]
        if not parts:
            return np.zeros((0, self._num_classes), dtype=np.float32)
        return as_logits(np.concatenate(parts), self.output.kind)

    def _check_input(self, source: Source) -> tuple[str, type, int | None, tuple[int, ...]]:
        given = self._session.get_inputs()
        if len(given) != 1:
            names = ", ".join(one.name for one in given)
            raise BadSetting(f"{self._name} has {len(given)} inputs ({names}); expected one, the batch")
        only = given[0]
        if only.type not in _TYPES:
            raise BadSetting(f"{self._name} takes {only.type}; expected one of {', '.join(_TYPES)}")
        sizes: list[Any] = only.shape or [None]
        batch, shape = sizes[0], sizes[1:]
        wanted = source.input_shape
        fits = len(shape) == len(wanted) and all(
            not isinstance(size, int) or size == want for size, want in zip(shape, wanted, strict=True))
        # A model that takes flat vectors is given flat vectors.
        flat = len(shape) == 1 and shape[0] == int(np.prod(wanted))
        if not fits and not flat:
            shown = ", ".join(str(size) if isinstance(size, int) else "any" for size in shape)
            raise BadSetting(f"{self._name} takes inputs of shape ({shown}), the data have {wanted}; "
                             "give it data in the shape and layout that it was trained on")
        return only.name, _TYPES[only.type], batch if isinstance(batch, int) else None, wanted if fits else (-1,)

    def _run(self, inputs: Floats) -> Mapping[str, NDArray[Any]]:
        """Return the array outputs of one batch; a model of fixed batch size gets its batches filled up."""
        size = self._batch or max(1, len(inputs))
        parts: list[list[Any]] = []
        for start in range(0, len(inputs), size):
            batch: NDArray[Any] = np.asarray(inputs[start:start + size], dtype=self._type)
            batch = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])
            parts.append(self._call(batch.reshape(size, *self._shape)))
        names = [output.name for output in self._session.get_outputs()]
        arrays = {name: list(values) for name, values in zip(names, zip(*parts, strict=True), strict=True)
                  if all(isinstance(value, np.ndarray) and value.ndim for value in values)}
        return {name: np.concatenate(values)[:len(inputs)] for name, values in arrays.items()}

    def _call(self, batch: NDArray[Any]) -> list[Any]:
        try:
            return list(self._session.run(None, {self._input: batch}))
        except RUNTIME_ERRORS as error:
            raise BadSetting(f"{self._name} fails on a batch of shape {batch.shape}: {explain(str(error))}") from error


def open_onnx(source: Source) -> OnnxModel:
    """Return the model in the file ``source.location``.

    The session is made from bytes, so that the file cannot name others to read. A hostile graph can still ask for any
    amount of memory: give a file that you do not trust to a process with a limit.

    Raises:
        BadSetting: if there is no such file, ONNX Runtime cannot load it, or it does not fit the data.
    """
    try:
        data = Path(source.location).read_bytes()
    except OSError as error:
        raise BadSetting(f"{source.uri}: cannot be read: {error.strerror}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = source.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(source.device)
    try:
        session = onnxruntime.InferenceSession(data, options, providers=providers)
    except RUNTIME_ERRORS as error:
        raise BadSetting(f"{source.uri} cannot be loaded: {explain(str(error))}") from error
    return OnnxModel(session, source)


def _providers(device: str) -> list[Any]:
    """Return the execution providers of a device; they are always named, since a build may list remote ones."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if kind != "cuda" or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise BadSetting(f"adapter 'onnx' cannot compute on '{device}': this ONNX Runtime has no CUDA; use cpu, or "
                         "install onnxruntime-gpu in its place")
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]


def explain(message: str) -> str:
    """Return a message of ONNX Runtime in plain words where it is a common one, else without its technical front."""
    version = f"ONNX Runtime {onnxruntime.__version__}"
    if found := re.search(r"Opset (\d+) is under development.* till opset (\d+)", message, re.DOTALL):
        return f"it needs opset {found[1]}, {version} knows up to {found[2]}; export it with a lower opset"
    if found := re.search(r"model IR version: (\d+), max supported IR version: (\d+)", message):
        return f"it has IR version {found[1]}, {version} reads up to {found[2]}; export it for an older version"
    if "External data" in message:
        return "its weights lie in a file of their own; export it with the weights inside"
    if "protobuf parsing failed" in message or "No graph was found" in message:
        return "it is no ONNX file, or a part of one"
    if found := re.search(r"(\S+?)(?:\(\S+\))? is not a registered function/op|No Op registered for (\S+)", message):
        return f"{version} has no operator {found[1] or found[2]}"
    plain = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (/onnxruntime_src\S* .*?\) )?", "", message)
    return " ".join(plain.split())
