"""What may be concluded, in plain words, and never more than the evidence carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from attrs import frozen

from harness.auditing.judgement import Compared, detectable
from harness.audits import Score

Kind = Literal["residual", "reversed", "differs", "consistent", "inconclusive"]
FORGET_SIGNAL = "FT"
"""In the papers' names FT scores compare forget and test set; without an original they are known by that alone."""


@frozen(kw_only=True)
class Verdict:
    """A conclusion.

    Attributes:
        kind: ``residual`` (the forget set has left a trace), ``reversed`` (it stands out the other way round),
            ``differs`` (not like a retrained model, but not because of the forget set), ``consistent`` with retraining,
            or ``inconclusive``.
        text: one sentence or two that begin with the conclusion.
    """

    kind: Kind
    text: str

    @property
    def found_difference(self) -> bool:
        """Whether the audit found that this is no retrained model."""
        return self.kind in ("residual", "reversed", "differs")


def conclude(compared: Sequence[Compared], oracles: int) -> Verdict:
    """Return the verdict on a model.

    Args:
        compared: its scores beside those of the oracles.
        oracles: how many there are.
    """
    judged = [one for one in compared if one.p is not None]
    if not judged:
        return _inconclusive(_without_yardstick(compared, oracles))
    different = sorted((one for one in judged if one.differs), key=_distance, reverse=True)
    return _different(different, oracles) if different else _alike(judged, oracles)


def number(value: float, unit: str) -> str:
    """Return a value as text with its unit: two decimals of an AUC, one of a percentage, three of anything else."""
    digits = {"%": 1, "auc": 2}.get(unit, 3)
    return f"{value:.{digits}f}{' %' if unit == '%' else ''}"


def with_interval(score: Score) -> str:
    """Return value and interval, e.g. ``0.61 [0.58, 0.64]``."""
    if score.low is None or score.high is None:
        return number(score.value, score.unit)
    low, high = (number(end, score.unit).removesuffix(" %") for end in (score.low, score.high))
    return f"{number(score.value, score.unit)} [{low}, {high}]"


def _inconclusive(reason: str) -> Verdict:
    return Verdict(kind="inconclusive", text=f"inconclusive: {reason}.")


def _different(different: Sequence[Compared], oracles: int) -> Verdict:
    caveat = "; from a single oracle it is not known how far retrained models differ among themselves"
    ending = f"{caveat}." if oracles == 1 else "."
    marked = [one for one in different if _marks_forget_set(one, different)]
    if traces := [one for one in marked if _side(one) > 0]:
        members = [one for one in traces if _compares_sets(one)]
        what = "membership signal" if members else "signal of the forget set"
        first = [*members, *(one for one in traces if one not in members)]
        return Verdict(kind="residual", text=f"residual {what}, {_listed(first)}{ending}")
    if backward := [one for one in marked if _side(one) < 0 and _compares_sets(one)]:
        return Verdict(kind="reversed", text="the forget set stands out the other way round, which gives it away just "
                                             f"as well: {_listed(backward)}{ending}")
    return Verdict(kind="differs", text=f"not like a retrained model: {_listed(different)}{ending}")


def _marks_forget_set(one: Compared, different: Sequence[Compared]) -> bool:
    """Return whether a difference can only come of what the model knows of the forget set.

    A distance grows with any damage. So do other scores of a model that also differs where the original is like the
    oracles: what sets it apart there has nothing to do with the forget set. An AUC compares two sets of examples on the
    same model, which damage hits alike.
    """
    if not one.score.directed:
        return False
    return _compares_sets(one) or not any(other.score.directed and _original_alike(other) for other in different)


def _compares_sets(one: Compared) -> bool:
    return one.score.unit == "auc"


def _original_alike(one: Compared) -> bool:
    return one.original is not None and not one.tells_original


def _alike(judged: Sequence[Compared], oracles: int) -> Verdict:
    them = "the oracle" if oracles == 1 else f"the {oracles} oracles"
    alone = len(judged) == 1
    alike = (f"{'the only score does not differ' if alone else f'none of {len(judged)} scores differs'} from {them} "
             "by more than its noise")
    if all(one.original is None for one in judged):
        return _inconclusive(f"{alike}, but without the original it is not known whether these audits could tell a "
                             f"difference ({_reach(judged)}); give --original")
    telling = sorted((one for one in judged if one.tells_original), key=_power, reverse=True)
    if not telling:
        return _inconclusive(f"{alike}, but the original is not told from retraining either, so these audits cannot "
                             f"see what was to be forgotten ({_reach(judged)}); give more oracles, references or "
                             "forgotten examples")
    first = telling[0]
    if (first.remains or 0.0) > 0.5:
        return _inconclusive(f"{alike}, but the most telling one is nearer to the original: {_beside(first)}; "
                             "give more oracles or references")
    best = "it can tell the original" if alone else f"{len(telling)} of them can tell the original, best of all"
    return Verdict(kind="consistent", text=f"consistent with retraining: {alike}, and {best}: {_beside(first)}.")


def _without_yardstick(compared: Sequence[Compared], oracles: int) -> str:
    if oracles:
        return (f"no score has a known error beside {oracles} oracle{'s' if oracles > 1 else ''}; "
                "give at least three oracles")
    seen = next((one.score for one in compared if _looks_at_forget_set(one.score) and one.score.chance is not None
                 and one.score.low is not None and one.score.high is not None), None)
    reason = "no oracle was given, so it is not known what retraining would show; give --oracle or --suite"
    if seen is None or seen.low is None or seen.high is None or seen.chance is None:
        return reason
    if seen.low <= seen.chance <= seen.high:
        return f"{reason}. {seen.name} {with_interval(seen)} is at chance"
    side = "above" if seen.value > seen.chance else "below"
    return (f"{reason}. {seen.name} {with_interval(seen)} is {side} chance, but a forget set that was not drawn at "
            "random can be so by itself")


def _looks_at_forget_set(score: Score) -> bool:
    return score.name.startswith(FORGET_SIGNAL) and score.unit == "auc"


def _side(one: Compared) -> float:
    """Return above 0 if a score lies on the original's side of the oracles, below 0 on the other, 0 if unknown."""
    if one.original is not None:
        return one.remains or 0.0
    return one.score.value - one.oracle if _looks_at_forget_set(one.score) else 0.0


def _distance(one: Compared) -> float:
    return abs(one.score.value - one.oracle) / (one.error or 1.0)


def _power(one: Compared) -> float:
    return abs((one.original or 0.0) - one.oracle) / (one.error or 1.0)


def _listed(scores: Sequence[Compared]) -> str:
    """Return the first score beside the oracles' and the names of the others."""
    others = [_name(one) for one in scores[1:4]] + ([f"{len(scores) - 4} more"] if len(scores) > 4 else [])
    return _beside(scores[0]) + (f"; also in {', '.join(others)}" if others else "")


def _beside(one: Compared) -> str:
    unit = one.score.unit
    original = "" if one.original is None else f" (original {number(one.original, unit)})"
    return f"{_name(one)} {with_interval(one.score)} against oracle {number(one.oracle, unit)}{original}"


def _name(one: Compared) -> str:
    return f"{one.score.name} of {one.auditor}"


def _reach(judged: Sequence[Compared]) -> str:
    """Return what the audits could have seen, by the first score that looks at the forget set if there is one."""
    chosen = next((one for one in judged if _looks_at_forget_set(one.score)), judged[0])
    return f"{_name(chosen)} would show a difference of {number(detectable(chosen) or 0.0, chosen.score.unit)} or more"
