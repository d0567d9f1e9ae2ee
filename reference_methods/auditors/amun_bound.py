"""Theorem 4.1 of the AMUN paper as a measurement: what its bound is made of, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Examples, Model, Needs, Scope, Score
from harness.data import Floats, Integers
from harness.digests import derive_seed
from harness.forget_sets import losses_from_logits
from reference_methods.auditors.divergences import probabilities
from reference_methods.unlearners.attacks import ProjectedGradient
from reference_methods.unlearners.capabilities import attackable
from reference_methods.unlearners.searches import AdversarialSet, Attackable, norms

Values = NDArray[np.float64]
Z = 1.959964


@frozen(kw_only=True)
class AmunBound:
    """How the terms of AMUN's bound go with how far a sample's confidence is from that of the oracles.

    Theorem 4.1 bounds the distance of an unlearned model from a retrained one, after one step on (x', y'), by that of
    the original plus (2 / beta) (L delta - C), with

        C = l(f_o(x'), y) + l(f'(x'), y') - l(f_u(x), y) - l(f_u(x'), y')

    where x' is the adversarial example of x on the original o, delta their distance, L a Lipschitz constant, f' the
    unlearned model and f_u the retrained one. It is proven for convex losses, so for no network; what it says of a
    network is that samples of small L delta - C are forgotten better. That is what is measured, with the mean over the
    oracles in the place of f_u and, for L, the largest norm of the input gradient of the loss on the way from x to x':
    a local constant, estimated from below.

    ``rho bound`` and ``rho delta`` are Spearman's correlations of L delta - C and of delta with the gap
    |p(y | x) - mean over oracles of p(y | x)|; positive if the theorem's reading holds. ``delta`` and ``Lipschitz`` are
    medians, ``transfer`` is the share of examples that an oracle, too, takes for y'. The figure is the scatter plot.

    For an oracle in the audited model's place the examples are its own, and its correlations are the null. It need not
    be zero: a sample near the boundary has a small delta, and on networks that are not smooth its confidence differs
    most from one model to the next, whatever has been unlearned, so that the null is far below zero. What speaks for
    the theorem is a correlation above the oracles'.

    Attributes:
        eps, attack_steps: of the attack, see `reference_methods.unlearners.attacks.ProjectedGradient`.
        bounded: whether examples stay in [0, 1]; None if the forget set does.
        points: places on the way from x to x' at which gradients are taken.
        samples: of the forget set, drawn at random, that are looked at; 0 for all.

    Source: arXiv:2503.00917, section 4.1.
    """

    eps: float = field(default=0.04, validator=validators.gt(0))
    attack_steps: int = field(default=50, validator=validators.ge(1))
    bounded: bool | None = None
    points: int = field(default=5, validator=validators.ge(2))
    samples: int = field(default=256, validator=validators.ge(0))

    name: ClassVar[str] = "amun-bound"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"input-gradients"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """The models themselves, oracles among them."""
        return Needs(oracles=1, models=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the correlations, the medians and the terms of every sample, with their rows in the training set.

        Raises:
            ValueError: if fewer than four samples have an adversarial example.
        """
        rows = self._rows(case)
        clean = case.data.train.take(rows)
        attacked = attackable(case.models.get("original", case.models["unlearned"]))
        bounded = clean.inputs.min() >= 0 and clean.inputs.max() <= 1 if self.bounded is None else self.bounded
        adversarial = ProjectedGradient(eps=self.eps, steps=self.attack_steps, bounded=bool(bounded)).find(
            attacked, clean, derive_seed(case.seed, "attack"))
        found = np.flatnonzero(adversarial.found)
        if len(found) < 4:
            raise ValueError(f"amun-bound: {len(found)} of {len(rows)} samples have an adversarial example within the "
                             "attack's reach; a correlation needs at least 4")
        rows, clean = rows[found], clean.take(found)
        terms = bound_terms(attacked, case.models["unlearned"], _oracles(case.models), clean,
                            adversarial.inputs[found], adversarial.labels[found], self.points)
        terms["gap"] = self._gap(case, rows)
        return AuditReport(
            scores=_scores(terms), per_sample={"row": rows, **terms},
            notes={"looked at": len(rows), "attack failure rate": float(1 - adversarial.found.mean())},
            figures={"bound.png": _figure(terms, adversarial, found)})

    def _rows(self, case: AuditCase) -> Integers:
        forget = case.request.forget
        if not self.samples or len(forget) <= self.samples:
            return forget
        drawn = np.random.default_rng(derive_seed(case.seed, "samples")).choice(forget, self.samples, replace=False)
        return np.sort(drawn)

    @staticmethod
    def _gap(case: AuditCase, rows: Integers) -> Values:
        labels = case.data.train.labels[rows]
        own, *others = (probabilities(one.train[rows])[np.arange(len(rows)), labels]
                        for one in (case.unlearned, *case.oracles))
        gap: Values = np.abs(own - np.mean(others, axis=0))
        return gap


def bound_terms(original: Attackable, unlearned: Model, oracles: Sequence[Model], clean: Examples, inputs: Floats,
                labels: Integers, points: int = 5) -> dict[str, Values]:
    """Return (K,) every term of L delta - C, and the share of oracles to which each example transfers.

    Args:
        original: the model that was attacked.
        unlearned: the model after unlearning.
        oracles: the retrained models; their losses are averaged.
        clean: (K, ...) x with the true labels y.
        inputs, labels: (K, ...) x' and (K,) y'.
        points: where on the way from x to x' gradients are taken.
    """
    true = clean.labels
    at_oracles = [one.logits(inputs) for one in oracles]
    terms: dict[str, Values] = {
        "delta": norms(inputs - clean.inputs).astype(np.float64),
        "lipschitz": local_lipschitz(original, clean, inputs, points),
        "original loss": losses_from_logits(original.logits(inputs), true),
        "unlearned loss": losses_from_logits(unlearned.logits(inputs), labels),
        "oracle loss": np.mean([losses_from_logits(one.logits(clean.inputs), true) for one in oracles], axis=0),
        "oracle loss at example": np.mean([losses_from_logits(logits, labels) for logits in at_oracles], axis=0),
        "transfer": np.mean([logits.argmax(axis=1) == labels for logits in at_oracles], axis=0),
    }
    gain = (terms["original loss"] + terms["unlearned loss"] - terms["oracle loss"] - terms["oracle loss at example"])
    terms["bound"] = terms["lipschitz"] * terms["delta"] - gain
    return terms


def local_lipschitz(model: Attackable, clean: Examples, inputs: Floats, points: int) -> Values:
    """Return (K,) the largest L2 norm of the loss's input gradient at ``points`` places from x to x', both included."""
    largest = np.zeros(len(clean))
    for share in np.linspace(0, 1, points, dtype=np.float32):
        gradients, _ = model.input_gradients(clean.inputs + share * (inputs - clean.inputs), clean.labels)
        largest = np.maximum(largest, norms(gradients))
    return largest


def spearman(first: Values, second: Values) -> tuple[float, float]:
    """Return Spearman's rho and its standard error on Fisher's scale; 0 where a side does not vary.

    The error is that of Bonett and Wright (Psychometrika 65(1), 2000), sqrt((1 + rho^2 / 2) / (n - 3)).
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (first, second)]
    varies = all(np.ptp(rank) > 0 for rank in ranks)
    rho = float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1)) if varies else 0.0
    return rho, float(np.sqrt((1 + rho**2 / 2) / (len(first) - 3)))


def _oracles(models: Mapping[str, Model]) -> list[Model]:
    return [model for name, model in models.items() if name.startswith("oracle-")]


def _scores(terms: Mapping[str, Values]) -> tuple[Score, ...]:
    count = len(terms["gap"])
    middle = [Score(name=name, value=float(np.median(terms[key])), n=count, unit=unit)
              for name, key, unit in (("delta", "delta", "L2"), ("Lipschitz", "lipschitz", "nats per L2"))]
    share = Score(name="transfer", value=100 * float(terms["transfer"].mean()), n=count, unit="%")
    return (_correlation("rho bound", terms["bound"], terms["gap"]),
            _correlation("rho delta", terms["delta"], terms["gap"]), *middle, share)


def _correlation(name: str, term: Values, gap: Values) -> Score:
    rho, error = spearman(term, gap)
    # A rho of one is infinite on Fisher's scale; this near it the interval is as narrow as it gets.
    middle = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    low, high = np.tanh([middle - Z * error, middle + Z * error])
    return Score(name=name, value=rho, low=min(float(low), rho), high=max(float(high), rho), n=len(gap), unit="rho",
                 chance=0.0)


def _figure(terms: Mapping[str, Values], adversarial: AdversarialSet, found: Integers) -> bytes:
    from reference_methods.auditors.kkt.sheet import scatter_plot

    already = adversarial.already[found]
    groups = [(name, colour, terms["bound"][some], terms["gap"][some])
              for name, colour, some in (("forget", "crimson", ~already), ("misclassified before", "steelblue", already))
              if some.any()]
    return scatter_plot(groups, "L delta - C", "gap to the oracles")
