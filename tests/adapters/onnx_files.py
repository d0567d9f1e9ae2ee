"""Small ONNX files, some of them broken on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

WEIGHT = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)


def affine(path: Path, *, shape: tuple[Any, ...] = ("batch", 1, 8, 8), end: str = "", opset: int = 20, ir: int = 10,
           dtype: int = TensorProto.FLOAT, weight: np.ndarray = WEIGHT, operator: str = "MatMul",
           outputs: int = 1) -> str:
    """Write ``flatten(x) @ weight``, with a last node ``end`` such as Softmax, and return its URI."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node(operator, ["flat", "w"], ["z"])]
    nodes.append(helper.make_node(end or "Identity", ["z"], ["y"]))
    names = ["y", "z"][:outputs]
    classes = weight.shape[1]
    graph = helper.make_graph(
        nodes, "affine", [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info(name, dtype, [shape[0], classes]) for name in names],
        [numpy_helper.from_array(weight.astype(kind), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    path.write_bytes(model.SerializeToString())
    return f"onnx:{path}"
