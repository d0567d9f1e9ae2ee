"""A linear probe: what the layers below the last still know."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators

from harness import AuditCase, AuditReport, Needs, Scope, Score
from harness.data import Integers
from harness.models import HasFeatures
from reference_methods.auditors.inputs import Floats, check_numbers
from reference_methods.auditors.separation import auc_score, groups


@frozen(kw_only=True)
class LinearProbe:
    """Put a new last layer on the model's own features, and see what it recalls of the forget set.

    A method that edits the last layer alone (masked logits, relabelling with a frozen body) passes every audit of
    outputs with the features untouched; a new head undoes it. The head is a logistic regression on standardised
    features: one of least squares tells the classes as well, but original and oracle less than half as far apart.

    For sample requests it is fitted to the retain set: ``Probe accuracy`` is that on the forget set, ``Probe FT AUC``
    separates forget and test set by the head's margin. For class requests it is fitted to the whole training set, the
    forgotten class included: ``Probe accuracy`` is that on the class's *test* examples, which says how well the
    features still tell the class. The aim is the oracle's value: features that never saw a class tell it as well.

    Attributes:
        c: inverse of the penalty on the head's weights.
    """

    c: float = field(default=1.0, validator=validators.gt(0))

    name: ClassVar[str] = "linear-probe"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"features"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """The audited model itself."""
        return Needs(models=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the probe's accuracy, for sample requests its FT AUC too, and its margin on every example.

        Raises:
            TypeError: if the model has no features.
            ValueError: if a feature is NaN, or the forget set is empty.
        """
        from harness.statistics import clopper_pearson

        model = case.models["unlearned"]
        if not isinstance(model, HasFeatures):
            raise TypeError(f"linear-probe reads features; {type(model).__name__} has none")
        rows, train = groups(case), case.data.train
        fitted = np.arange(len(train)) if case.request.classes else rows.retain
        scored = rows.unseen if case.request.classes else rows.forget
        pool = np.concatenate([model.features(train.inputs), model.features(case.data.test.inputs)])
        labels = np.concatenate([train.labels, case.data.test.labels])
        margin = probe_margins(pool, labels, fitted, self.c)
        right = clopper_pearson(int((margin[scored] > 0).sum()), len(scored))
        spread = float(np.sqrt(right.value * (1 - right.value) / right.n))
        scores = [Score(name="Probe accuracy", value=100 * right.value, low=100 * right.low, high=100 * right.high,
                        standard_error=100 * spread, n=right.n, unit="%", chance=100 / case.data.num_classes)]
        if not case.request.classes:
            scores.append(auc_score("Probe FT AUC", margin[rows.forget], margin[rows.unseen]))
        return AuditReport(scores=tuple(scores), per_sample={"margin": margin}, notes={"features": pool.shape[1]})


def probe_margins(features: Floats, labels: Integers, fitted: Integers, c: float) -> Floats:
    """Return (P,) by how much a linear head scores each example's own class above the best of the others.

    Args:
        features: (P, D).
        labels: (P,).
        fitted: rows that the head is fitted to; a class that none of them has is never the head's answer.
        c: inverse of the penalty on its weights.

    Raises:
        ValueError: if a feature is NaN or infinite, or all fitted rows are of one class.
    """
    from sklearn.linear_model import LogisticRegression

    values = check_numbers("features", features, (len(labels), "D"))
    if not np.isfinite(values).all():
        raise ValueError("features are infinite in places; every value must be a finite number")
    known = np.unique(labels[fitted])
    if len(known) < 2:
        raise ValueError(f"linear-probe fits a head to class {known[0]} alone; it needs 2 classes or more")
    mean, spread = values[fitted].mean(axis=0), values[fitted].std(axis=0)
    # A unit that is always off says nothing, and would say NaN divided by its own spread.
    standard = (values - mean) / np.where(spread > 0, spread, 1.0)
    # It needs no seed, but without one it draws from NumPy's global generator.
    head = LogisticRegression(C=c, max_iter=2000, random_state=0).fit(standard[fitted], labels[fitted])
    logits = head.decision_function(standard)
    if len(known) == 2:
        logits = np.stack([-logits, logits], axis=1)
    scores = np.full((len(labels), int(labels.max()) + 1), -np.inf)
    scores[:, known] = logits
    own = scores[np.arange(len(labels)), labels]
    scores[np.arange(len(labels)), labels] = -np.inf
    # An example of a class that the head does not know is as wrong as can be.
    margins: Floats = np.where(np.isfinite(own), own - scores.max(axis=1), -np.abs(logits).max() - 1)
    return margins
