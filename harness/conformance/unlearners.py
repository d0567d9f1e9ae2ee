"""What must hold of an unlearner. Most checks are bugs that published unlearning code has had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from harness.conformance import declarations
from harness.conformance.outcomes import Check, CheckFailed, CheckSkipped, require
from harness.conformance.randomness import other_generators, untouched_generators
from harness.conformance.sealing import no_connections, no_files
from harness.conformance.unlearner_trial import UnlearnerTrial, replaced, same
from harness.data import Floats
from harness.digests import digest_arrays
from harness.errors import HarnessError
from harness.fits import says_fit, unlearned_by
from harness.models import HasParameters
from harness.plugins import Registry
from harness.tasks import ACCESS, ForgetRequest, Unlearned, Unlearner, UnlearnTask


def unlearner_checks(unlearner: Unlearner, registry: Registry, model: str = "") -> Iterator[Check]:
    """Yield the checks that ``unlearner`` must pass, by what it declares; none is tried yet.

    Args:
        unlearner: an instance, with its settings.
        registry: where small models come from.
        model: architecture to try it on; the cheapest that it accepts when empty.
    """
    trial = UnlearnerTrial(unlearner=unlearner, registry=registry, model=model)
    for function in _applicable(unlearner):
        yield Check(name=function.__name__, subject=unlearner.name, body=partial(function, trial),
                    essential=function is check_unlearns)


def _applicable(unlearner: Unlearner) -> Iterator[Callable[[UnlearnerTrial], str | None]]:
    yield from (check_declarations_are_valid, check_settings_are_strict, check_settings_survive_json, check_unlearns,
                check_original_is_unchanged, check_task_is_unchanged, check_model_changes, check_shapes_stay,
                check_model_is_what_its_parameters_say, check_facts_are_finite_numbers, check_seed_decides,
                check_global_generators_are_untouched, check_no_file_is_opened, check_no_connection_is_opened,
                check_forget_set_matters)
    if says_fit(unlearner):
        yield check_training_says_what_unlearn_does
    if "retain+forget" in unlearner.access:
        yield check_retain_set_matters
    if "forget-only" in unlearner.access:
        yield check_retain_set_is_not_needed
    if "sample" in unlearner.scopes:
        yield from (check_samples_can_be_forgotten, check_one_sample_can_be_forgotten)
    if "class" in unlearner.scopes:
        yield check_a_class_can_be_forgotten


def check_declarations_are_valid(trial: UnlearnerTrial) -> None:
    """Name, version, capabilities, scopes and access modes are ones that the harness knows."""
    declarations.declarations(trial.unlearner)
    access = trial.unlearner.access
    require(access and set(access) <= set(ACCESS), f"access = {access}: name at least one of {', '.join(ACCESS)}")


def check_settings_are_strict(trial: UnlearnerTrial) -> None:
    """The text "False" is no truth value, and "3" no number."""
    declarations.settings_are_strict(trial.unlearner)


def check_settings_survive_json(trial: UnlearnerTrial) -> None:
    """Settings can be written to a row and read back."""
    declarations.settings_survive_json(trial.unlearner)


def check_unlearns(trial: UnlearnerTrial) -> str:
    """The usual request gives a model with finite logits."""
    trial.check_usable(trial.usual)
    return f"tried on '{trial.problem.model}', {trial.scope} requests"


def check_original_is_unchanged(trial: UnlearnerTrial) -> None:
    """The original is bit-identical afterwards: student and teacher share no storage."""
    task = trial.task()
    before, logits = trial.contents(task.original), trial.outputs(task.original)

    trial.unlearner.unlearn(task)

    require(same(before, trial.contents(task.original)) and np.array_equal(logits, trial.outputs(task.original)),
            "unlearn changed the original; work on a copy (`fit` and `with_parameters` return new models)")


def check_task_is_unchanged(trial: UnlearnerTrial) -> None:
    """The arrays of the task are as they were."""
    task = trial.task()
    before = _digests(task)

    trial.unlearner.unlearn(task)

    require(_digests(task) == before, "unlearn wrote into the arrays of the forget or retain set; copy them first")


def _digests(task: UnlearnTask) -> list[str]:
    return [digest_arrays(part.inputs, part.labels) for part in (task.forget, task.retain) if part is not None]


def check_model_changes(trial: UnlearnerTrial) -> None:
    """On some request that it accepts the method changes the model: it is no silent no-op."""
    for scope in dict.fromkeys((trial.scope, *trial.unlearner.scopes)):
        task = trial.task(scope)
        try:
            unlearned = trial.run(task)
        except (ValueError, HarnessError):
            continue
        if not same(trial.contents(task.original), trial.contents(unlearned)):
            return
    raise CheckFailed("the unlearned model is the original, bit by bit; raise a ValueError where the method cannot "
                      "do anything")


def check_shapes_stay(trial: UnlearnerTrial) -> None:
    """The unlearned model has the parameters of the original, by name, shape and type."""
    task = trial.task()
    if not isinstance(task.original, HasParameters):
        raise CheckSkipped(f"models of '{trial.problem.model}' show no parameters")
    unlearned = trial.run(task)
    require(isinstance(unlearned, HasParameters), f"unlearn returned {type(unlearned).__name__}, which shows no "
                                                  "parameters, from a model that does; the store cannot keep it")
    before, after = (trial.contents(model) for model in (task.original, unlearned))
    changed = sorted(name for name in before.keys() | after.keys() if name not in before or name not in after
                     or (before[name].shape, before[name].dtype) != (after[name].shape, after[name].dtype))
    require(not changed, f"{', '.join(changed)}: not the shape or type that the original has; cut off what the method "
                         "added, such as an extra class")


def check_model_is_what_its_parameters_say(trial: UnlearnerTrial) -> None:
    """The model computes with the weights that it shows, and answering changes none of them."""
    task, unlearned = trial.task(), trial.run(trial.task())
    if not (isinstance(task.original, HasParameters) and isinstance(unlearned, HasParameters)):
        raise CheckSkipped(f"models of '{trial.problem.model}' show no parameters")
    parameters = unlearned.parameters()
    first, again = trial.outputs(unlearned), trial.outputs(unlearned)
    require(np.array_equal(first, again) and same(parameters, unlearned.parameters()),
            "asking the unlearned model twice gives two answers; leave it in evaluation mode")
    try:
        rebuilt = trial.outputs(task.original.with_parameters(parameters))
    except ValueError as error:
        raise CheckSkipped(f"its parameters do not fit the original, see check_shapes_stay: {error}") from error
    # The same weights in another memory layout may round differently.
    require(np.allclose(first, rebuilt, rtol=1e-4, atol=1e-4),
            "the unlearned model's logits are not those of its parameters; return the model that holds the weights, "
            "not one that answers with others")


def check_facts_are_finite_numbers(trial: UnlearnerTrial) -> None:
    """What the method reports of its making are finite numbers."""
    result = trial.unlearner.unlearn(trial.task())
    facts = result.facts if isinstance(result, Unlearned) else {}
    wrong = {name: value for name, value in facts.items()
             if isinstance(value, bool | str) or not np.isscalar(value) or not np.isfinite(value)}
    require(not wrong, f"facts {wrong} are no finite numbers; report counts, shares or seconds")


def check_seed_decides(trial: UnlearnerTrial) -> None:
    """The same seed gives the same model, bit by bit, whatever the global generators are set to."""
    models = []
    for state in (1, 2):
        with other_generators(state):
            models.append(trial.run(trial.task()))
    require(same(*map(trial.contents, models)), "the same task gives two models; take randomness from "
                                                "np.random.default_rng(task.seed) and pass a seed to every fit")
    if getattr(trial.unlearner, "deterministic", False):
        require(same(trial.contents(models[0]), trial.contents(trial.run(trial.task(seed=8)))),
                "the class says deterministic = True, but another seed gives another model; drop the attribute")


def check_global_generators_are_untouched(trial: UnlearnerTrial) -> None:
    """The global generators of Python, NumPy and PyTorch are where they were."""
    with untouched_generators("take randomness from np.random.default_rng(task.seed)"):
        trial.unlearner.unlearn(trial.task())


def check_no_file_is_opened(trial: UnlearnerTrial) -> None:
    """Nothing but the task is read: there is no test set to choose a checkpoint on, and nothing is written."""
    trial.unlearner.unlearn(trial.task())  # imports what it needs
    with no_files():
        trial.unlearner.unlearn(trial.task())


def check_no_connection_is_opened(trial: UnlearnerTrial) -> None:
    """No socket is opened."""
    with no_connections():
        trial.unlearner.unlearn(trial.task())


def check_training_says_what_unlearn_does(trial: UnlearnerTrial) -> str | None:
    """The fit that `training` returns gives the model and the facts of `unlearn`: it may be run in its place."""
    task, unlearner = trial.task(), trial.unlearner
    fit = unlearner.training(task) if says_fit(unlearner) else None
    if fit is None:
        return "with these settings, training says nothing"
    said, done = unlearned_by(task, fit), unlearner.unlearn(trial.task())
    facts = done.facts if isinstance(done, Unlearned) else {}
    require(same(trial.contents(said.model), trial.contents(trial.usual)) and dict(said.facts) == dict(facts),
            "what training returns gives another model, or other facts, than unlearn; let unlearn return "
            "harness.unlearned_by(task, self.training(task))")
    return None


def check_forget_set_matters(trial: UnlearnerTrial) -> str | None:
    """Other forget samples give another model, unless the method does not read them at all."""
    return _matters(trial, trial.task(), "forget")


def check_retain_set_matters(trial: UnlearnerTrial) -> str | None:
    """Other retain samples give another model, unless the method does not read them at all."""
    return _matters(trial, trial.task(access="retain+forget"), "retain")


def _matters(trial: UnlearnerTrial, task: UnlearnTask, part: str) -> str | None:
    usual = trial.contents(trial.run(task))
    if _ignores(trial, replaced(task, part, lambda inputs: np.full_like(inputs, np.nan)), usual):
        return f"the {part} set's inputs are not read"
    other = trial.run(replaced(task, part, _paler))
    require(not same(usual, trial.contents(other)),
            f"the {part} set is read, but another one gives the same model; is its loss clamped, detached or given "
            "weight zero?")
    return None


def _paler(inputs: Floats) -> Floats:
    """Return other inputs that are still in [0, 1]."""
    paler: Floats = np.clip(0.8 * inputs + 0.1, 0, 1)
    return paler


def _ignores(trial: UnlearnerTrial, unreadable: UnlearnTask, usual: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether a part filled with NaN makes no difference."""
    try:
        unlearned = trial.run(unreadable)
    # Whatever it raises, it has looked at the NaN.
    except Exception:
        return False
    return same(trial.contents(unlearned), usual)


def check_retain_set_is_not_needed(trial: UnlearnerTrial) -> None:
    """In access mode ``forget-only``, which it declares, the method does without the retain set."""
    trial.check_usable(trial.run(trial.task(access="forget-only")))


def check_samples_can_be_forgotten(trial: UnlearnerTrial) -> None:
    """A request for random samples, which it declares, is served."""
    trial.check_usable(trial.run(trial.task("sample")))


def check_one_sample_can_be_forgotten(trial: UnlearnerTrial) -> None:
    """A single sample can be forgotten: no batch, variance or share of one sample breaks it."""
    trial.check_usable(trial.run(_with_forget_set(trial, 1)))


def check_a_class_can_be_forgotten(trial: UnlearnerTrial) -> None:
    """A request for a whole class, which it declares, is served."""
    trial.check_usable(trial.run(trial.task("class")))


def _with_forget_set(trial: UnlearnerTrial, size: int) -> UnlearnTask:
    task, train = trial.task(), trial.problem.data.train
    wanted = ForgetRequest(name=f"{size} samples", scope=task.request.scope, forget=np.arange(size),
                           classes=task.request.classes, generator="random", seed=0)
    kept = np.arange(size, len(train))
    return attrs.evolve(task, request=wanted, forget=train.take(wanted.forget),
                        retain=None if task.retain is None else train.take(kept))
