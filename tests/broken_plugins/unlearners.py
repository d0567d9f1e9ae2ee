"""A sound unlearner, and variants with one bug each."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
from attrs import field, frozen

from adapters.linear_gradients import WEIGHT
from adapters.linear_model import LinearModel
from harness import Access, Fit, FitOptions, Model, Scope, TrainingSet, Unlearned, UnlearnTask

OPTIONS = FitOptions(epochs=2, batch_size=30, lr=0.01)
COUNTER = itertools.count()


@frozen(kw_only=True)
class Sound:
    """Descend on the retain set and ascend on the forget set."""

    name: ClassVar[str] = "sound"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "parameters"})
    access: ClassVar[tuple[Access, ...]] = ("retain+forget", "forget-only")
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    retain_weight: float = 1.0
    forget_weight: float = -0.5

    def unlearn(self, task: UnlearnTask) -> Model | Unlearned:
        return self.trained(task)

    def trained(self, task: UnlearnTask, seed: int | None = None) -> Any:
        parts = [(task.forget, self.forget_weight)]
        if task.retain is not None:
            parts.append((task.retain, self.retain_weight))
        original: Any = task.original
        return original.fit(TrainingSet(
            inputs=np.concatenate([part.inputs for part, _ in parts]),
            targets=np.concatenate([part.labels for part, _ in parts]),
            weights=np.concatenate([np.full(len(part), weight, dtype=np.float32) for part, weight in parts])),
            OPTIONS, task.seed if seed is None else seed)


@frozen(kw_only=True)
class ShoutsItsName(Sound):
    """A name that no command line takes."""

    name: ClassVar[str] = "Two Words"


@frozen(kw_only=True)
class TakesTextForTruth(Sound):
    """Takes any text for true, like ``argparse`` with ``type=bool``."""

    mix: Any = field(default=True, converter=bool)


@frozen(kw_only=True)
class NumbersItsLayers(Sound):
    """A table with numbers as keys, which JSON turns into text."""

    rates: Any = field(factory=lambda: {1: 0.1})


@frozen(kw_only=True)
class Raises(Sound):
    """Does not run."""

    def unlearn(self, task: UnlearnTask) -> Model:
        raise RuntimeError("no such\nthing")


@frozen(kw_only=True)
class ChangesItsTeacher(Sound):
    """Trains a shallow copy."""

    def unlearn(self, task: UnlearnTask) -> Model:
        trained, original = self.trained(task), task.original
        original._arrays[WEIGHT][...] += 0.01  # type: ignore[attr-defined]
        return trained


@frozen(kw_only=True)
class WritesIntoItsTask(Sound):
    """Normalises the forget set in place."""

    def unlearn(self, task: UnlearnTask) -> Model:
        trained = self.trained(task)
        task.forget.inputs.flags.writeable = True
        task.forget.inputs[...] -= task.forget.inputs.mean()
        return trained


@frozen(kw_only=True)
class DoesNothing(Sound):
    """Finds no layer that it knows and says nothing."""

    def unlearn(self, task: UnlearnTask) -> Model:
        original: Any = task.original
        return original.with_parameters(original.parameters())


class WithExtraHead(LinearModel):
    """Shows one array too many."""

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "extra": np.zeros(3, dtype=np.float32)}


@frozen(kw_only=True)
class LeavesItsExtraClass(Sound):
    """Never prunes the head that it added."""

    def unlearn(self, task: UnlearnTask) -> Model:
        return WithExtraHead(*self.trained(task).parameters().values())


class AnswersWithOthers(LinearModel):
    """Computes with weights that it does not show."""

    def logits(self, inputs: Any) -> Any:
        return super().logits(inputs) + np.arange(3, dtype=np.float32)


@frozen(kw_only=True)
class ReturnsTheWrongModel(Sound):
    """Evaluates another model than it stores."""

    def unlearn(self, task: UnlearnTask) -> Model:
        return AnswersWithOthers(*self.trained(task).parameters().values())


@frozen(kw_only=True)
class ReportsNothing(Sound):
    """Divides by no failures."""

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        return Unlearned(model=self.trained(task), facts={"failure rate": float("nan")})


@frozen(kw_only=True)
class ForgetsItsSeed(Sound):
    """Another seed at every call."""

    def unlearn(self, task: UnlearnTask) -> Model:
        return self.trained(task, next(COUNTER))


@frozen(kw_only=True)
class ClaimsDeterminism(Sound):
    """Says that seeds do not matter, but shuffles by them."""

    deterministic: ClassVar[bool] = True


@frozen(kw_only=True)
class RollsGlobalDice(Sound):
    """Draws one number: NumPy's key array does not show it, only its position does."""

    def unlearn(self, task: UnlearnTask) -> Model:
        np.random.random()
        return self.trained(task)


@frozen(kw_only=True)
class ReadsAFile(Sound):
    """Looks something up on the way, such as a test set."""

    def unlearn(self, task: UnlearnTask) -> Model:
        Path(__file__).read_text(encoding="utf-8")
        return self.trained(task)


@frozen(kw_only=True)
class PhonesHome(Sound):
    """Opens a socket."""

    def unlearn(self, task: UnlearnTask) -> Model:
        socket.socket().close()
        return self.trained(task)


@frozen(kw_only=True)
class ClampsTheForgetLoss(Sound):
    """Reads the forget set and gives it a gradient of zero."""

    def unlearn(self, task: UnlearnTask) -> Model:
        return attrs.evolve(self, forget_weight=0.0 if task.retain is not None else -0.5).trained(task)


@frozen(kw_only=True)
class ClampsTheRetainLoss(Sound):
    """Reads the retain set and gives it a gradient of zero."""

    retain_weight: float = 0.0


@frozen(kw_only=True)
class NeedsWhatItSaysItDoesNot(Sound):
    """Declares access mode forget-only and reads the retain set."""

    def unlearn(self, task: UnlearnTask) -> Model:
        if len(task.retain) == 0:  # type: ignore[arg-type]
            raise ValueError("nothing to retain")
        return self.trained(task)


@frozen(kw_only=True)
class RefusesSamples(Sound):
    """Declares a scope that it does not serve."""

    scopes: ClassVar[tuple[Scope, ...]] = ("class", "sample")

    def unlearn(self, task: UnlearnTask) -> Model:
        if task.request.scope == "sample":
            raise ValueError("only whole classes")
        return self.trained(task)


@frozen(kw_only=True)
class NeedsTwoSamples(Sound):
    """Takes a variance of one."""

    def unlearn(self, task: UnlearnTask) -> Model:
        if len(task.forget) == 1:
            raise FloatingPointError("invalid value in divide")
        return self.trained(task)


@frozen(kw_only=True)
class FailsOnClasses(Sound):
    """Looks for a forgotten sample of every class."""

    def unlearn(self, task: UnlearnTask) -> Model:
        if task.request.scope == "class":
            [np.flatnonzero(task.forget.labels == label)[0] for label in range(task.num_classes)]
        return self.trained(task)


@frozen(kw_only=True)
class SaysOneThingAndDoesAnother(Sound):
    """Says that it fine-tunes on the forget set alone."""

    def training(self, task: UnlearnTask) -> Fit:
        return Fit(data=TrainingSet(inputs=task.forget.inputs, targets=task.forget.labels), options=OPTIONS)

    def unlearn(self, task: UnlearnTask) -> Model | Unlearned:
        return self.trained(task)


BROKEN = [
    (ShoutsItsName(), "check_declarations_are_valid", "lower case"),
    (TakesTextForTruth(), "check_settings_are_strict", "mix='False'"),
    (NumbersItsLayers(), "check_settings_survive_json", "read back as"),
    (Raises(), "check_unlearns", "RuntimeError: no such thing"),
    (ChangesItsTeacher(), "check_original_is_unchanged", "changed the original"),
    (WritesIntoItsTask(), "check_task_is_unchanged", "wrote into the arrays"),
    (DoesNothing(), "check_model_changes", "is the original, bit by bit"),
    (LeavesItsExtraClass(), "check_shapes_stay", "extra"),
    (ReturnsTheWrongModel(), "check_model_is_what_its_parameters_say", "not those of its parameters"),
    (ReportsNothing(), "check_facts_are_finite_numbers", "failure rate"),
    (ForgetsItsSeed(), "check_seed_decides", "the same task gives two models"),
    (ClaimsDeterminism(), "check_seed_decides", "deterministic = True"),
    (RollsGlobalDice(), "check_global_generators_are_untouched", "of NumPy was used"),
    (ReadsAFile(), "check_no_file_is_opened", "was opened"),
    (PhonesHome(), "check_no_connection_is_opened", "socket was opened"),
    (SaysOneThingAndDoesAnother(), "check_training_says_what_unlearn_does", "another model"),
    (ClampsTheForgetLoss(), "check_forget_set_matters", "the forget set is read, but"),
    (ClampsTheRetainLoss(), "check_retain_set_matters", "the retain set is read, but"),
    (NeedsWhatItSaysItDoesNot(), "check_retain_set_is_not_needed", "TypeError"),
    (RefusesSamples(), "check_samples_can_be_forgotten", "only whole classes"),
    (NeedsTwoSamples(), "check_one_sample_can_be_forgotten", "invalid value"),
    (FailsOnClasses(), "check_a_class_can_be_forgotten", "IndexError"),
]
