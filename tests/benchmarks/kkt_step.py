"""One step of reconstruction: closed form against double backward, in the same run.

Run it by hand: ``python -m tests.benchmarks.kkt_step [candidates] [width]``; 1000 candidates and width 1000, the
published size for 500 images, take about half a minute on one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from reference_methods.auditors.kkt.network import ReluNetwork
from reference_methods.auditors.kkt.stationarity import Stationarity
from tests.reference_methods.auditors.kkt import double_backward

SHARPNESS = 50.0
ROUNDS = 5


def seconds(step: Callable[[], object]) -> float:
    """Return the least time of several rounds, after one to warm up."""
    step()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(candidates: int, width: int, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Return seconds of both ways on a 784-width-width-10 network, and the largest relative error of a gradient."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((width, 784), (width, width), (10, width))
    network = ReluNetwork(weights=tuple(torch.randn(shape, generator=generator, dtype=dtype) * shape[1]**-0.5
                                        for shape in shapes),
                          bias=torch.zeros(width, dtype=dtype))
    x = torch.randn(candidates, 784, generator=generator, dtype=dtype)
    multipliers = torch.rand(candidates, generator=generator, dtype=dtype)
    labels = torch.arange(candidates) * 10 // candidates
    state = Stationarity(network=network, labels=labels, sharpness=torch.full((1, 1, 1), SHARPNESS, dtype=dtype))

    def closed() -> tuple[Tensor, Tensor]:
        return state.gradients(x[None], multipliers[None])

    def witness() -> tuple[Tensor, Tensor]:
        leaf, weights = x.clone().requires_grad_(), multipliers.clone().requires_grad_()
        double_backward.loss(network, leaf, weights, labels, SHARPNESS).backward()
        return leaf.grad, weights.grad

    error = max(((own[0] - other).norm() / other.norm()).item()
                for own, other in zip(closed(), witness(), strict=True))
    return {"closed": seconds(closed), "double backward": seconds(witness), "error": error}


if __name__ == "__main__":
    torch.set_num_threads(1)
    count, units = (int(sys.argv[i]) if len(sys.argv) > i else 1000 for i in (1, 2))
    result = compare(count, units)
    print(f"m = {count}, 784-{units}-{units}-10: closed form {1e3 * result['closed']:.1f} ms, "
          f"double backward {1e3 * result['double backward']:.1f} ms, "
          f"{result['double backward'] / result['closed']:.2f} times; relative error {result['error']:.1e}")
