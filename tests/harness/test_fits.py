"""Methods that say themselves as a fit: who is bound by it, and that many at once are the same as one by one."""

import attrs
import numpy as np
import pytest
from attrs import frozen

from harness import Fit, Unlearned, unlearning
from harness.conformance.problem import problems
from harness.context import Context, Place
from harness.fits import says_fit, unlearned_by, unlearned_together
from harness.isolation.levels import Isolation
from harness.models import FitOptions, TrainingSet
from harness.outputs import BadResult
from harness.plugins import load_registry
from harness.unlearning import run_method_on_all
from reference_methods.unlearners.amun import Amun
from reference_methods.unlearners.finetune import FineTune, GradientAscent
from reference_methods.unlearners.saliency import SalUn
from tests.broken_plugins.unlearners import Sound

REGISTRY = load_registry(installed=False)


@pytest.fixture(scope="module")
def problem():
    """Return a problem with stackable networks."""
    return next(problems(REGISTRY, frozenset({"fit", "parameters"}), "mlp"))


@pytest.fixture(scope="module")
def tasks(problem):
    """Return tasks on three originals."""
    usual = problem.task("sample", "retain+forget", 7)
    data = problem.data.train
    training = TrainingSet(inputs=data.inputs, targets=data.labels)
    return [attrs.evolve(usual, seed=seed, original=problem.factory.build(seed).fit(
        training, FitOptions(epochs=20, batch_size=30, lr=0.03), seed)) for seed in range(3)]


def spec_of(name, **settings):
    return {"method": {"name": name, "settings": settings}}


class Replaces(FineTune):
    """Does something else than what it inherits the words for."""

    def unlearn(self, task):
        return task.original


class Rewords(FineTune):
    """Says more than what it inherits, and does it."""

    def training(self, task):
        return attrs.evolve(super().training(task), facts={"reworded": 1.0})


@frozen(kw_only=True)
class HasASettingCalledTraining(Sound):
    """Fits nothing that its name would say."""

    training: bool = True


@pytest.mark.parametrize(("method", "says"), [
    (FineTune(), True), (Rewords(), True), (SalUn(), True), (Replaces(), False), (Sound(), False),
    (HasASettingCalledTraining(), False)])
def test_a_subclass_that_replaces_unlearn_alone_is_not_bound_by_what_it_inherits(method, says):
    assert says_fit(method) is says


@pytest.mark.parametrize(("name", "settings"), [
    ("ft", {}), ("ga", {}), ("rl", {}), ("neggrad+", {}), ("l1-sparse", {}), ("salun", {}), ("retrain", {}),
    ("delete", {"lr": 0.01}), ("amun", {"eps": 0.2, "attack_steps": 10})])
def test_many_at_once_are_the_same_as_one_by_one(problem, tasks, tmp_path, name, settings):
    context = Context(Place(store=tmp_path), REGISTRY)

    together = run_method_on_all(spec_of(name, **settings), context, problem.factory, tasks)

    inputs = problem.data.test.inputs
    for task, one in zip(tasks, together, strict=True):
        alone = REGISTRY.unlearners[name](**settings).unlearn(task)
        alone = alone if isinstance(alone, Unlearned) else Unlearned(model=alone)
        # Batched products may round otherwise than single ones, and each of up to 300 steps amplifies that.
        assert one.model.logits(inputs) == pytest.approx(alone.model.logits(inputs), abs=5e-3)
        assert one.facts == alone.facts


def test_methods_that_one_fit_cannot_say_run_one_by_one(problem, tasks, tmp_path):
    context = Context(Place(store=tmp_path), REGISTRY)

    together = run_method_on_all(spec_of("rl", labels="redrawn", epochs=2), context, problem.factory, tasks)

    alone = REGISTRY.unlearners["rl"](labels="redrawn", epochs=2).unlearn(tasks[1])
    inputs = problem.data.test.inputs
    assert np.array_equal(together[1].model.logits(inputs), alone.logits(inputs))


def test_in_a_child_each_task_runs_alone(problem, tasks, tmp_path, monkeypatch):
    seen = []

    def child(assignment, task, isolation):
        seen.append(task.seed)
        return Unlearned(model=task.original), {}

    monkeypatch.setattr(unlearning, "run_isolated", child)
    place = Place(store=tmp_path, isolation=Isolation(level="subprocess", held=(), loose=()))
    spec = {**spec_of("ft"), "model": {"adapter": "torch", "architecture": "mlp"}, "recipe": {"aids": {}}}

    together = run_method_on_all(spec, Context(place, REGISTRY), problem.factory, tasks)

    assert seen == [task.seed for task in tasks]
    assert [one.model for one in together] == [task.original for task in tasks]


def test_fits_with_other_options_are_trained_apart_and_come_back_in_order(problem, tasks):
    fits = [FineTune(epochs=epochs).training(task) for epochs, task in zip((1, 3, 1), tasks, strict=True)]

    together = unlearned_together(problem.factory, tasks, fits)

    for task, fit, one in zip(tasks, fits, together, strict=True):
        expected = unlearned_by(task, fit).model.logits(problem.data.test.inputs)
        assert one.model.logits(problem.data.test.inputs) == pytest.approx(expected, abs=1e-4)  # as above


def test_a_factory_that_trains_one_model_at_a_time_gives_the_same(tasks):
    linear = next(problems(REGISTRY, frozenset({"fit"}), "linear"))
    task = linear.task("sample", "retain+forget", 7)
    fit = GradientAscent(lr=0.01).training(task)

    [one] = unlearned_together(linear.factory, [task], [fit])

    assert np.array_equal(one.model.logits(linear.data.test.inputs),
                          unlearned_by(task, fit).model.logits(linear.data.test.inputs))


def test_a_method_that_changes_the_original_while_it_says_its_fit_is_found_out(problem, tasks, tmp_path, monkeypatch):
    def spoils(method, task):
        with_noise = task.original._module
        for parameter in with_noise.parameters():
            parameter.data += 1
        return Fit(data=TrainingSet(inputs=task.forget.inputs, targets=task.forget.labels),
                   options=FitOptions(epochs=1))

    monkeypatch.setattr(FineTune, "training", spoils)
    task = attrs.evolve(tasks[0], original=tasks[0].original.with_parameters(tasks[0].original.parameters()))
    with pytest.raises(BadResult, match="changed the original"):
        run_method_on_all(spec_of("ft"), Context(Place(store=tmp_path), REGISTRY), problem.factory, [task])


def test_a_method_that_says_something_else_than_a_fit_is_told_what_was_expected(problem, tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(FineTune, "training", lambda method, task: method.epochs)
    with pytest.raises(BadResult, match=r"training returned int, expected harness\.Fit or None"):
        run_method_on_all(spec_of("ft"), Context(Place(store=tmp_path), REGISTRY), problem.factory, tasks)


def test_a_model_that_cannot_be_trained_is_refused(tasks):
    class Answers:
        def logits(self, inputs):
            return np.zeros((len(inputs), 3), dtype=np.float32)

    fit = attrs.evolve(FineTune().training(tasks[0]), start=Answers())
    with pytest.raises(TypeError, match="Answers lacks the capability 'fit'"):
        unlearned_by(tasks[0], fit)


def test_amun_reports_its_attack_with_its_fit(tasks):
    fit = Amun(eps=0.2, attack_steps=10).training(tasks[0])
    assert {"attack failure rate", "gradient evaluations"} <= set(fit.facts)
