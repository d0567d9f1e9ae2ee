"""What fine-tuning methods share: their hyper-parameters, mixtures of training data, and running a fit.

Every method that the training primitive can say has ``training(task)``, which returns the `Fit`: what to minimise
and how (`harness.fits.SaysFit`). The harness may run the fits of many models at once; ``unlearn`` runs one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import attrs
import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import Fit, FitOptions, Model, TrainingSet, UnlearnTask, one_hot, unlearned_by
from harness.data import Floats
from harness.digests import derive_seed
from harness.training import constraints

MOMENTUM = 0.9


class Tuned(Protocol):
    """A method with the hyper-parameters of fine-tuning.

    Attributes:
        epochs: passes over the data.
        lr: learning rate of SGD with momentum 0.9.
        lr_step: where a method has it: the rate is divided by ten after every so many epochs; None keeps it.
        batch_size, weight_decay: those of the original's recipe when None.
    """

    @property
    def epochs(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def batch_size(self) -> int | None: ...
    @property
    def weight_decay(self) -> float | None: ...


def count(default: int, least: int = 0) -> Any:
    """Return a field for an integer that is at least ``least``."""
    return field(default=default, validator=[validators.instance_of(int), validators.ge(least)])


def positive(default: float) -> Any:
    """Return a field for a number above zero."""
    return field(default=default, validator=validators.gt(0))


def rate(default: float) -> Any:
    """Return a field for a number that is zero or more."""
    return field(default=default, validator=validators.ge(0))


def share(default: float) -> Any:
    """Return a field for a number in [0, 1]."""
    return field(default=default, validator=[validators.ge(0), validators.le(1)])


def flag(default: bool) -> Any:
    """Return a field for a truth value; the string ``"False"`` is refused, not true."""
    return field(default=default, validator=validators.instance_of(bool))


def choice(default: str, *others: str) -> Any:
    """Return a field for one of several words."""
    return field(default=default, validator=validators.in_((default, *others)))


def optional_count(default: int | None = None) -> Any:
    """Return a field for an integer that is at least one, or None."""
    return field(default=default, validator=validators.optional([validators.instance_of(int), validators.ge(1)]))


def optional_rate(default: float | None = None) -> Any:
    """Return a field for a number that is zero or more, or None."""
    return field(default=default, validator=validators.optional(validators.ge(0)))


def lr_step(default: int | None = None) -> Any:
    """Return the field ``lr_step``; a step that would never be taken is refused.

    Published schedules that silently never trigger are why (a milestone at epoch 91 of 10).
    """
    def takes_effect(method: Any, attribute: Any, value: int | None) -> None:
        # A single epoch lets a step of 1 pass: it is the default of some methods, and harmless there.
        if value is not None and not 1 <= value < max(method.epochs, 2):
            raise ValueError(f"lr_step {value} never takes effect in {method.epochs} epochs; "
                             f"expected 1 to {method.epochs - 1}, or leave it out for a constant rate")
    return field(default=default, validator=takes_effect)


def tuned_options(method: Tuned, task: UnlearnTask, **changes: Any) -> FitOptions:
    """Return the fit options of a fine-tuning method, with ``changes``.

    Augmentation and Lipschitz clipping are those of the recipe that trained the original, as in the AMUN protocol.
    """
    recipe, step = task.recipe, getattr(method, "lr_step", None)
    options = FitOptions(
        epochs=method.epochs,
        batch_size=recipe.batch_size if method.batch_size is None else method.batch_size,
        lr=method.lr,
        momentum=MOMENTUM,
        weight_decay=recipe.weight_decay if method.weight_decay is None else method.weight_decay,
        schedule="constant" if step is None else "step",
        step_size=step or 1,
        augmentation=recipe.augmentation,
        lipschitz=recipe.lipschitz,
        aids=constraints(recipe),
    )
    return attrs.evolve(options, **changes)


@frozen(kw_only=True, eq=False)
class Part:
    """One part of a mixture.

    Attributes:
        inputs: (N, ...) float32.
        targets: (N,) int64 labels or (N, C) float32 distributions.
        weight: of each example's loss; negative for ascent.
        augment: whether the recipe's augmentation may touch it.
    """

    inputs: Floats
    targets: NDArray[Any]
    weight: float = 1.0
    augment: bool = True


def mixture(parts: list[Part], num_classes: int) -> TrainingSet:
    """Return the parts in one training set, in the order given; labels become one-hot rows beside soft targets.

    Raises:
        ValueError: if there is no example at all.
    """
    sizes = [len(part.inputs) for part in parts]
    if sum(sizes) == 0:
        raise ValueError("there is nothing to train on: every part of the training set is empty")
    soft = any(part.targets.ndim == 2 for part in parts)
    targets = [one_hot(part.targets, num_classes) if soft and part.targets.ndim == 1 else part.targets
               for part in parts]
    weights = np.repeat(np.array([part.weight for part in parts], dtype=np.float32), sizes)
    augment = np.repeat([part.augment for part in parts], sizes)
    return TrainingSet(
        inputs=np.concatenate([part.inputs for part in parts]),
        targets=np.concatenate(targets),
        weights=None if (weights == 1).all() else weights,
        augment=None if augment.all() else augment,
    )


def run_fit(task: UnlearnTask, fit: Fit) -> Model:
    """Return the model that ``fit`` makes of its start (the original when it names none).

    Raises:
        TypeError: if that model cannot be trained.
    """
    return unlearned_by(task, fit).model


def run_stages(task: UnlearnTask, fits: Iterable[Fit]) -> Model:
    """Return the model after several fits, each from the model before it; only the first may name a start.

    The optimiser's state does not pass from one fit to the next.
    """
    model = task.original
    for index, fit in enumerate(fits):
        start = model if fit.start is None else fit.start
        seed = derive_seed(task.seed, "stage", index)
        model = run_fit(attrs.evolve(task, seed=seed), attrs.evolve(fit, start=start))
    return model


def one_epoch(options: FitOptions, epoch: int, **changes: Any) -> FitOptions:
    """Return the options of a single epoch of ``options``, whose schedule is ``constant`` or ``step``."""
    decay = options.gamma ** (epoch // options.step_size) if options.schedule == "step" else 1.0
    return attrs.evolve(options, epochs=1, schedule="constant", lr=options.lr * decay, **changes)


def generator(task: UnlearnTask, purpose: str) -> np.random.Generator:
    """Return a random generator that depends on the task's seed and on what it is for."""
    return np.random.default_rng(derive_seed(task.seed, purpose))
