"""One step that lowers the largest singular values of an affine layer, and the factor that ends it exactly."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_methods.training.affine import AffineLayer, evaluating

_RIDGE = 1e-6


def lower(layer: AffineLayer, vectors: Tensor, limit: float) -> None:
    """Move ``layer.weight`` to the nearest point where no vector is stretched beyond ``limit`` in its direction.

    With u_i = M(W) v_i / |M(W) v_i|, every weight whose largest singular value is at most ``limit`` lies in the
    half-space u_i' M(W) v_i <= limit. The weight goes to the nearest point of the intersection of these half-spaces,
    so it comes nearer to every admissible weight, and where u_1, v_1 are singular vectors, it never falls below the
    limit. For a linear layer and its singular vectors this is the exact rank-one deflation, for all of them at once.

    The published step descends on |(limit/s) M(W_old) v - M(W) v|^2 with a fixed step size, which overshoots or
    falls short with the shape of the kernel; its least-squares solution would scale the whole kernel.

    Args:
        layer: what to lower.
        vectors: (k, *input_shape), right singular vectors, not necessarily converged.
        limit: above 0.
    """
    rows, stretches = _half_spaces(layer, vectors)
    multipliers = _multipliers((rows @ rows.T).double().cpu().numpy(), stretches.double().cpu().numpy() - limit)
    change = torch.from_numpy(multipliers).to(rows) @ rows
    with torch.no_grad():
        layer.weight.sub_(change.reshape(layer.weight.shape))


def scale(layer: AffineLayer, factor: float) -> None:
    """Multiply every singular value of ``layer`` by ``factor``."""
    with torch.no_grad():
        layer.weight.mul_(factor)


def _half_spaces(layer: AffineLayer, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return (k, P) gradients of the stretches with respect to the weight, and the (k,) stretches."""
    with evaluating(layer.module), torch.enable_grad(), torch.autocast(vectors.device.type, enabled=False):
        outputs = (layer.module(vectors) - layer.module(torch.zeros_like(vectors))).flatten(1)
        directions = torch.nn.functional.normalize(outputs.detach(), dim=1)
        stretches = (directions * outputs).sum(dim=1)
        rows = [torch.autograd.grad(stretch, layer.weight, retain_graph=True)[0].flatten() for stretch in stretches]
    return torch.stack(rows), stretches.detach()


def _multipliers(products: NDArray[np.float64], excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the l >= 0 that minimise l'Al/2 - l'b: the projection onto {x: G x <= b} is G' l, for A = G G'."""
    from scipy.optimize import nnls

    # Neighbouring singular vectors of a convolution can have almost the same gradient.
    ridge = _RIDGE * np.trace(products) * np.eye(len(products))
    root = np.linalg.cholesky(products + ridge)
    multipliers: NDArray[np.float64] = nnls(root.T, np.linalg.solve(root, excess))[0]
    return multipliers
