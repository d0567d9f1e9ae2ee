"""Methods that are one call of the training primitive: what they have to say, and how many of them run at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeGuard, runtime_checkable

from harness.models import EachTrainable, Model, ModelFactory, Trainable
from harness.tasks import Fit, Unlearned, Unlearner, UnlearnTask


@runtime_checkable
class SaysFit(Unlearner, Protocol):
    """An unlearner that can say what it does as one call of the training primitive.

    Its ``unlearn(task)`` returns what `unlearned_by` makes of that call, so that the harness may train the models of
    many tasks at once instead. ``unlearn check`` compares the two.
    """

    def training(self, task: UnlearnTask) -> Fit | None:
        """Return what ``unlearn`` fits, or None where one call cannot say it."""
        ...


def says_fit(unlearner: Unlearner) -> TypeGuard[SaysFit]:
    """Return whether ``training`` speaks for ``unlearn``: a subclass that replaces the latter alone is not bound."""
    # A setting may be called "training", too.
    if not isinstance(unlearner, SaysFit) or not callable(getattr(type(unlearner), "training", None)):
        return False
    line = type(unlearner).__mro__
    training, unlearn = (next(depth for depth, owner in enumerate(line) if name in vars(owner))
                         for name in ("training", "unlearn"))
    return training <= unlearn


def unlearned_by(task: UnlearnTask, fit: Fit) -> Unlearned:
    """Return what ``fit`` makes of its start (the original when it names none).

    Raises:
        TypeError: if that model cannot be trained.
    """
    start = _start(task, fit)
    if not isinstance(start, Trainable):
        raise TypeError(f"{type(start).__name__} lacks the capability 'fit', which this unlearner needs")
    return Unlearned(model=start.fit(fit.data, fit.options, task.seed, fit.mask), facts=fit.facts)


def unlearned_together(factory: ModelFactory, tasks: Sequence[UnlearnTask], fits: Sequence[Fit]) -> list[Unlearned]:
    """Return what `unlearned_by` would make of each fit, up to rounding, trained together where the factory can.

    Fits with different options, whose number of steps or rates differ, are trained apart.
    """
    if not isinstance(factory, EachTrainable):
        return [unlearned_by(task, fit) for task, fit in zip(tasks, fits, strict=True)]
    done: dict[int, Unlearned] = {}
    for group in _alike(fits):
        chosen = [fits[number] for number in group]
        models = factory.fit_each(
            [_start(tasks[number], fits[number]) for number in group], [fit.data for fit in chosen],
            chosen[0].options, [tasks[number].seed for number in group], [fit.mask for fit in chosen])
        done.update((number, Unlearned(model=model, facts=fit.facts))
                    for number, model, fit in zip(group, models, chosen, strict=True))
    return [done[number] for number in range(len(fits))]


def _start(task: UnlearnTask, fit: Fit) -> Model:
    return task.original if fit.start is None else fit.start


def _alike(fits: Sequence[Fit]) -> Iterator[list[int]]:
    """Yield the numbers of the fits that share their options."""
    left = list(range(len(fits)))
    while left:
        group = [number for number in left if fits[number].options == fits[left[0]].options]
        yield group
        left = [number for number in left if number not in group]
