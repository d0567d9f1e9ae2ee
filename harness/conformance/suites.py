"""What must hold of a suite."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from attrs import define

from harness.conformance.outcomes import Check, CheckFailed, CheckSkipped, require
from harness.context import Place, load_dataset
from harness.data import Dataset
from harness.errors import BadSetting, DataError
from harness.forget_sets import make_request, request_seed
from harness.plan import make_plan
from harness.plugins import Registry
from harness.settings import as_json, configure, structure
from harness.suite import Suite
from harness.tasks import ForgetRequest


@define(kw_only=True, eq=False)
class SuiteTrial:
    """A suite with its data.

    Attributes:
        suite: what is checked.
        registry: where its parts come from.
        data_root: folder of the data sets.
    """

    suite: Suite
    registry: Registry
    data_root: Path | None = None

    @cached_property
    def data(self) -> Dataset:
        """The data set that the suite names."""
        return self.load()

    def load(self) -> Dataset:
        """Read the data set.

        Raises:
            CheckSkipped: if its files are not here.
        """
        try:
            return load_dataset(self.registry, self.suite.data, Place(store=Path(), data_root=self.data_root))
        except DataError as error:
            raise CheckSkipped(f"its data cannot be read here: {error}") from error

    def requests(self) -> list[ForgetRequest]:
        """Return its forget sets; made-up losses stand in for what trained models would be ranked by."""
        losses = np.random.default_rng(0).exponential(size=len(self.data.train))
        spec, made = self.suite.requests, list[ForgetRequest]()
        for index in range(spec.count):
            made.append(make_request(spec, index, request_seed(self.suite, index), self.data.train,
                                     self.data.num_classes, losses, self.data.poison,
                                     made[-1] if spec.step(index) else None))
        return made


def suite_checks(suite: Suite, registry: Registry, data_root: Path | None = None) -> Iterator[Check]:
    """Yield the checks that ``suite`` must pass; none is tried yet.

    Args:
        suite: to be checked.
        registry: where its methods, auditors, model and data come from.
        data_root: folder of the data sets; checks that need missing data are skipped.
    """
    trial = SuiteTrial(suite=suite, registry=registry, data_root=data_root)
    for function in (check_names_and_settings_fit, check_suite_survives_json, check_original_is_among_the_methods,
                     check_data_set_is_always_the_same, check_forget_sets_are_parts_of_the_training_set,
                     check_forget_sets_differ, check_every_part_runs):
        yield Check(name=function.__name__, subject=suite.name, body=partial(function, trial), essential=function in (
            check_names_and_settings_fit, check_forget_sets_are_parts_of_the_training_set))


def check_names_and_settings_fit(trial: SuiteTrial) -> None:
    """Model, data, methods and auditors are registered, and their settings are ones that they have."""
    suite, registry = trial.suite, trial.registry
    registry.dataset(suite.data.name)
    registry.adapters.find(registry.models[suite.model.name].adapter)
    for spec in suite.unlearners:
        for access in suite.access:
            configure(registry.unlearners[spec.name], spec.settings_for(access), f"method '{spec.title}'")
    for audit in suite.auditors:
        configure(registry.auditors[audit.name], audit.settings, f"auditor '{audit.title}'")


def check_suite_survives_json(trial: SuiteTrial) -> None:
    """The suite can be written to a record and read back."""
    try:
        read = structure(as_json(trial.suite), Suite, trial.suite.name)
    except BadSetting as error:
        raise CheckFailed(f"it cannot be read back: {error}; keep settings to what TOML can say") from error
    require(read.digest == trial.suite.digest, "it is read back as another suite; keep settings to what TOML can say")


def check_original_is_among_the_methods(trial: SuiteTrial) -> None:
    """Doing nothing is compared with: an audit that it passes shows nothing."""
    require(any(spec.name == "original" for spec in trial.suite.unlearners),
            'the method "original" is missing; list it first, as the control that must look un-forgotten')


def check_data_set_is_always_the_same(trial: SuiteTrial) -> None:
    """Reading the data twice gives the same arrays."""
    first, second = trial.data.digest, trial.load().digest
    require(first == second, f"data set '{trial.suite.data.name}' has other contents when it is read again; draw from "
                             "a fixed seed and sort what a folder lists")


def check_forget_sets_are_parts_of_the_training_set(trial: SuiteTrial) -> None:
    """Every forget set is a part of the training set, neither empty nor everything."""
    total = len(trial.data.train)
    for request in trial.requests():
        request.retain_mask(total)


def check_forget_sets_differ(trial: SuiteTrial) -> None:
    """No two forget sets are the same."""
    requests = trial.requests()
    digests = [request.digest for request in requests]
    twice = [request.name for request in requests if digests.count(request.digest) > 1]
    require(not twice, f"{', '.join(twice)} are the same samples; ask for other classes or fewer forget sets")


def check_every_part_runs(trial: SuiteTrial) -> None:
    """Every auditor runs, and every method in some access mode."""
    plan = make_plan(trial.suite, trial.data, trial.registry)
    run = {method.spec.title for method in plan.methods}
    idle = [f"{skip.kind} {skip.title} {skip.reason}" for skip in plan.skipped
            if skip.kind == "auditor" or skip.title not in run]
    require(not idle, f"{'; '.join(idle)}; give the suite what they need or take them out")
