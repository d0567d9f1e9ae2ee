"""Every plugin of this distribution passes; what it cannot pass it declares with a reason."""

from __future__ import annotations

from functools import cache

import pytest

from harness.conformance import check_adapter, check_auditor, check_suite, check_unlearner
from harness.conformance.outcomes import Outcome
from harness.plugins import Registry, load_registry


@cache
def registry() -> Registry:
    return load_registry(installed=False)


def failures(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.check: outcome.message for outcome in outcomes if outcome.status == "failed"}


@pytest.mark.parametrize("name", list(registry().unlearners))
def test_every_unlearner_passes(name: str) -> None:
    assert failures(check_unlearner(registry().unlearners[name](), registry=registry())) == {}


@pytest.mark.parametrize("name", list(registry().auditors))
def test_every_auditor_passes(name: str) -> None:
    assert failures(check_auditor(registry().auditors[name](), registry=registry())) == {}


@pytest.mark.parametrize("name", list(registry().adapters))
def test_every_adapter_passes(name: str) -> None:
    assert failures(check_adapter(registry().adapters[name](), registry=registry())) == {}


@pytest.mark.parametrize("model", ["small-cnn", "sklearn-mlp", "sklearn-random-forest"])
def test_other_models_pass(model: str) -> None:
    adapter = registry().adapters[registry().models[model].adapter]()

    assert failures(check_adapter(adapter, registry=registry(), model=model)) == {}


@pytest.mark.parametrize("name", list(registry().suites))
def test_every_suite_passes(name: str) -> None:
    assert failures(check_suite(registry().suites[name], registry=registry())) == {}
