"""TRADES: train on the clean loss plus how much the worst perturbation within a ball changes the prediction.

Source: Zhang et al. 2019, arXiv:1901.08573, equation 5 and algorithm 1; code yaodongyu/TRADES, commit 6e8e11b.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_methods.training.affine import evaluating
from reference_methods.training.aids import TradesAid

_START = 1e-3
_STEP = {"linf": 7 / 31, "l2": 1 / 5}


def trades_loss(network: nn.Module, inputs: Tensor, targets: Tensor, weights: Tensor | None = None, *,
                settings: TradesAid, generator: torch.Generator) -> Tensor:
    """Return the mean over the batch of w (CE(f(x), t) + beta KL(f(x) || f(x'))), ready for ``backward``.

    Args:
        network: in training mode, as for any other loss.
        inputs: (B, ...).
        targets: (B,) labels or (B, C) probabilities.
        weights: (B,), one when not given; the divisor is the batch size.
        settings: what x' is, and beta.
        generator: of the perturbations that the search for x' starts from, on the CPU.
    """
    worst = worst_inputs(network, inputs, settings=settings, generator=generator)
    # The released code computes these logits twice; that differs in dropout and in batch norm's statistics only.
    logits = network(inputs)
    clean = nn.functional.cross_entropy(logits, targets, reduction="none")
    losses = clean + settings.beta * divergences(logits, network(worst))
    return (losses if weights is None else losses * weights).mean()


def worst_inputs(network: nn.Module, inputs: Tensor, *, settings: TradesAid, generator: torch.Generator) -> Tensor:
    """Return inputs in the ball around ``inputs`` whose predictions differ most from theirs, as far as a search finds.

    ``network`` is searched in evaluation mode, as in the released code; gradients of its parameters are not touched.
    """
    worst = inputs + _START * torch.randn(inputs.shape, generator=generator).to(inputs)
    with evaluating(network):
        with torch.no_grad():
            logits = network(inputs)
        for _ in range(settings.steps):
            worst = _admissible(inputs, worst + _step(network, worst, logits, settings), settings)
    return worst


def divergences(logits: Tensor, others: Tensor) -> Tensor:
    """Return (B,) Kullback-Leibler divergences KL(softmax(logits) || softmax(others)), in nats.

    Gradients flow through both, as in the released code.
    """
    log_p, log_q = nn.functional.log_softmax(logits, dim=1), nn.functional.log_softmax(others, dim=1)
    divergence: Tensor = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return divergence


def _step(network: nn.Module, point: Tensor, logits: Tensor, settings: TradesAid) -> Tensor:
    point = point.detach().requires_grad_(True)
    with torch.enable_grad():
        gradient, = torch.autograd.grad(divergences(logits, network(point)).sum(), point)
    size = settings.epsilon * _STEP[settings.norm] if settings.step_size is None else settings.step_size
    if settings.norm == "linf":
        return size * gradient.sign()
    direction: Tensor = nn.functional.normalize(gradient.flatten(1), dim=1)
    return size * direction.reshape(gradient.shape)


def _admissible(inputs: Tensor, point: Tensor, settings: TradesAid) -> Tensor:
    """Return ``point`` moved into the ball around ``inputs``, and into [0, 1] where they are pixels."""
    if settings.norm == "linf":
        point = torch.clamp(point, inputs - settings.epsilon, inputs + settings.epsilon)
        return point.clamp(0, 1) if settings.pixels else point
    # Into [0, 1] first: going back towards inputs that are in it does not leave it again.
    change = ((point.clamp(0, 1) if settings.pixels else point) - inputs).flatten(1)
    lengths: Tensor = torch.linalg.vector_norm(change, dim=1, keepdim=True).clamp(min=torch.finfo(change.dtype).tiny)
    return inputs + (change * (settings.epsilon / lengths).clamp(max=1)).reshape(inputs.shape)
