"""One auditor with evidence about models of the small problem."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import attrs
from attrs import define, field

from harness.audits import AuditCase, Auditor, AuditReport, Score
from harness.conformance.evidence import Cast, Evidence, evidence
from harness.conformance.problem import POISONS, Problem, problems
from harness.errors import HarnessError
from harness.plugins import Registry
from harness.poison import poisoned
from harness.tasks import Scope


@define(kw_only=True, eq=False)
class AuditorTrial:
    """An auditor with evidence about small models.

    Attributes:
        auditor: with its settings.
        registry: where models and other auditors come from.
        model: architecture to use; the cheapest that offers what the auditor requires when empty.
    """

    auditor: Auditor
    registry: Registry
    model: str = ""
    _casts: dict[Scope, Cast] = field(factory=dict)

    @property
    def scope(self) -> Scope:
        """The scope of the usual request."""
        return self.auditor.scopes[0]

    @cached_property
    def problem(self) -> Problem:
        """The cheapest problem whose models the auditor can judge.

        Raises:
            HarnessError: if no small model offers what it requires.
        """
        for problem in problems(self.registry, self.auditor.requires, self.model):
            return attrs.evolve(problem, data=poisoned(problem.data, POISONS.get(self.auditor.needs.poison)))
        raise HarnessError(f"no small model offers {', '.join(sorted(self.auditor.requires))}; name one with --model")

    def evidence(self, scope: Scope, seed: int | None = None) -> Evidence:
        """Return evidence about a request of ``scope``; given a seed, with the examples shuffled."""
        cast = self._casts.setdefault(scope, Cast(problem=self.problem, scope=scope))
        return evidence(cast, self.registry, seed)

    @cached_property
    def usual(self) -> Evidence:
        """The evidence that most checks look at."""
        return self.evidence(self.scope)

    @cached_property
    def report(self) -> AuditReport:
        """The report on an unlearned model."""
        return self.audit("unlearned")

    def case(self, audited: str = "unlearned") -> AuditCase:
        """Return a case with arrays of its own."""
        return self.usual.case(self.auditor, audited)

    def audit(self, audited: str) -> AuditReport:
        """Return the report on ``unlearned``, ``original`` or ``oracle-K``."""
        return self.auditor.audit(self.case(audited))

    @cached_property
    def oracle_scores(self) -> list[Mapping[str, Score]]:
        """The scores of every oracle by name, each audited against the others."""
        return [by_name(self.audit(name)) for name in self.usual.oracle_names(self.auditor)]

    @property
    def common_scores(self) -> list[str]:
        """The names of the scores that every oracle has; some are only given where there are enough examples."""
        first, *others = self.oracle_scores
        return [name for name in first if all(name in scores for scores in others)]


def by_name(report: AuditReport) -> dict[str, Score]:
    """Return the scores of a report by name."""
    return {score.name: score for score in report.scores}
