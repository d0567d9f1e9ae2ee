"""Everything that an audit may be shown about models of the small problem, trained when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from attrs import define, field

from harness.audits import AuditCase, Auditor, AuditReport, References, Shadows, Signals
from harness.conformance.problem import RECIPE, Problem, request
from harness.data import Dataset, Examples
from harness.digests import derive_seed
from harness.membership import balanced_halves
from harness.models import HasParameters, Model, Trainable, TrainingSet
from harness.plugins import Registry
from harness.tasks import ForgetRequest, Scope

REFERENCES = 8
LEAST_ORACLES = 4


@define(kw_only=True, eq=False)
class Cast:
    """The models of one problem and one request.

    Attributes:
        problem: whose models they are.
        scope: of the request.
    """

    problem: Problem
    scope: Scope
    _oracles: list[Model] = field(factory=list)
    _seen: list[Model] = field(factory=list)
    _references: dict[int, tuple[list[Model], Any]] = field(factory=dict)

    @cached_property
    def request(self) -> ForgetRequest:
        """What is to be forgotten."""
        return request(self.scope, self.problem.data)

    @cached_property
    def unlearned(self) -> Model:
        """The original, tuned on the retain set for a while."""
        return self._tuned(self.problem.original, 0)

    def oracles(self, count: int) -> list[Model]:
        """Return ``count`` models that never saw the forget set."""
        while len(self._oracles) < count:
            self._oracles.append(self.problem.trained(self._retain, 100 + len(self._oracles)))
        return self._oracles[:count]

    def references(self, count: int) -> tuple[list[Model], Any]:
        """Return ``count`` models trained on random halves of the pool, and their (R, P) membership."""
        if count not in self._references:
            data = self.problem.data
            inputs = np.concatenate([data.train.inputs, data.test.inputs])
            labels = np.concatenate([data.train.labels, data.test.labels])
            membership = balanced_halves(count, len(labels), derive_seed(0, "halves"))
            models = [self.problem.trained(np.flatnonzero(row), 200 + k, inputs, labels)
                      for k, row in enumerate(membership)]
            self._references[count] = models, membership
        return self._references[count]

    def shadows(self, count: int, audited: str) -> tuple[list[Model], list[Model]]:
        """Return ``count`` models made as the ``audited`` one was, and as many that never saw the forget set.

        Those of an ``oracle-K`` are oracles, those of the ``original`` have unlearned nothing.
        """
        strangers = self.oracles(LEAST_ORACLES + 2 * count)[LEAST_ORACLES:]
        if audited.startswith("oracle"):
            return strangers[:count], strangers[count:]
        everything = np.arange(len(self.problem.data.train))
        while len(self._seen) < count:
            self._seen.append(self.problem.trained(everything, 300 + len(self._seen)))
        seen = self._seen[:count]
        if audited == "unlearned":
            seen = [self._tuned(model, k) for k, model in enumerate(seen)]
        return seen, strangers[count:]

    @property
    def _retain(self) -> Any:
        return np.flatnonzero(self.request.retain_mask(len(self.problem.data.train)))

    def _tuned(self, model: Model, seed: int) -> Model:
        train, retain = self.problem.data.train, self._retain
        data = TrainingSet(inputs=train.inputs[retain], targets=train.labels[retain])
        options = attrs.evolve(RECIPE, epochs=5)
        return model.fit(data, options, derive_seed(seed, "tune")) if isinstance(model, Trainable) else model


@define(kw_only=True, eq=False)
class Evidence:
    """Cases about the models of a cast, with the examples in one order.

    Attributes:
        cast: the models.
        registry: where auditors come from whose reports another one reads.
        train_order, test_order: permutations of the training and test set.
    """

    cast: Cast
    registry: Registry
    train_order: Any
    test_order: Any

    @cached_property
    def data(self) -> Dataset:
        """The data set in this order."""
        given = self.cast.problem.data
        train, test = given.train.take(self.train_order), given.test.take(self.test_order)
        return attrs.evolve(given, train=Examples(inputs=train.inputs, labels=train.labels),
                            poison=given.poison and given.poison.reordered(self.train_order),
                            test=Examples(inputs=test.inputs, labels=test.labels))

    @cached_property
    def request(self) -> ForgetRequest:
        """The request in this order."""
        forget = np.flatnonzero(np.isin(self.train_order, self.cast.request.forget))
        return attrs.evolve(self.cast.request, forget=forget)

    def case(self, auditor: Auditor, audited: str, seed: int = 11) -> AuditCase:
        """Return what ``auditor`` declares it needs about ``unlearned``, ``original`` or ``oracle-K``, and no more."""
        needs = auditor.needs
        others = [name for name in self.oracle_names(auditor) if name != audited]
        has_original = not audited.startswith("oracle")
        original_too = needs.original_reports and has_original
        return AuditCase(
            data=self.data, request=self.request, unlearned=self._signals(audited),
            original=self._signals("original") if has_original else None,
            oracles=tuple(map(self._signals, others)) if needs.oracles else (),
            references=self._references(needs.references), shadows=self._shadows(needs.shadows, audited),
            models=self._models(audited, others) if needs.models else {},
            reports=self._reports(needs.reports, audited, seed),
            oracle_reports=[self._reports(needs.reports, name, seed) for name in others] if needs.reports else (),
            original_reports=self._reports(needs.reports, "original", seed) if original_too else {},
            seed=seed)

    def oracle_names(self, auditor: Auditor) -> list[str]:
        """Return what `case` calls the oracles."""
        return [f"oracle-{k}" for k in range(max(LEAST_ORACLES, auditor.needs.oracles + 1))]

    def _models(self, audited: str, others: list[str]) -> dict[str, Model]:
        """Return copies, which an auditor may spoil without harm to the next."""
        shown = {"unlearned": audited, **({} if audited.startswith("oracle") else {"original": "original"}),
                 **{f"oracle-{k}": name for k, name in enumerate(others)}}
        models = {name: self._model(model) for name, model in shown.items()}
        return {name: model.with_parameters(model.parameters()) if isinstance(model, HasParameters) else model
                for name, model in models.items()}

    def _model(self, name: str) -> Model:
        if name == "original":
            return self.cast.problem.original
        if name == "unlearned":
            return self.cast.unlearned
        return self.cast.oracles(int(name.removeprefix("oracle-")) + 1)[-1]

    def _signals(self, name: str) -> Signals:
        model, data = self._model(name), self.data
        return Signals(train=model.logits(data.train.inputs), test=model.logits(data.test.inputs), digest=name)

    def _pool(self, models: list[Model]) -> Any:
        inputs = np.concatenate([self.data.train.inputs, self.data.test.inputs])
        return np.stack([model.logits(inputs) for model in models])

    def _references(self, count: int) -> References | None:
        if count == 0:
            return None
        models, membership = self.cast.references(REFERENCES if count == -1 else count)
        order = np.concatenate([self.train_order, len(self.train_order) + self.test_order])
        return References(logits=self._pool(models), membership=membership[:, order], digest="references")

    def _shadows(self, count: int, audited: str) -> Shadows | None:
        if count == 0:
            return None
        unlearned, retrained = self.cast.shadows(count, audited)
        return Shadows(unlearned=self._pool(unlearned), retrained=self._pool(retrained))

    def _reports(self, names: tuple[str, ...], audited: str, seed: int) -> Mapping[str, AuditReport]:
        return {name: self._report(name, audited, seed) for name in names}

    def _report(self, name: str, audited: str, seed: int) -> AuditReport:
        auditor = self.registry.auditors[name]()
        return auditor.audit(self.case(auditor, audited, seed))


def evidence(cast: Cast, registry: Registry, seed: int | None = None) -> Evidence:
    """Return the evidence about ``cast``, with the examples as they are or, given a seed, shuffled."""
    orders = [np.arange(len(part)) for part in (cast.problem.data.train, cast.problem.data.test)]
    if seed is not None:
        orders = [np.random.default_rng(seed + k).permutation(order) for k, order in enumerate(orders)]
    return Evidence(cast=cast, registry=registry, train_order=orders[0], test_order=orders[1])
