"""Scores of how well one number per example tells the forget set from examples that no model has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness import AuditCase, Dataset, Score

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

# False-positive rates at which membership audits show their true-positive rate, where the test set is large enough.
LOW_RATES = (0.01, 0.001)


@frozen(kw_only=True, eq=False)
class Groups:
    """Rows of the pool (training set, then test set) by what the original has seen of them.

    Attributes:
        forget, retain: the two parts of the training set.
        unseen: test examples to hold the forget set against: all of them, or those of the forgotten classes, since an
            attack that merely recognises a class would otherwise pass for one that recognises training examples.
        unseen_retain: test examples to hold the retain set against: all of them, or those of the retained classes.
    """

    forget: Rows
    retain: Rows
    unseen: Rows
    unseen_retain: Rows


def groups(case: AuditCase) -> Groups:
    """Return the rows that membership audits compare.

    Raises:
        ValueError: if the forget set is empty, or no test example is of a forgotten class.
    """
    train, labels = len(case.data.train), case.data.test.labels
    forgotten = np.isin(labels, case.request.classes)
    unseen = forgotten if case.request.classes else np.ones(len(labels), dtype=np.bool_)
    if not unseen.any():
        raise ValueError(f"no test example is of the forgotten class {', '.join(map(str, case.request.classes))}; "
                         "there is nothing unseen to compare the forget set with")
    return Groups(retain=case.retain, forget=case.request.forget, unseen=train + np.flatnonzero(unseen),
                  unseen_retain=train + np.flatnonzero(~forgotten))


def pool_labels(data: Dataset) -> Rows:
    """Return the labels of the training set, then the test set."""
    return np.concatenate([data.train.labels, data.test.labels])


def auc_score(name: str, positive: Values, negative: Values) -> Score:
    """Return the probability that a positive's value is above a negative's, with DeLong's interval.

    Raises:
        ValueError: if a side has fewer than two values or one is NaN.
    """
    from harness.statistics import auc_interval

    interval = auc_interval(positive, negative)
    return Score(name=name, value=interval.value, low=interval.low, high=interval.high, unit="auc",
                 standard_error=interval.standard_error, n=min(len(positive), len(negative)), chance=0.5)


@frozen(kw_only=True)
class Scored:
    """Scores, and what was refused.

    Attributes:
        scores: in the order in which tables show them.
        refused: why a rate was not measured, by the name of its score.
    """

    scores: tuple[Score, ...]
    refused: dict[str, Any]


def attack_scores(prefix: str, values: Values, rows: Groups, rates: Sequence[float]) -> Scored:
    """Return how well ``values`` tell the forget set and the retain set from unseen examples, and TPR at low FPR.

    Args:
        prefix: of the scores' names.
        values: (P,) over the pool; larger means "more likely trained on".
        rows: which of the pool are what.
        rates: false-positive rates.
    """
    found = low_rates(prefix, values[rows.forget], values[rows.unseen], rates)
    aucs = (auc_score(f"{prefix}FT AUC", values[rows.forget], values[rows.unseen]),
            auc_score(f"{prefix}RT AUC", values[rows.retain], values[rows.unseen_retain]))
    return Scored(scores=(*aucs, *found.scores), refused=found.refused)


def low_rates(prefix: str, members: Values, unseen: Values, rates: Sequence[float],
              distinct: int | None = None) -> Scored:
    """Return the share of members found, in per cent, at each false-positive rate, with its exact interval.

    A rate below one in the number of unseen examples is refused: no threshold set by them has it.

    Args:
        prefix: of the scores' names.
        members: values of what an attack should find.
        unseen: values of what it should not.
        rates: false-positive rates.
        distinct: number of different examples behind ``unseen``, where it holds them several times.
    """
    from harness.statistics import tpr_interval

    scores, refused = [], {}
    count = len(unseen) if distinct is None else distinct
    for rate in rates:
        name = f"{prefix}TPR@{100 * rate:g}%FPR"
        if rate * count < 1:
            refused[name] = f"refused: {count} unseen examples cannot show a rate below 1 in {count}"
            continue
        found = tpr_interval(members, unseen, rate)
        spread = np.sqrt(found.value * (1 - found.value) / len(members))
        scores.append(Score(name=name, value=100 * found.value, low=100 * found.low, high=100 * found.high,
                            standard_error=100 * float(spread), n=len(members), unit="%", chance=100 * rate))
    return Scored(scores=tuple(scores), refused=refused)


def balanced_accuracy_score(name: str, found: float, members: int, spared: float, others: int) -> Score:
    """Return the mean of two shares, in per cent, with an interval that has a width at 0 and 1 too.

    Wilson's limits of each share, squared and added (Newcombe 1998, Statistics in Medicine 17(8), method 10).

    Args:
        name: of the score.
        found: share of the members that are called members.
        members: their number.
        spared: share of the others that are not.
        others: their number.
    """
    limits = np.array([_wilson(found, members), _wilson(spared, others)])
    below, above = (np.hypot(*(limits[:, side] - (found, spared))) for side in (0, 1))
    error = np.sqrt(found * (1 - found) / members + spared * (1 - spared) / others)
    value = 50 * (found + spared)
    return Score(name=name, value=value, low=max(0.0, float(value - 50 * below)),
                 high=min(100.0, float(value + 50 * above)), standard_error=50 * float(error), n=members, unit="%",
                 chance=50.0)


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % limits of a share."""
    z = 1.959964
    centre, reach = share + z**2 / (2 * count), z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float((centre - reach) / (1 + z**2 / count)), float((centre + reach) / (1 + z**2 / count))
