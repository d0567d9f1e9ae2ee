"""FastClip as its released code does it (Ali-E/FastClip, commit a2168dc), to compare with; not for new work.

It differs from `FastClip` in what it does to singular values:

- a convolution whose largest singular value is 0.05 or more *below* the limit is raised towards it;
- a layer above the limit gets one gradient step of fixed size every ``every`` steps, and whether that reached the
  limit is not checked, at the end of an epoch or ever;
- the singular vector followed is one power iteration old, and after each clip ten from a random start.

Only the place is not the published one: the released code does this inside ``forward``.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from reference_methods.training.affine import AffineLayer, affine_layers, evaluating

_INITIAL_ITERATIONS = 100
_CLIP_ITERATIONS = 10
_SLACK = 0.05
_CONVOLUTION_STEP, _LINEAR_STEP = 0.35, 0.5


class PublishedFastClip:
    """Moves the largest singular value of every convolution to a limit, and of linear layers below it.

    Attributes:
        layers: what is clipped; batch norm is left alone.
        limit: where largest singular values are moved.
    """

    def __init__(self, network: nn.Module, inputs: Tensor, *, limit: float = 1.0, every: int = 100,
                 seed: int = 0) -> None:
        """Find the layers of ``network`` and their first singular vectors; nothing is changed yet."""
        self.layers = [layer for layer in affine_layers(network, inputs, "ignore") if layer.weight.requires_grad]
        self.limit = limit
        self._every, self._steps = every, 0
        self._generator = torch.Generator().manual_seed(seed)
        self._vectors = [power_iteration(layer.module, self._random(layer, normal=True), _INITIAL_ITERATIONS)[0]
                         for layer in self.layers]

    def step(self) -> None:
        """Follow each first singular vector by one iteration; after every ``every`` steps, clip."""
        self._steps += 1
        for index, layer in enumerate(self.layers):
            vector, value = power_iteration(layer.module, self._vectors[index], 1)
            if self._steps % self._every == 0:
                if self._is_clipped(layer, value):
                    self._deflate(layer, vector)
                vector, _ = power_iteration(layer.module, self._random(layer, normal=False), _CLIP_ITERATIONS)
            self._vectors[index] = vector

    def clip(self) -> None:
        """Do nothing: the released code clips at steps only."""

    def _is_clipped(self, layer: AffineLayer, value: float) -> bool:
        raised = not isinstance(layer.module, nn.Linear) and self.limit - value >= _SLACK
        return value > self.limit or raised

    def _deflate(self, layer: AffineLayer, vector: Tensor) -> None:
        vector, value = power_iteration(layer.module, vector, _CLIP_ITERATIONS)
        if self.limit - _SLACK <= value <= self.limit:
            return
        step = _LINEAR_STEP if isinstance(layer.module, nn.Linear) else _CONVOLUTION_STEP
        gradient_step(layer, vector, self.limit / value, step)

    def _random(self, layer: AffineLayer, *, normal: bool) -> Tensor:
        draw = torch.randn if normal else torch.rand
        return draw(1, *layer.input_shape, generator=self._generator).to(layer.weight)


def power_iteration(module: nn.Module, vector: Tensor, iterations: int) -> tuple[Tensor, float]:
    """Return a unit vector and an estimate of the largest singular value: X <- QR(X + M' M X), from one vector.

    The value is the root of | |X + M' M X| - 1 |, from the last iteration's X.
    """
    length = torch.ones(())
    for _ in range(iterations):
        point = vector.detach().requires_grad_(True)
        with evaluating(module), torch.enable_grad():
            outputs = module(point) - module(torch.zeros_like(point))
            back, = torch.autograd.grad(outputs, point, outputs.detach())
        grown = point.detach() + back
        length = grown.norm()
        vector = grown / length
    return vector.detach(), float((length - 1).abs().sqrt())


def gradient_step(layer: AffineLayer, vector: Tensor, factor: float, step: float) -> None:
    """Descend once on |M(W_old) (factor v) - M(W) v|^2, where W is ``layer.weight`` and W_old what it is now."""
    before = copy.deepcopy(layer.module)
    with evaluating(layer.module), evaluating(before), torch.enable_grad():
        target = before(factor * vector) - before(torch.zeros_like(vector))
        reached = layer.module(vector) - layer.module(torch.zeros_like(vector))
        # The released code sums over dimensions 1 and 2 and averages over the others: a step on an image is divided
        # by its width.
        loss = (target - reached).square().sum(dim=(1, 2)[:vector.dim() - 1]).mean()
        gradient, = torch.autograd.grad(loss, layer.weight)
    with torch.no_grad():
        layer.weight.sub_(gradient, alpha=step)
