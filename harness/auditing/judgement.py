"""Does a score of the audited model lie where scores of retrained models lie?

The yardstick is a further retraining. With K oracles of mean m, a score v is compared with m by

    error^2 = (sampling error^2 + spread between oracles^2) * (1 + 1/K),

where the sampling error is the one that the auditor gives for the oracles, and the spread is their sample standard
deviation (0 for a single oracle). It errs on the safe side: all models are asked about the same examples, so that most
of the sampling error cancels in v - m. With eight oracles or more the spread alone is the yardstick, and t with K - 1
degrees of freedom takes the place of the normal distribution; so it does from three on where the auditor gives no
sampling error. No error is taken to be smaller than what one example more or less makes. P-values of all scores are
adjusted together by Holm: a retrained model is accused with probability 0.05 at most, if these errors are right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from harness.auditing.examination import Examination
from harness.audits import AuditReport, Score
from harness.statistics import holm

LEVEL = 0.05
FEWEST_WITHOUT_ERROR = 3
ENOUGH_TO_KNOW_SPREAD = 8


@frozen(kw_only=True)
class Compared:
    """One score of the audited model beside those of the models that it is compared with.

    Attributes:
        auditor: title.
        score: of the audited model.
        oracles: values of the oracles.
        original: value of the original, or None.
        error: of the difference between a retrained model's score and the oracles' mean; None if it cannot be known.
        degrees: of freedom behind the error; infinite for the normal distribution.
        p, original_p: adjusted p-values of "this is one more retrained model", or None.
    """

    auditor: str
    score: Score
    oracles: tuple[float, ...]
    original: float | None = None
    error: float | None = None
    degrees: float = math.inf
    p: float | None = None
    original_p: float | None = None

    @property
    def oracle(self) -> float:
        """Mean of the oracles."""
        return float(np.mean(self.oracles))

    @property
    def differs(self) -> bool:
        """Whether the audited model's score is not one of a retrained model."""
        return self.p is not None and self.p < LEVEL

    @property
    def tells_original(self) -> bool:
        """Whether this score tells the original from retrained models, so that it sees what is to be forgotten."""
        return self.original_p is not None and self.original_p < LEVEL

    @property
    def remains(self) -> float | None:
        """Where the score lies between the oracles (0) and the original (1); None without an original to tell apart."""
        if not self.tells_original or self.original is None:
            return None
        return (self.score.value - self.oracle) / (self.original - self.oracle)


def compare(examination: Examination) -> tuple[Compared, ...]:
    """Return every score whose target is the oracle's value, compared with the oracles'."""
    found = [_compared(finding.title, score, finding.oracles, finding.original)
             for finding in examination.findings for score in finding.audited.scores if score.target == "oracle"]
    judged = [one for one in found if one.error is not None]
    adjusted = _adjusted([_p_value(one, one.score.value) for one in judged])
    originals = [one for one in judged if one.original is not None]
    of_originals = dict(zip(map(id, originals), _adjusted(
        [_p_value(one, one.original) for one in originals if one.original is not None]), strict=True))
    with_p = {id(one): evolve(one, p=p, original_p=of_originals.get(id(one)))
              for one, p in zip(judged, adjusted, strict=True)}
    return tuple(with_p.get(id(one), one) for one in found)


def accused_oracles(examination: Examination) -> int | None:
    """Return how many oracles the audits accuse, each against the others; None where too few are left to say."""
    scores = [[_named(report, score.name) for report in finding.oracles]
              for finding in examination.findings for score in finding.audited.scores
              if score.target == "oracle" and finding.oracles]
    complete = [[score for score in row if score] for row in scores if all(row)]
    count = max((len(row) for row in complete), default=0)
    if count < FEWEST_WITHOUT_ERROR:
        return None
    accused = 0
    for k in range(count):
        tests = [(row[k], _error(row[:k] + row[k + 1:]), [score.value for score in row[:k] + row[k + 1:]])
                 for row in complete]
        p_values = [_p(score.value - float(np.mean(others)), error, degrees)
                    for score, (error, degrees), others in tests if error is not None]
        accused += any(p < LEVEL for p in _adjusted(p_values))
    return accused


def detectable(one: Compared) -> float | None:
    """Return the smallest difference that this score alone would have shown, at the 5 % level without adjustment."""
    if one.error is None:
        return None
    from scipy.special import stdtrit

    critical = 1.959964 if math.isinf(one.degrees) else float(stdtrit(one.degrees, 1 - LEVEL / 2))
    return critical * one.error


def _compared(title: str, score: Score, oracles: Sequence[AuditReport], original: AuditReport | None) -> Compared:
    theirs = [found for report in oracles if (found := _named(report, score.name))]
    before = _named(original, score.name) if original else None
    error, degrees = _error(theirs)
    return Compared(auditor=title, score=score, oracles=tuple(found.value for found in theirs), error=error,
                    degrees=degrees, original=before.value if before else None)


def _named(report: AuditReport, name: str) -> Score | None:
    return next((score for score in report.scores if score.name == name), None)


def _error(oracles: Sequence[Score]) -> tuple[float | None, float]:
    """Return the error of a difference to the mean of ``oracles``, and its degrees of freedom."""
    count = len(oracles)
    if count == 0:
        return None, math.inf
    values = np.array([score.value for score in oracles])
    spread = float(values.var(ddof=1)) if count > 1 else 0.0
    sampling = [score.standard_error for score in oracles if score.standard_error is not None]
    if len(sampling) == count < ENOUGH_TO_KNOW_SPREAD:
        square, degrees = float(np.mean(np.square(sampling))) + spread, math.inf
    elif count >= FEWEST_WITHOUT_ERROR:
        square, degrees = spread, float(count - 1)
    else:
        return None, math.inf
    square = max(square, _one_example(oracles[0]) ** 2)
    return (math.sqrt(square * (1 + 1 / count)), degrees) if square else (None, degrees)


def _one_example(score: Score) -> float:
    """Return what one example makes of a share; zero where the unit is no share."""
    return {"%": 100.0, "auc": 1.0}.get(score.unit, 0.0) / max(1, score.n)


def _p_value(one: Compared, value: float) -> float:
    return _p(value - one.oracle, one.error or math.nan, one.degrees)


def _p(difference: float, error: float, degrees: float) -> float:
    ratio = abs(difference) / error
    if math.isinf(degrees):
        return math.erfc(ratio / math.sqrt(2))
    from scipy.special import stdtr

    return 2 * float(stdtr(degrees, -ratio))


def _adjusted(p_values: Sequence[float]) -> list[float]:
    return [float(p) for p in holm(p_values)] if p_values else []
