"""The suites that ship: their settings fit, their tuning is told, and the ablation finds what its paper found."""

import attrs
import pytest

from adapters.schedules import learning_rates
from harness.context import Place, load_dataset
from harness.models import FitOptions
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.run import run
from harness.settings import configure
from harness.summary import make_rows
from harness.tuning.space import read_space

REGISTRY = load_registry(installed=False)
SUITES = [REGISTRY.suites[name] for name in REGISTRY.suites]
TUNED = [pytest.param(suite, spec, id=f"{suite.name}-{spec.title}")
         for suite in SUITES for spec in suite.unlearners if spec.tuning]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_every_setting_of_a_suite_fits_its_method_or_auditor(suite):
    for spec in suite.unlearners:
        for access in suite.access:
            configure(REGISTRY.unlearners[spec.name], spec.settings_for(access), spec.title)
    for auditor in suite.auditors:
        configure(REGISTRY.auditors[auditor.name], auditor.settings, auditor.title)


@pytest.mark.parametrize(("suite", "spec"), TUNED)
def test_tuned_settings_are_those_that_their_search_space_covers(suite, spec):
    space = read_space(REGISTRY.unlearners[spec.name], spec.tuning.space)
    assert set(space) <= set(spec.settings)
    assert spec.tuning.trials
    assert spec.tuning.seed != suite.seed


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_methods_of_one_suite_were_tuned_with_equal_trials(suite):
    budgets = {spec.tuning.trials for spec in suite.unlearners if spec.tuning}
    assert len(budgets) <= 1


@pytest.mark.slow(reason="trains two dozen small networks, ten seconds")
def test_only_nearest_adversarial_examples_keep_test_accuracy(tmp_path):
    suite = REGISTRY.suites["amun-ablation-digits-v1"]
    small = attrs.evolve(suite, originals=1, requests=attrs.evolve(suite.requests, count=1), access=("forget-only",))
    place = Place(store=tmp_path)
    record = run(make_plan(small, load_dataset(REGISTRY, suite.data, place), REGISTRY), place, REGISTRY, jobs=0)
    accuracy = {row.method.title: row.score("TA").value for row in make_rows(record) if row.status == "ok"}

    kept = min(accuracy["adv"], accuracy["adv + D_F"], accuracy["orig"], accuracy["orig + D_F"])
    assert kept > 94
    for other in ("adv-rs", "adv-rl", "orig-rl", "orig-advl"):
        assert accuracy[other] < kept - 5
        assert accuracy[f"{other} + D_F"] < kept - 1


@pytest.mark.parametrize("name", ["cifar10-random-fast-v1", "cifar100-random-fast-v1"])
def test_the_fast_tier_is_a_protocol_of_its_own_of_an_eighth_of_the_epochs(name):
    suite = REGISTRY.suites[name]
    paper = attrs.evolve(suite, recipe=FitOptions(epochs=200, lr=0.1, weight_decay=5e-4, schedule="step", step_size=40,
                                                  augmentation=("crop", "flip")))
    assert suite.protocol not in {other.protocol for other in SUITES if other is not suite} | {paper.protocol}
    assert 8 * suite.recipe.epochs <= paper.recipe.epochs
    rates = learning_rates(suite.recipe, 98)
    assert (max(rates), rates.index(max(rates)), rates[-1] < 1e-3) == (0.4, 5 * 98 - 1, True)
