"""How far a model's outputs are from those of oracles."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from attrs import field, frozen, validators

from harness import AuditCase, AuditReport, Needs, Scope, Score
from reference_methods.auditors.divergences import euclidean, jensen_shannon, probabilities, total_variation
from reference_methods.auditors.inputs import Floats
from reference_methods.auditors.separation import Values, groups


@frozen(kw_only=True)
class OutputDistance:
    """Distances between the outputs of the audited model and of oracles, the mean over examples and oracles.

    ``JS`` divergence in nats, ``TV`` distance, ``Activation`` (Euclidean) distance and ``Agreement`` of the predicted
    class in per cent are to the oracles; ``ZRF`` is 1 - JS to a model that knows nothing. None has an ideal value of
    its own: two oracles of different seeds differ too, and only what they differ by is the aim. A high ``ZRF`` in
    particular is no merit where the oracle's is lower.

    ZRF's authors take a randomly initialised network for the model that knows nothing; here it is the uniform
    distribution, which such a network's output is close to and which no seed decides.

    Attributes:
        part: examples to compare on: the ``forget`` set, or the ``unseen`` ones (for a class request those of the
            forgotten class).

    Source: JS and ZRF: Chundawat et al. 2023, arXiv 2205.08096; activation distance: Golatkar et al. 2021,
        arXiv 2012.13431.
    """

    part: Literal["forget", "unseen"] = field(default="forget", validator=validators.in_(("forget", "unseen")))

    name: ClassVar[str] = "output-distance"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """One oracle or more beside the audited model."""
        return Needs(oracles=1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return JS, TV, Activation, Agreement and ZRF, and the JS of every example.

        Raises:
            ValueError: if there is no oracle, or a logit is NaN.
        """
        if not case.oracles:
            raise ValueError("output-distance compares with oracles; there is none beside the audited model")
        found = groups(case)
        rows = found.forget if self.part == "forget" else found.unseen
        own = probabilities(case.unlearned.pool[rows])
        others = [probabilities(oracle.pool[rows]) for oracle in case.oracles]
        divergence = np.mean([jensen_shannon(own, other) for other in others], axis=0)
        variation = np.mean([total_variation(own, other) for other in others], axis=0)
        activation = np.mean([euclidean(own, other) for other in others], axis=0)
        agreement = np.mean([own.argmax(axis=1) == other.argmax(axis=1) for other in others], axis=0)
        ignorance = 1 - jensen_shannon(own, np.full_like(own, 1 / own.shape[1]))
        return AuditReport(
            scores=(_mean("JS", divergence, "nats"), _mean("TV", variation, "distance"),
                    _mean("Activation", activation, "distance"), _mean("Agreement", 100 * agreement, "%"),
                    _mean("ZRF", ignorance, "1 - nats")),
            per_sample={"js": divergence}, notes={"oracles": len(others), "part": self.part})


def _mean(name: str, values: Floats | Values, unit: str) -> Score:
    """Return the mean over examples with its normal interval."""
    spread = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    value = float(values.mean())
    return Score(name=name, value=value, low=value - 1.96 * spread, high=value + 1.96 * spread, standard_error=spread,
                 n=len(values), unit=unit, directed=False)
