"""Checks of the training primitive."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from harness.conformance.adapter_trial import AdapterTrial, losses, parameters
from harness.conformance.gradients import check_loss_gradients_are_slopes, soft_set
from harness.conformance.outcomes import CheckFailed, CheckSkipped, require
from harness.conformance.problem import CLASSES, RECIPE
from harness.conformance.randomness import other_generators, untouched_generators
from harness.models import Differentiable, EachTrainable, FitOptions, FleetTrainable, Model, TrainingSet, one_hot

SHORT = attrs.evolve(RECIPE, epochs=3)


def check_fit_returns_a_new_model(trial: AdapterTrial) -> None:
    """`fit` leaves its model as it was and returns one that has changed."""
    model = trial.build()
    before = model.logits(trial.inputs)
    fitted = trial.fit(model, trial.training_set)
    require(np.array_equal(before, model.logits(trial.inputs)), "fit changed its own model; train a copy and return it")
    require(not np.array_equal(before, fitted.logits(trial.inputs)), "fit returned a model that has not changed")


def check_fit_lowers_the_loss(trial: AdapterTrial) -> None:
    """Training on the training set lowers its loss."""
    data, model = trial.training_set, trial.build()
    before = float(losses(model, data).mean())
    after = float(losses(trial.fit(model, data), data).mean())
    require(after < before, f"the loss is {before:.3g} before and {after:.3g} after {RECIPE.epochs} epochs of fit")


def check_negative_weights_raise_the_loss(trial: AdapterTrial) -> None:
    """Examples of negative weight are unlearned: their loss rises."""
    data, model = trial.training_set, trial.build()
    negative = attrs.evolve(trial.training_set, weights=np.full(len(data), -1, dtype=np.float32))
    before = float(losses(model, data).mean())
    after = float(losses(trial.fit(model, negative, attrs.evolve(RECIPE, epochs=1)), data).mean())
    require(after > before, f"with weights of -1 the loss went from {before:.3g} to {after:.3g}; weights are signed, "
                            "and a negative one is gradient ascent")


def check_no_epochs_change_nothing(trial: AdapterTrial) -> None:
    """`fit` with 0 epochs returns an equal model."""
    fitted = trial.fit(trial.trained, trial.training_set, attrs.evolve(RECIPE, epochs=0))
    require(np.array_equal(trial.trained.logits(trial.inputs), fitted.logits(trial.inputs)),
            "fit with epochs=0 returned a model that has changed; return an unchanged copy")


def check_training_seed_decides(trial: AdapterTrial) -> None:
    """The same seed gives the same model, bit by bit, whatever the global generators are set to."""
    answers = []
    for state in (1, 2):
        with other_generators(state):
            answers.append(trial.fit(trial.build(), trial.training_set, SHORT).logits(trial.inputs))
    require(np.array_equal(answers[0], answers[1]),
            "the same fit gives two models; draw the order of the data from the seed")


def check_global_generators_are_untouched_by_training(trial: AdapterTrial) -> None:
    """`fit` leaves the global generators of Python, NumPy and PyTorch where they were."""
    model = trial.build()
    with untouched_generators("draw the order of the data from a generator made from the seed"):
        trial.fit(model, trial.training_set, SHORT)


def check_training_set_is_unchanged(trial: AdapterTrial) -> None:
    """`fit` writes nothing into its training set."""
    data, same = trial.training_set, trial.training_set
    trial.fit(trial.build(), data, SHORT)
    require(np.array_equal(data.inputs, same.inputs) and np.array_equal(data.targets, same.targets),
            "fit changed its training set; augment and shuffle a copy")


def check_labels_are_one_hot_targets(trial: AdapterTrial) -> None:
    """Labels and one-hot targets, and weights of one and none, train the same model."""
    hard, data = trial.training_set, trial.training_set
    soft = TrainingSet(inputs=data.inputs, targets=one_hot(data.targets.astype(np.int64), CLASSES),
                       weights=np.ones(len(data), dtype=np.float32))
    first, second = (trial.fit(trial.build(), one, SHORT).logits(trial.inputs) for one in (hard, soft))
    require(np.allclose(first, second, rtol=1e-3, atol=1e-3),
            "labels train another model than the same labels as one-hot targets of weight one; the loss is "
            "w_i CE(softmax(logits(x_i)), t_i), averaged over the batch")


def check_masked_parameters_stay(trial: AdapterTrial) -> None:
    """Entries whose mask is False are bit-identical afterwards, momentum and weight decay or not."""
    before = parameters(trial.trained)
    random = np.random.default_rng(4)
    mask = {name: random.random(value.shape) < 0.5 for name, value in before.items()
            if np.issubdtype(value.dtype, np.floating)}
    options = attrs.evolve(SHORT, lr=0.1, weight_decay=0.1)
    after = parameters(trial.fit(trial.trained, trial.training_set, options, mask=mask))
    moved = [name for name, allowed in mask.items()
             if not np.array_equal(before[name][~allowed], after[name][~allowed])]
    require(not moved, f"masked entries of {', '.join(moved)} have moved; put them back after every step")
    require(any(not np.array_equal(before[name], after[name]) for name in mask), "with a mask nothing moves at all")


def check_one_step_follows_the_gradient(trial: AdapterTrial) -> None:
    """One step of plain SGD on one batch moves the parameters by -lr times the gradient of the mean loss."""
    model, data = trial.build(), soft_set(trial, np.linspace(0.5, 2.5, 20))
    if not isinstance(model, Differentiable):
        raise CheckSkipped("there are no loss gradients to compare with")
    try:
        check_loss_gradients_are_slopes(trial)
    except CheckFailed as failure:
        raise CheckSkipped(f"there are no right gradients to compare with: {failure}") from failure
    options = FitOptions(epochs=1, batch_size=len(data), lr=0.1, momentum=0.0, evaluation_mode=True)
    before, gradients = parameters(model), model.loss_gradients(data)
    after = parameters(trial.fit(model, data, options))
    steps = {name: -options.lr * gradient for name, gradient in gradients.items()}
    error = max(float(np.abs(after[name] - before[name] - step).max()) for name, step in steps.items())
    size = max(float(np.abs(step).max()) for step in steps.values())
    require(error < 0.01 * size, f"a step of length {size:.3g} is off by {error:.3g}; the loss of a batch is the mean "
                                 "of w_i CE, divided by the number of examples and not by the sum of the weights")


def check_a_fleet_equals_single_fits(trial: AdapterTrial) -> None:
    """`fit_many` returns what as many calls of `fit` would, up to rounding."""
    factory, data = trial.chosen[1], trial.training_set
    if not isinstance(factory, FleetTrainable):
        raise CheckFailed(f"capabilities names fit-many, but {type(factory).__name__} has no fit_many")
    membership = np.random.default_rng(6).permuted(np.tile(np.arange(len(data)) < len(data) // 2, (3, 1)), axis=1)
    fresh: list[Model] = [factory.build(k) for k in range(3)]
    fleet = factory.fit_many(fresh, data, membership, SHORT, [10, 11, 12])
    rows = [TrainingSet(inputs=data.inputs[members], targets=data.targets[members]) for members in membership]
    _require_single_fits(trial, fleet, fresh, rows, "fit_many")


def check_a_fleet_with_data_of_its_own_equals_single_fits(trial: AdapterTrial) -> None:
    """`fit_each` returns what as many calls of `fit` would, up to rounding, each on its own training set."""
    factory, data = trial.chosen[1], trial.training_set
    if not isinstance(factory, EachTrainable):
        raise CheckFailed(f"capabilities names fit-each, but {type(factory).__name__} has no fit_each")
    half = len(data) // 2
    own = [TrainingSet(inputs=data.inputs[chosen], targets=data.targets[chosen])
           for chosen in (slice(half), slice(half, 2 * half), slice(half + 5))]
    fresh: list[Model] = [factory.build(k) for k in range(3)]
    fleet = factory.fit_each(fresh, own, SHORT, [10, 11, 12], [None] * 3)
    _require_single_fits(trial, fleet, fresh, own, "fit_each")


def _require_single_fits(trial: AdapterTrial, fleet: Sequence[Model], fresh: Sequence[Model],
                         own: Sequence[TrainingSet], method: str) -> None:
    require(len(fleet) == len(fresh), f"{method} returned {len(fleet)} models for {len(fresh)}")
    for k, (model, data) in enumerate(zip(fleet, own, strict=True)):
        single = trial.fit(fresh[k], data, SHORT, 10 + k)
        # Batched products round differently, and a few steps amplify it.
        require(np.allclose(model.logits(trial.inputs), single.logits(trial.inputs), rtol=1e-2, atol=1e-2),
                f"model {k} of {method} is not what fit makes of the same rows and seed")
