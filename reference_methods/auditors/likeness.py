"""Are forgotten examples more like test examples than like the training examples that stay?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Needs, Scope, Score
from reference_methods.auditors.separation import groups

Values = NDArray[np.float64]
Z = 1.959964


@frozen(kw_only=True)
class Likeness:
    """FR AUC minus FT AUC of an attack: 0.5 if it takes the forget set for retained, near RT AUC - 0.5 on an oracle.

    AMUN's measure in sequences of requests (arXiv 2503.00917, section 6.3 and figure 2, "RF AUC - FT AUC"), where
    higher is called better. On an oracle, to which forgotten and test examples are alike, FT AUC is 0.5 and FR AUC
    equals RT AUC; a higher value than the oracle's is therefore over-forgetting, and the oracle's is the aim.

    The forget set of a step is everything forgotten up to it.

    Attributes:
        report: title of the attack's auditor, whose report holds ``ratio`` or ``score`` for every example of the pool.
    """

    report: str = "rmia"

    name: ClassVar[str] = "likeness"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample",)

    @property
    def needs(self) -> Needs:
        """The attack's report on this model."""
        return Needs(reports=(self.report,))

    def audit(self, case: AuditCase) -> AuditReport:
        """Return ``FR-FT AUC`` with the interval of a difference of two AUCs that share the forget set.

        Raises:
            ValueError: if the report has no value for every example.
        """
        values = _per_example(case.reports[self.report].per_sample, self.report)
        rows = groups(case)
        value, error = auc_difference(values[rows.retain], values[rows.forget], values[rows.unseen])
        score = Score(name="FR-FT AUC", value=value, low=value - Z * error, high=value + Z * error,
                      standard_error=error, n=len(rows.forget), unit="auc difference")
        return AuditReport(scores=(score,))


def auc_difference(retain: Values, forget: Values, unseen: Values) -> tuple[float, float]:
    """Return P(retain > forget) - P(forget > unseen), ties counted half, and its standard error.

    DeLong's variance (Biometrics 44(3), 1988) of a difference that has the forget set in both terms: the sum over the
    three groups of the variance of each example's own share in it.

    Raises:
        ValueError: if a group has fewer than two values.
    """
    for name, group in (("retain", retain), ("forget", forget), ("unseen", unseen)):
        if len(group) < 2:
            raise ValueError(f"auc_difference: {len(group)} {name} values; expected at least 2")
    above_forget, below_forget = _share_below(retain, forget), 1 - _share_below(unseen, forget)
    own = (1 - _share_below(forget, retain)) - _share_below(forget, unseen)
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (above_forget, own, below_forget))
    return float(own.mean()), float(np.sqrt(variance))


def _share_below(values: Values, others: Values) -> Values:
    """Return for each value the share of ``others`` below it, ties counted half."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    share: Values = (below + up_to) / (2 * len(others))
    return share


def _per_example(arrays: Mapping[str, NDArray[Any]], title: str) -> Values:
    for name in ("score", "ratio"):
        if name in arrays:
            return np.asarray(arrays[name], dtype=np.float64)
    raise ValueError(f"likeness: the report of '{title}' has no 'score' and no 'ratio' of every example; expected that "
                     "of rmia or lira")
