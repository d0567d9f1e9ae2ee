"""Recover training images from the weights of a homogeneous network (algorithm 2), several restarts as one batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from attrs import field, frozen, validators
from torch import Tensor

from reference_methods.auditors.kkt.descent import DESCENTS, cosine
from reference_methods.auditors.kkt.network import ReluNetwork
from reference_methods.auditors.kkt.span import Span, image_span
from reference_methods.auditors.kkt.stationarity import Stationarity
from reference_methods.auditors.kkt.sweep import Restart

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Options:
    """How candidates are searched for.

    Attributes:
        optimizer: ``adam``, or ``sgd`` with momentum 0.9 as published.
        span: search in the span of the first layer's weights (see `image_span`) instead of all pixels.
        pixels: ``project`` onto the range of pixel values after each step, or ``penalise`` squared distance to it.
        anneal: let the learning rates fall to 0 along half a cosine; constant when False.
        steps: most steps of stage 1.
        check_every: steps between two looks at the residuals.
        tolerance: stage 1 ends when no restart's residual of any parameter changed by more than this share between two
            looks; 0 never ends early.
        prior_steps: steps of stage 2; 0 leaves it out.
        reach: epsilon, how far stage 2 may move a pixel from stage 1's result.
    """

    optimizer: Literal["adam", "sgd"] = "adam"
    span: bool = True
    pixels: Literal["project", "penalise"] = "project"
    anneal: bool = True
    steps: int = field(default=500, validator=validators.ge(1))
    check_every: int = field(default=100, validator=validators.ge(1))
    tolerance: float = field(default=0.005, validator=validators.ge(0))
    prior_steps: int = field(default=0, validator=validators.ge(0))
    reach: float = field(default=0.1, validator=validators.gt(0))


PUBLISHED = Options(optimizer="sgd", span=False, pixels="penalise", anneal=False, steps=50_000, tolerance=0.0)


@frozen(kw_only=True, eq=False)
class PixelRange:
    """The values that pixels take: (D,) lowest and highest, or single numbers."""

    low: Tensor
    high: Tensor

    def project(self, images: Tensor) -> Tensor:
        """Return ``images`` (..., D) moved into the range."""
        return torch.minimum(torch.maximum(images, self.low), self.high)

    def penalty_gradient(self, images: Tensor) -> Tensor:
        """Return the gradient of the summed squared distance of every pixel to the range."""
        return 2 * (images - self.project(images))


@frozen(kw_only=True, eq=False)
class Progress:
    """Where a reconstruction is.

    Attributes:
        stage: 1 or 2.
        step: of how many steps are done.
        residuals: ||p - g_p||^2 (R,) of every parameter p.
    """

    stage: int
    step: int
    residuals: Mapping[str, Tensor]


@frozen(kw_only=True, eq=False)
class Reconstruction:
    """What was recovered from one model.

    Attributes:
        candidates: (S, m, D) images of the S restarts that did not diverge.
        multipliers: (S, m).
        labels: (m,) int64 class that each candidate was searched under.
        residuals: ||p - g_p||^2 (S,) of every parameter p.
        steps: done in stage 1.
        diverged: number of restarts left out because they are not finite.
        rank: number of directions that were searched.
    """

    candidates: Tensor
    multipliers: Tensor
    labels: Tensor
    residuals: Mapping[str, Tensor]
    steps: int
    diverged: int
    rank: int


@frozen(kw_only=True, eq=False)
class _Variables:
    points: Tensor
    multipliers: Tensor


@frozen(kw_only=True, eq=False)
class _Search:
    """One model and one sweep, in coordinates of the span (or in pixels, when there is none)."""

    options: Options
    stationarity: Stationarity
    span: Span | None
    pixels: PixelRange
    rates: Tensor
    multiplier_rates: Tensor
    floors: Tensor
    on_check: Callable[[Progress], None] | None

    def images(self, points: Tensor) -> Tensor:
        return points if self.span is None else points @ self.span.basis

    def points(self, images: Tensor) -> Tensor:
        return images if self.span is None else images @ self.span.basis.T

    def run(self, start: _Variables, steps: int, stage: int) -> tuple[_Variables, int]:
        """Descend from ``start``, changing it in place, and return the end with the number of steps done."""
        points, multipliers = start.points, start.multipliers
        descent = DESCENTS[self.options.optimizer]
        of_points = descent(points, self.rates[:, None, None])
        of_multipliers = descent(multipliers, self.multiplier_rates[:, None])
        box = _around(self.images(points), self.options.reach) if stage == 2 else None
        before: Mapping[str, Tensor] | None = None
        for step in range(1, steps + 1):
            scale = cosine(step, steps) if self.options.anneal else 1.0
            by_points, by_multipliers = self._gradients(points, multipliers, stage)
            of_points.step(points, by_points, scale)
            of_multipliers.step(multipliers, by_multipliers, scale)
            if box is not None:
                points.copy_(self.points(box.project(self.images(points))))
            elif self.options.pixels == "project":
                points.copy_(self.points(self.pixels.project(self.images(points))))
            if step % self.options.check_every == 0 or step == steps:
                residuals = self.stationarity.residuals(points, multipliers)
                self._report(Progress(stage=stage, step=step, residuals=residuals))
                if before is not None and _settled(before, residuals, self.options.tolerance):
                    break
                before = residuals
        return start, step

    def _gradients(self, points: Tensor, multipliers: Tensor, stage: int) -> tuple[Tensor, Tensor]:
        prior = 1.0 if stage == 2 else 0.0
        by_points, by_multipliers = self.stationarity.gradients(points, multipliers, prior)
        if stage == 2:
            # Equation 5: L_lambda is linear, without a floor, and the pixel constraint is left to the projection.
            return by_points, by_multipliers - (multipliers < 0).to(multipliers.dtype)
        if self.options.pixels == "penalise":
            by_points = by_points + self.points(self.pixels.penalty_gradient(self.images(points)))
        return by_points, by_multipliers + floor_gradient(multipliers, self.floors[:, None])

    def _report(self, progress: Progress) -> None:
        logger.debug("stage %d step %d: residuals %s", progress.stage, progress.step,
                     {name: [round(value, 4) for value in row.tolist()] for name, row in progress.residuals.items()})
        if self.on_check is not None:
            self.on_check(progress)


def reconstruct(network: ReluNetwork, train_size: int, restarts: Sequence[Restart], pixels: PixelRange, *, seed: int,
                options: Options | None = None, factor: float = 2.0,
                on_check: Callable[[Progress], None] | None = None) -> Reconstruction:
    """Return candidates for the training images of ``network``, from its weights alone.

    Args:
        network: the model.
        train_size: n, about how many images it was trained on.
        restarts: the sweep; all are run as one batch.
        pixels: the values that pixels take.
        seed: of the random starts.
        options: how; the defaults when None, `PUBLISHED` for the published procedure.
        factor: m / n, candidates per training image; classes get equal shares.
        on_check: called with the residuals now and then.

    Source: algorithm 2; the loss as in the code of Haim et al. 2022 and Buzaglo et al. 2023.
    """
    options = options or Options()
    # Singular vectors have arbitrary signs and starts are random in their coordinates; both depend on the model only.
    span = image_span(network, train_size) if options.span else None
    searched = network if span is None else span.network(network)
    count = round(factor * train_size)
    labels = torch.arange(count) * network.classes // count
    dtype = network.weights[0].dtype
    column = {name: torch.tensor([getattr(restart, name) for restart in restarts], dtype=dtype)
              for name in ("rate", "multiplier_rate", "spread", "floor", "sharpness")}
    search = _Search(
        options=options, span=span, pixels=pixels, rates=column["rate"], floors=column["floor"],
        multiplier_rates=column["multiplier_rate"], on_check=on_check,
        stationarity=Stationarity(network=searched, labels=labels, sharpness=column["sharpness"][:, None, None],
                                  input_weights=None if span is None else span.weights))
    start = _start(len(restarts), count, searched.inputs, column["spread"], seed, dtype)
    end, steps = search.run(start, options.steps, stage=1)
    if options.prior_steps:
        end, _ = search.run(end, options.prior_steps, stage=2)
    return _finished(search, end, steps)


def floor_gradient(multipliers: Tensor, floors: Tensor) -> Tensor:
    """Return the gradient of 5 (floor - lambda)_+^2, the published code's dual feasibility.

    It takes the place of equation 12's max(-lambda, 0), which all multipliers can satisfy by going to zero.
    """
    return -10 * (floors - multipliers).clamp_min(0)


def _start(restarts: int, count: int, width: int, spread: Tensor, seed: int, dtype: torch.dtype) -> _Variables:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(restarts, count, width, generator=generator, dtype=dtype) * spread[:, None, None]
    return _Variables(points=points, multipliers=torch.rand(restarts, count, generator=generator, dtype=dtype))


def _finished(search: _Search, end: _Variables, steps: int) -> Reconstruction:
    finite = torch.isfinite(end.points).flatten(1).all(dim=1) & torch.isfinite(end.multipliers).all(dim=1)
    residuals = search.stationarity.residuals(end.points, end.multipliers)
    return Reconstruction(
        candidates=search.images(end.points[finite]), multipliers=end.multipliers[finite],
        labels=search.stationarity.labels, residuals={name: value[finite] for name, value in residuals.items()},
        steps=steps, diverged=int((~finite).sum()), rank=end.points.shape[-1])


def _around(images: Tensor, reach: float) -> PixelRange:
    return PixelRange(low=images - reach, high=images + reach)


def _settled(before: Mapping[str, Tensor], after: Mapping[str, Tensor], tolerance: float) -> bool:
    """Return whether no parameter's residual still moves; those of the second layer never fall far below its start's.

    A restart that is not finite counts as settled, since nothing will bring it back.
    """
    moves = [((before[name] - value).abs() / before[name].clamp_min(1e-12)).nan_to_num(0.0, 0.0, 0.0)
             for name, value in after.items()]
    return bool(torch.stack(moves).max() < tolerance)
