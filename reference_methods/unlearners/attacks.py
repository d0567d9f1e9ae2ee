"""Nearest adversarial examples, for methods that unlearn with them.

An attack keeps every sample of D_F at its row and asks the model for nothing but logits and input gradients. Samples
that are done leave the batch: the work goes to those that are not.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from attrs import define, field, frozen, validators
from numpy.typing import NDArray

from harness import Examples
from harness.data import Booleans, Floats, Integers
from reference_methods.unlearners.searches import AdversarialSet, Attackable, Oracle, Search, norms


class Attack(Protocol):
    """A search for adversarial examples."""

    def find(self, model: Attackable, clean: Examples, seed: int) -> AdversarialSet:
        """Return the adversarial set of ``clean``; ``seed`` decides whatever is random in the search."""
        ...


@frozen(kw_only=True)
class ProjectedGradient:
    """Projected gradient ascent on the cross-entropy in growing L2 balls, until the model changes its mind.

    A sample stops at its first wrong prediction. When a ball is searched in vain its radius is doubled. The published
    loop has no end; here a sample has failed once its ball holds every admissible input, or when its own gradient is
    zero, because then no ascent ever leaves it.

    Source: AMUN, arXiv:2503.00917, algorithm 1 and section 6 (PGD-50, step 0.1 eps, eps 0.04 for CIFAR-10).

    Attributes:
        eps: first radius.
        steps: gradient steps per radius.
        relative_step: length of a step, in radii.
        doublings: radii beyond the first that are tried at most.
        bisections: halvings of the gap between the largest radius without and the smallest with an example; each can
            only shorten the distance. None in the paper.
        warm_start: begin in a doubled ball where the last one ended, as the published code does, not at the input.
        bounded: keep inputs in [0, 1].
        batch_size: samples per call of the model.
    """

    eps: float = field(default=0.04, validator=validators.gt(0))
    steps: int = field(default=50, validator=validators.ge(1))
    relative_step: float = field(default=0.1, validator=validators.gt(0))
    doublings: int = field(default=20, validator=validators.ge(0))
    bisections: int = field(default=0, validator=validators.ge(0))
    warm_start: bool = False
    bounded: bool = True
    batch_size: int = field(default=256, validator=validators.ge(1))

    def find(self, model: Attackable, clean: Examples, seed: int) -> AdversarialSet:
        """Return the adversarial set of ``clean``; the search is deterministic."""
        _check_bounds(clean.inputs, self.bounded)
        oracle = Oracle(model, self.batch_size)
        gradients, predictions = oracle(clean.inputs, clean.labels)
        search = Search.begin(clean, predictions)
        self._grow(oracle, search, gradients)
        self._shrink(oracle, search, gradients)
        return search.result(oracle.evaluations)

    def _grow(self, oracle: Oracle, search: Search, gradients: Floats) -> None:
        starts, ascents, searchable = search.clean.inputs, gradients, _moves(gradients)
        if self.warm_start:
            starts, ascents = starts.copy(), ascents.copy()
        # The diagonal of the cube: a ball this large holds every admissible input.
        largest = np.sqrt(starts[0].size) if self.bounded else np.inf
        for doubling in range(self.doublings + 1):
            rows = np.flatnonzero(~search.found & searchable)
            radius = self.eps * 2**doubling
            if len(rows) == 0:
                return
            walk = self._ascend(oracle, search, rows, starts[rows], ascents[rows], np.full(len(rows), radius))
            if self.warm_start:
                starts[rows], ascents[rows] = walk.points, walk.gradients
            hit = walk.flipped
            search.record(rows[hit], walk.points[hit], walk.labels[hit], np.full(hit.sum(), radius))
            if radius >= largest:
                return

    def _shrink(self, oracle: Oracle, search: Search, gradients: Floats) -> None:
        rows = np.flatnonzero(search.found & ~search.already)
        high = norms(search.inputs[rows] - search.clean.inputs[rows])
        low = np.where(search.radius[rows] > self.eps, np.minimum(search.radius[rows] / 2, high), 0)
        for _ in range(self.bisections if len(rows) else 0):
            radius = (low + high) / 2
            walk = self._ascend(oracle, search, rows, search.clean.inputs[rows], gradients[rows], radius)
            distance = norms(walk.points - search.clean.inputs[rows])
            closer = walk.flipped & (distance < high)
            search.record(rows[closer], walk.points[closer], walk.labels[closer], radius[closer])
            high, low = np.where(closer, distance, high), np.where(closer, low, radius)

    def _ascend(self, oracle: Oracle, search: Search, rows: Integers, starts: Floats, gradients: Floats,
                radius: NDArray[Any]) -> _Walk:
        clean, true = search.clean.inputs[rows], search.clean.labels[rows]
        walk = _Walk(starts.copy(), true.copy(), gradients.copy(), np.zeros(len(rows), dtype=bool))
        active = np.flatnonzero(_moves(gradients))
        for _ in range(self.steps):
            if len(active) == 0:
                break
            walk.points[active] = self._step(walk.points[active], walk.gradients[active], clean[active], radius[active])
            walk.gradients[active], walk.labels[active] = oracle(walk.points[active], true[active])
            walk.flipped[active] = walk.labels[active] != true[active]
            active = active[~walk.flipped[active] & _moves(walk.gradients[active])]
        return walk

    def _step(self, points: Floats, gradients: Floats, clean: Floats, radius: NDArray[Any]) -> Floats:
        length = self.relative_step * radius / norms(gradients)
        offset = points + _wide(length, points) * gradients - clean
        offset *= _wide(np.minimum(1, radius / np.maximum(norms(offset), np.finfo(np.float32).tiny)), points)
        moved = (clean + offset).astype(np.float32)
        return np.clip(moved, 0, 1) if self.bounded else moved


@define
class _Walk:
    """Where an ascent ended, row by row."""

    points: Floats
    labels: Integers
    gradients: Floats
    flipped: Booleans


@frozen(kw_only=True)
class SignWalk:
    """Walk along the sign of one gradient until the model changes its mind; start again elsewhere if it does not.

    One gradient a round, so cheap, but the examples are much farther away than those of `ProjectedGradient`.

    Source: AMUN, arXiv:2503.00917, appendix E.5, after FGSM (Goodfellow et al. 2015) and FFGSM (Wong et al. 2020). The
    released code lacks it; length and number of steps and the size of the perturbation are not in the paper.

    Attributes:
        step: length of a step per input entry.
        steps: steps per round.
        rounds: gradients per sample at most.
        noise: restarts begin at the input plus uniform noise in [-noise, noise].
        random_start: perturb before the first round, too (FFGSM), not only before restarts (FGSM).
        bounded: keep inputs in [0, 1].
        batch_size: samples per call of the model.
    """

    step: float = field(default=1 / 255, validator=validators.gt(0))
    steps: int = field(default=64, validator=validators.ge(1))
    rounds: int = field(default=10, validator=validators.ge(1))
    noise: float = field(default=8 / 255, validator=validators.gt(0))
    random_start: bool = False
    bounded: bool = True
    batch_size: int = field(default=256, validator=validators.ge(1))

    def find(self, model: Attackable, clean: Examples, seed: int) -> AdversarialSet:
        """Return the adversarial set of ``clean``."""
        _check_bounds(clean.inputs, self.bounded)
        random = np.random.default_rng(seed)
        oracle = Oracle(model, self.batch_size)
        gradients, predictions = oracle(clean.inputs, clean.labels)
        search = Search.begin(clean, predictions)
        starts = clean.inputs
        for turn in range(self.rounds):
            rows = np.flatnonzero(~search.found)
            if len(rows) == 0:
                break
            if turn > 0 or self.random_start:
                noise = random.uniform(-self.noise, self.noise, (len(rows), *clean.inputs.shape[1:]))
                starts = self._bound(clean.inputs[rows] + noise)
                gradients, predictions = oracle(starts, clean.labels[rows])
                self._record(search, rows, starts, predictions)
            else:
                starts, gradients = clean.inputs[rows], gradients[rows]
            self._walk(oracle, search, rows, starts, np.sign(gradients))
        return search.result(oracle.evaluations)

    def _walk(self, oracle: Oracle, search: Search, rows: Integers, starts: Floats, signs: Floats) -> None:
        for step in range(1, self.steps + 1):
            left = ~search.found[rows]
            rows, starts, signs = rows[left], starts[left], signs[left]
            if len(rows) == 0:
                return
            points = self._bound(starts + np.float32(step * self.step) * signs)
            self._record(search, rows, points, oracle.predict(points))

    @staticmethod
    def _record(search: Search, rows: Integers, points: Floats, labels: Integers) -> None:
        hit = labels != search.clean.labels[rows]
        distance = norms(points[hit] - search.clean.inputs[rows[hit]])
        search.record(rows[hit], points[hit], labels[hit], distance)

    def _bound(self, inputs: NDArray[Any]) -> Floats:
        plain = inputs.astype(np.float32)
        return np.clip(plain, 0, 1) if self.bounded else plain


def _wide(values: NDArray[Any], like: Floats) -> NDArray[Any]:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def fgsm(model: Attackable, clean: Examples, bound: float, bounded: bool = True) -> tuple[Floats, Integers]:
    """Return one step of length ``bound`` along the gradient's sign from each input, and what the model says there.

    Source: Goodfellow et al. 2015, arXiv:1412.6572.
    """
    _check_bounds(clean.inputs, bounded)
    gradients, _ = model.input_gradients(clean.inputs, clean.labels)
    points = (clean.inputs + bound * np.sign(gradients)).astype(np.float32)
    points = np.clip(points, 0, 1) if bounded else points
    return points, model.logits(points).argmax(axis=1)


def _moves(gradients: Floats) -> Booleans:
    lengths = norms(gradients)
    moves: Booleans = np.isfinite(lengths) & (lengths > 0)
    return moves


def _check_bounds(inputs: Floats, bounded: bool) -> None:
    if bounded and (inputs.min() < 0 or inputs.max() > 1):
        raise ValueError(f"inputs lie in [{inputs.min():g}, {inputs.max():g}], not in [0, 1]; "
                         "set bounded=False to attack without clamping")
