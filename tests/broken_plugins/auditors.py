"""A sound auditor, and variants with one bug each."""

from __future__ import annotations

import itertools
import socket
from typing import Any, ClassVar

import numpy as np
from attrs import field, frozen

from adapters.linear_gradients import BIAS
from harness import AuditCase, AuditReport, Needs, Scope, Score

COUNTER = itertools.count()


@frozen(kw_only=True)
class Sound:
    """Share of the forget set that the model gets right, in per cent."""

    name: ClassVar[str] = "sound"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    width: float = 10.0

    @property
    def needs(self) -> Needs:
        return Needs()

    def audit(self, case: AuditCase) -> AuditReport:
        return AuditReport(scores=(self.accuracy(case), *self.more(case)))

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return ()

    def accuracy(self, case: AuditCase) -> Score:
        rows = case.request.forget
        right = case.unlearned.train[rows].argmax(axis=1) == case.data.train.labels[rows]
        value = 100 * float(right.mean())
        return Score(name="UA", value=value, low=value - self.width, high=value + self.width, n=len(rows), unit="%")


def extra(value: float, **others: Any) -> Score:
    return Score(**{"name": "extra", "value": value, "n": 1, "unit": "nats", **others})


@frozen(kw_only=True)
class HasNoVersion(Sound):
    """Its numbers cannot be told from those of the next version."""

    version: ClassVar[str] = ""


@frozen(kw_only=True)
class TakesTextForTruth(Sound):
    """Takes any text for true."""

    exact: Any = field(default=True, converter=bool)


@frozen(kw_only=True)
class NumbersItsBins(Sound):
    """A table with numbers as keys."""

    bins: Any = field(factory=lambda: {1: 0.1})


@frozen(kw_only=True)
class NeedsMoreThanItSays(Sound):
    """Reads references without asking for them."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(float(case.references.logits.mean())),)  # type: ignore[union-attr]


@frozen(kw_only=True)
class HasNoUnit(Sound):
    """A number of nobody knows what."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(1.0, unit=""),)


@frozen(kw_only=True)
class NotesObjects(Sound):
    """Notes that are no JSON."""

    def audit(self, case: AuditCase) -> AuditReport:
        return AuditReport(scores=(self.accuracy(case),), notes={"self": self})


@frozen(kw_only=True)
class DividesByZero(Sound):
    """NaN for a score."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(float("nan") if case.request.scope == "sample" else 0.0),)


@frozen(kw_only=True)
class MissesItsInterval(Sound):
    """An interval beside its value."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(1.0, low=2.0, high=3.0, target="higher"),)


@frozen(kw_only=True)
class ForgetsItsSeed(Sound):
    """A little different every time."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(1 + 1e-9 * next(COUNTER)),)


@frozen(kw_only=True)
class RollsGlobalDice(Sound):
    """Draws from NumPy's global generator."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        np.random.random()
        return ()


@frozen(kw_only=True)
class WritesIntoItsCase(Sound):
    """Normalises logits in place."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        case.unlearned.test[...] -= case.unlearned.test.mean()
        return ()


@frozen(kw_only=True)
class LooksAtTheFirst(Sound):
    """Depends on which example comes first."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(float(case.unlearned.train[0, 0])),)


@frozen(kw_only=True)
class PhonesHome(Sound):
    """Opens a socket."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        socket.socket().close()
        return ()


@frozen(kw_only=True)
class ChangesTheModel(Sound):
    """Attacks the model itself, not a copy."""

    @property
    def needs(self) -> Needs:
        return Needs(models=True)

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        model: Any = case.models["unlearned"]
        model._arrays[BIAS][0] += 1
        return ()


@frozen(kw_only=True)
class FailsOnClasses(Sound):
    """NaN where no test example is like the forget set."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        return (extra(float("nan") if case.request.scope == "class" else 0.0),)


@frozen(kw_only=True)
class IsTooSure(Sound):
    """An interval that leaves no room for training twice."""

    def more(self, case: AuditCase) -> tuple[Score, ...]:
        value = float(np.abs(case.unlearned.test).mean())
        return (extra(value, low=value - 1e-6, high=value + 1e-6),)


@frozen(kw_only=True)
class SeesNothing(Sound):
    """Gives every model the same."""

    def audit(self, case: AuditCase) -> AuditReport:
        return AuditReport(scores=(extra(0.5, low=0.4, high=0.6),))


BROKEN = [
    (HasNoVersion(), "check_declarations_are_valid", "version = ''"),
    (TakesTextForTruth(), "check_settings_are_strict", "exact='False'"),
    (NumbersItsBins(), "check_settings_survive_json", "read back as"),
    (NeedsMoreThanItSays(), "check_audits", "does not declare"),
    (HasNoUnit(), "check_report_is_complete", "extra has no unit"),
    (NotesObjects(), "check_report_can_be_stored", "keep notes to text"),
    (DividesByZero(), "check_scores_are_finite", "extra"),
    (MissesItsInterval(), "check_intervals_hold_their_values", "outside its interval"),
    (ForgetsItsSeed(), "check_seed_decides", "extra came out differently"),
    (RollsGlobalDice(), "check_global_generators_are_untouched", "of NumPy was used"),
    (WritesIntoItsCase(), "check_case_is_unchanged", "wrote into the arrays"),
    (LooksAtTheFirst(), "check_order_of_examples_does_not_matter", "when the examples are shuffled"),
    (PhonesHome(), "check_no_connection_is_opened", "socket was opened"),
    (ChangesTheModel(), "check_models_are_unchanged", "changed a model"),
    (FailsOnClasses(), "check_class_requests_are_judged", "a class request gives"),
    (IsTooSure(), "check_oracles_agree", "its interval is too narrow"),
    (SeesNothing(), "check_original_stands_out", "looks like one that never saw"),
]
