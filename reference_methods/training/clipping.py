"""FastClip: no affine layer stretches any input by more than a limit, kept so beside training instead of inside it.

The published method computes and clips in ``forward`` and calls ``backward`` there, which breaks gradient
accumulation, mixed precision and replicas. Here nothing is added to the network: `FastClip.step` is called after an
optimizer step, touches no ``.grad``, computes in the weights' own precision and leaves global random state alone. On
several devices, call it on the weights that the optimizer moves; with equal seeds every replica does the same.

Source: Ebrahimpour-Boroojeny, Telgarsky & Sundaram 2024, arXiv:2402.16017; code Ali-E/FastClip, commit a2168dc.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define
from torch import Tensor, nn

from reference_methods.training.affine import AffineLayer, BatchNormHandling, affine_layers, alike
from reference_methods.training.lowering import lower, scale
from reference_methods.training.spectrum import Spectrum, spectra

# Up to this excess all of a layer is scaled, which is exact; above, it is lowered where it is too steep.
_SCALED = 1e-2
# Singular vectors followed in each layer; close singular values are lowered together.
_FOLLOWED = 4
# Products that tell, from where the singular vectors were last, roughly how far a layer is above the limit.
_ROUGHLY = 5
_ROUNDS = 100


@define(eq=False)
class _Followed:
    """A layer with the singular vectors that were its first when it was last looked at."""

    layer: AffineLayer
    vectors: Tensor | None = None


class FastClip:
    """Clips the largest singular value of every affine layer of a network at a limit; never raises one.

    Attributes:
        layers: what is clipped: every affine layer that is not frozen.
        limit: the largest singular value allowed.
        tolerance: how far above the limit, relative to it, a value may be after `clip`.
    """

    def __init__(self, network: nn.Module, inputs: Tensor, *, limit: float = 1.0, every: int = 20,
                 tolerance: float = 1e-3, batch_norm: BatchNormHandling = "composition", seed: int = 0) -> None:
        """Find the layers of ``network``; nothing is changed yet.

        Args:
            network: any network; it is run once, in evaluation mode.
            inputs: (B, ...), any batch; only its shape matters.
            limit: above 0.
            every: number of steps between two corrections.
            tolerance: above 0.
            batch_norm: ``composition`` clips a layer together with the batch norm that follows it, in evaluation
                statistics, through the batch norm's weight. That is the map that the trained network applies. It
                holds for the statistics of the last `clip`, which training moves on; and a limit near 1 costs most
                of the accuracy, because each clip changes what the statistics behind it were estimated on.
                ``ignore`` clips the layer alone, as published for networks with batch norm: they train well, and
                their Lipschitz constant is not bounded. A network without batch norm has neither problem.
            seed: of the vectors that the search for singular vectors starts from.
        """
        if limit <= 0 or tolerance <= 0 or every < 1:
            raise ValueError(f"limit, tolerance and every must be positive, got {limit}, {tolerance} and {every}")
        found = affine_layers(network, inputs, batch_norm)
        self.layers = [layer for layer in found if layer.weight.requires_grad]
        self.limit, self.tolerance = limit, tolerance
        self._every = every
        uses = Counter(id(layer.weight) for layer in self.layers)
        self._tied = [layer for layer in self.layers if uses[id(layer.weight)] > 1]
        groups = [*alike(layer for layer in self.layers if layer not in self._tied), *([one] for one in self._tied)]
        self._groups = [[_Followed(layer) for layer in group] for group in groups]
        self._steps, self._searches, self._seed = 0, 0, seed

    def step(self) -> None:
        """Count an optimizer step; after ``every`` of them, lower the layers above the limit once, roughly."""
        self._steps += 1
        if self._steps % self._every == 0:
            for group in self._finite_groups():
                self._lower(group, self._roughly(group), self.tolerance)

    def clip(self) -> None:
        """Lower every layer to the limit; to be called at the end of each epoch.

        Afterwards each largest singular value is at most ``limit * (1 + tolerance)``. Layers that already were so
        stay as they are, bit by bit; clipping twice is clipping once. Layers of a network that has diverged, with
        entries that are not finite, have no singular values and are left as they are.
        """
        for group in self._finite_groups():
            exact = self._lowered(group)
            for followed, spectrum in zip(group, exact, strict=True):
                value = float(spectrum.values[0])
                if value > self.limit * (1 + self.tolerance):
                    scale(followed.layer, self.limit / value)

    def _finite_groups(self) -> Iterator[list[_Followed]]:
        for group in self._groups:
            finite = [followed for followed in group
                      if all(bool(value.isfinite().all()) for value in followed.layer.module.state_dict().values())]
            if finite:
                yield finite

    def _lowered(self, group: Sequence[_Followed]) -> list[Spectrum]:
        """Lower ``group`` until what is missing can be had by scaling, and return its exact spectra."""
        pending = list(group)
        for _ in range(_ROUNDS):
            if pending:
                pending = self._lower(pending, self._roughly(pending), _SCALED)
                continue
            exact = self._exactly(group)
            pending = self._lower(group, exact, _SCALED)
            if not pending:
                return exact
        return self._exactly(group)

    def _lower(self, group: Sequence[_Followed], found: Sequence[Spectrum], tolerance: float) -> list[_Followed]:
        """Lower the layers that are above the limit by more than ``tolerance``, and return them.

        Weights that are used twice are left to scaling: what lowers them in one place could raise them in the other.
        """
        above = [(followed, spectrum.vectors) for followed, spectrum in zip(group, found, strict=True)
                 if spectrum.values[0] > self.limit * (1 + tolerance) and followed.layer not in self._tied]
        for followed, vectors in above:
            lower(followed.layer, vectors, self.limit)
        return [followed for followed, _ in above]

    def _roughly(self, group: Sequence[_Followed]) -> list[Spectrum]:
        """Return lower bounds of the first singular values, from where they were last."""
        starts = [followed.vectors for followed in group if followed.vectors is not None]
        found = self._spectra(group, _FOLLOWED, starts=starts or None, tolerance=self.tolerance, limit=_ROUGHLY)
        for followed, spectrum in zip(group, found, strict=True):
            followed.vectors = spectrum.vectors
        return found

    def _exactly(self, group: Sequence[_Followed]) -> list[Spectrum]:
        """Return the first singular values, from a fresh start: what was followed may have been overtaken."""
        return self._spectra(group, 1, tolerance=self.tolerance / 5)

    def _spectra(self, group: Sequence[_Followed], k: int, **how: Any) -> list[Spectrum]:
        self._searches += 1
        shape = group[0].layer.input_shape
        return spectra([followed.layer.module for followed in group], shape, min(k, math.prod(shape)),
                       seed=self._seed + self._searches, **how)
