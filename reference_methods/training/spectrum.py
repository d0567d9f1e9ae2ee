"""PowerQR: the largest singular values of any affine layer, from products with the layer and its transpose only.

For f(x) = M x + b the matrix M is never formed: f(x) - f(0) multiplies with M, and differentiating f multiplies with
its transpose, whatever kernel, stride, dilation, padding or batch norm f is made of.

Source: Ebrahimpour-Boroojeny, Telgarsky & Sundaram 2024, arXiv:2402.16017.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from attrs import frozen
from torch import Tensor, nn

from reference_methods.training.affine import CONVOLUTIONS, Shape, evaluating

# Columns of the powers kept between restarts. Plain power iteration, which keeps none, needs hundreds of products
# where this needs fifty.
_COLUMNS = 48
# Residuals below this share of the largest value squared are rounding in float32.
_ROUNDING = 1e-5
# Input sizes above which, on a CPU, one grouped convolution is slower than convolutions in turn (measured).
_LARGE_INPUT = 32_768
_MATRIX_ENTRIES = 1 << 26


@frozen(kw_only=True, eq=False)
class Spectrum:
    """The largest singular values of an affine layer's linear part.

    Attributes:
        values: (k,), descending.
        vectors: (k, *input_shape), unit right singular vectors.
        products: how often a block of vectors was multiplied with the matrix and its transpose.
        converged: whether each value is within the tolerance of a singular value.
    """

    values: Tensor
    vectors: Tensor
    products: int
    converged: bool


def singular_values(layer: nn.Module, input_shape: Shape, k: int = 1, *, start: Tensor | None = None,
                    tolerance: float = 1e-3, limit: int = 1000, dtype: torch.dtype | None = None,
                    seed: int = 0) -> Spectrum:
    """Return the ``k`` largest singular values of ``layer``, in evaluation mode.

    A value is never above the true one (up to rounding) and, when converged, within ``tolerance`` times itself of a
    singular value. In float32, values below a hundredth of the largest are not trustworthy: pass ``torch.float64``.

    Args:
        layer: any affine module.
        input_shape: of one input, without the batch.
        k: at most the number of input entries.
        start: (j, *input_shape), vectors to start from; random ones are added.
        tolerance: relative.
        limit: number of products after which to stop in any case.
        dtype: of the computation; the layer's own when None.
        seed: of the random starting vectors.

    Raises:
        ValueError: if ``k`` does not fit the input.
    """
    starts = None if start is None else [start]
    return spectra([layer], input_shape, k, starts=starts, tolerance=tolerance, limit=limit, dtype=dtype, seed=seed)[0]


def spectra(layers: Sequence[nn.Module], input_shape: Shape, k: int = 1, *, starts: Sequence[Tensor] | None = None,
            tolerance: float = 1e-3, limit: int = 1000, dtype: torch.dtype | None = None,
            seed: int = 0) -> list[Spectrum]:
    """Return what ``singular_values`` returns for each of several layers of equal shape, computed together.

    Raises:
        ValueError: if ``k`` does not fit the input.
    """
    size = math.prod(input_shape)
    if not 1 <= k <= size:
        raise ValueError(f"an input of shape {input_shape} has at most {size} singular values, asked for {k}")
    part = _LinearPart(layers, input_shape, dtype)
    with part.exactly():
        block = _starting_block(part, k, starts, seed)
        values, block, products, converged = _power_qr(part, block, k, tolerance, limit)
    vectors = block.mT[:, :k].reshape(len(layers), k, *input_shape)
    return [Spectrum(values=values[i, :k], vectors=vectors[i], products=products, converged=bool(converged[i]))
            for i in range(len(layers))]


def dense_matrix(layer: nn.Module, input_shape: Shape) -> Tensor:
    """Return the (outputs, inputs) float64 matrix of an affine layer, one basis vector at a time: for small layers.

    Raises:
        ValueError: if it has more than 2^26 entries.
    """
    part = _LinearPart([layer], input_shape, torch.float64)
    size = math.prod(input_shape)
    with part.exactly(), torch.no_grad():
        outputs = part.apply(torch.zeros(1, 1, *input_shape, dtype=torch.float64, device=part.device)).numel()
        if outputs * size > _MATRIX_ENTRIES:
            raise ValueError(f"the matrix of an input of shape {input_shape} is {outputs} x {size}: too large")
        basis = torch.eye(size, dtype=torch.float64, device=part.device).split(256)
        columns = [part.apply(rows.reshape(1, -1, *input_shape))[0].flatten(1) for rows in basis]
    return torch.cat(columns).T


def fourier_singular_values(kernel: Tensor, image: tuple[int, int]) -> Tensor:
    """Return all singular values, descending, of a convolution of stride 1 with circular padding.

    For any other stride or padding they are those of another layer.

    Args:
        kernel: (out, in, height, width).
        image: height and width of the input, at least the kernel's.

    Source: Sedghi, Gupta & Long 2019, arXiv:1805.10408, theorem 6.
    """
    transfer = torch.fft.fft2(kernel.detach(), s=image).permute(2, 3, 0, 1)
    values: Tensor = torch.linalg.svdvals(transfer)
    return values.flatten().sort(descending=True).values


class _LinearPart:
    """x -> f(x) - f(0) for layers of one shape, and its transpose; inputs are (layers, block, *shape)."""

    def __init__(self, layers: Sequence[nn.Module], shape: Shape, dtype: torch.dtype | None) -> None:
        weight = next(layers[0].parameters(), torch.empty(0))
        self.device, self.dtype = weight.device, dtype or weight.dtype
        self.count, self.shape = len(layers), shape
        if self.dtype != weight.dtype:
            layers = [copy.deepcopy(layer).to(self.dtype) for layer in layers]
        self._grouped = _as_one(layers) if self._is_faster_as_one(layers) else None
        self._layers = layers
        with self.exactly(), torch.no_grad():
            zeros = torch.zeros(self.count, 1, *shape, dtype=self.dtype, device=self.device)
            self._offset = self._affine(zeros)

    @contextmanager
    def exactly(self) -> Iterator[None]:
        """Compute in evaluation mode and in full precision."""
        with evaluating(nn.ModuleList(self._layers)), torch.autocast(self.device.type, enabled=False):
            yield

    def apply(self, inputs: Tensor) -> Tensor:
        """Return (layers, block, *output shape)."""
        return self._affine(inputs) - self._offset

    def gram(self, block: Tensor) -> tuple[Tensor, Tensor]:
        """Return M X (layers, outputs, b) and M' M X (layers, n, b) of a block X (layers, n, b)."""
        inputs = block.mT.reshape(self.count, -1, *self.shape).requires_grad_(True)
        with torch.enable_grad():
            outputs = self.apply(inputs)
            back, = torch.autograd.grad(outputs, inputs, outputs.detach())
        return outputs.detach().flatten(2).mT, back.flatten(2).mT

    def _affine(self, inputs: Tensor) -> Tensor:
        if self._grouped is None:
            return torch.stack([layer(rows) for layer, rows in zip(self._layers, inputs, strict=True)])
        outputs: Tensor = self._grouped(inputs.transpose(0, 1).flatten(1, 2))
        return outputs.reshape(outputs.shape[0], self.count, -1, *outputs.shape[2:]).transpose(0, 1)

    def _is_faster_as_one(self, layers: Sequence[nn.Module]) -> bool:
        small = self.device.type != "cpu" or math.prod(self.shape) <= _LARGE_INPUT
        return small and len(layers) > 1 and all(isinstance(layer, CONVOLUTIONS) for layer in layers)


def _as_one(layers: Sequence[Any]) -> nn.Module:
    """Return convolutions of equal shape as one with as many times the groups, without bias."""
    first, count = layers[0], len(layers)
    one = type(first)(first.in_channels * count, first.out_channels * count, first.kernel_size, first.stride,
                      first.padding, first.dilation, first.groups * count, bias=False,
                      padding_mode=first.padding_mode, device="meta")
    one.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    return cast(nn.Module, one)


def _starting_block(part: _LinearPart, k: int, starts: Sequence[Tensor] | None, seed: int) -> Tensor:
    """Return (layers, n, b) starting vectors: the given ones, then random ones.

    Random ones are always among them, for a given one may be a singular vector that is no longer the first.
    """
    size = math.prod(part.shape)
    given = 0 if starts is None else starts[0].shape[0]
    # One column beyond those asked for lets the last of them converge past a close neighbour.
    fresh = max(k - given, 0) + (1 if k > 1 or given else 0)
    generator = torch.Generator().manual_seed(seed)
    block = torch.randn(part.count, size, fresh, generator=generator, dtype=part.dtype).to(part.device)
    if starts is not None:
        warm = torch.stack([start.flatten(1).mT for start in starts]).to(block)
        block = torch.cat([warm, block], dim=2)
    return block[..., -size:]


def _power_qr(part: _LinearPart, block: Tensor, k: int, tolerance: float,
              limit: int) -> tuple[Tensor, Tensor, int, Tensor]:
    """Return values (layers, b), vectors (layers, n, b), the number of products and what has converged (layers,).

    The published iteration replaces X by the Q of QR(X + M' M X) and forgets what it was. This one keeps the last
    powers, orthonormal, and takes from their span the vectors that M stretches most: the same products, but close
    values, which convolutions always have, take tens of them instead of hundreds. Nor does it add the identity, which
    QR does not need and which slows down the convergence of values below 1.
    """
    block, products = torch.linalg.qr(block).Q, 0
    while True:
        images, powers = part.gram(block)
        squares, turn = _descending(images)
        block, powers, products = block @ turn, powers @ turn, products + 1
        residuals = (powers - block * squares[:, None]).norm(dim=1)[:, :k]
        # |s - s'| (s + s') is at most the residual, for s and the nearest singular value s'.
        converged = (residuals <= 2 * tolerance * squares[:, :k] + _ROUNDING * squares[:, :1]).all(dim=1)
        # The first look sees only what it was given, which may be singular vectors that are no longer the first.
        if products >= limit or (products > 1 and bool(converged.all())):
            return squares.sqrt(), block, products, converged
        spent = min(_powers(block) - 1, max(limit - products - 1, 0))
        block = _best(part, block, images @ turn, powers, spent)
        products += spent


def _powers(block: Tensor) -> int:
    """Return how many powers of ``block`` are kept between restarts."""
    return min(16, max(4, _COLUMNS // block.shape[2]))


def _best(part: _LinearPart, block: Tensor, images: Tensor, powers: Tensor, count: int) -> Tensor:
    """Return the vectors that M stretches most in the span of ``block`` and its next powers.

    Args:
        part: what is multiplied with.
        block: X, (layers, n, b).
        images: M X.
        powers: M' M X.
        count: how many powers to take.
    """
    _, size, width = block.shape
    basis, stretched = block, images
    for _ in range(count):
        new = _orthonormal(basis, powers[..., :size - basis.shape[2]])
        images, powers = part.gram(new)
        basis, stretched = torch.cat([basis, new], dim=2), torch.cat([stretched, images], dim=2)
        if basis.shape[2] == size:
            break
    _, turn = _descending(stretched)
    best: Tensor = torch.linalg.qr(basis @ turn[..., :width]).Q
    return best


def _orthonormal(basis: Tensor, block: Tensor) -> Tensor:
    """Return ``block`` with orthonormal columns, orthogonal to ``basis``.

    Once leaves rounding errors, so twice. A column that the second time shrinks was nothing but rounding, as when the
    powers span all that M does not map to zero; it becomes zero.
    """
    for _ in range(2):
        block, triangle = torch.linalg.qr(block - basis @ (basis.mT @ block))
    kept: Tensor = triangle.diagonal(dim1=1, dim2=2).abs() > 0.5
    return block * kept[:, None]


def _descending(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared singular values of (layers, m, b), descending, and their right singular vectors."""
    squares, turn = torch.linalg.eigh(images.mT @ images)
    return squares.flip(-1).clamp(min=0), turn.flip(-1)
