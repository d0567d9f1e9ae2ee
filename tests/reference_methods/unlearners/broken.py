"""Methods with the bugs of public code, one for each check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from harness import Fit, FitOptions, Model, TrainingSet, UnlearnTask
from reference_methods.unlearners.amun import Amun
from reference_methods.unlearners.boundary import BoundaryExpand
from reference_methods.unlearners.challenge import ConvolutionTranspose
from reference_methods.unlearners.distillation import BadTeacher
from reference_methods.unlearners.finetune import FineTune, NegGradPlus
from reference_methods.unlearners.fits import run_fit
from reference_methods.unlearners.relabel import RandomLabels
from reference_methods.unlearners.searches import AdversarialSet
from reference_methods.unlearners.sparse import L1Sparse


class TeacherIsStudent:
    """Changes the weights of the original itself (a shallow copy)."""

    def unlearn(self, task: UnlearnTask) -> Model:
        original: Any = task.original
        trained: Any = FineTune().unlearn(task)
        original._module = trained._module
        return trained


class OptimizerOnTeacher:
    """Hands the teacher's parameters to the optimizer, so that the student never learns."""

    def unlearn(self, task: UnlearnTask) -> Model:
        original: Any = task.original
        return original.with_native(original.native)


@frozen(kw_only=True)
class ShuffledAttack(Amun):
    """Stores what a shuffled loader gives under sequential numbers."""

    def adversarial_set(self, task: UnlearnTask) -> AdversarialSet:
        found = super().adversarial_set(task)
        return attrs.evolve(found, inputs=found.inputs[::-1], labels=found.labels[::-1])


@frozen(kw_only=True)
class EndlessAttack(Amun):
    """Doubles the radius for as long as it takes."""

    def adversarial_set(self, task: UnlearnTask) -> AdversarialSet:
        points, original = task.forget.inputs.copy(), task.original
        while True:
            gradients, logits = original.input_gradients(points, task.forget.labels)  # type: ignore[attr-defined]
            if (logits.argmax(axis=1) != task.forget.labels).all():
                return super().adversarial_set(task)
            points = points + gradients


@frozen(kw_only=True)
class SilentFailures(Amun):
    """Does not tell how the attack went."""

    def unlearn(self, task: UnlearnTask) -> Model:  # type: ignore[override]
        return super().unlearn(task).model


@frozen(kw_only=True)
class ClampedForgetLoss(NegGradPlus):
    """Clamps the forget loss to a constant, whose gradient is zero."""

    def training(self, task: UnlearnTask) -> Fit:
        fit = super().training(task)
        return attrs.evolve(fit, data=attrs.evolve(fit.data, weights=np.maximum(fit.data.weights, 0)))


@frozen(kw_only=True)
class ClampedRetainLoss(NegGradPlus):
    """Clamps the retain loss to a constant."""

    def training(self, task: UnlearnTask) -> Fit:
        fit = super().training(task)
        return attrs.evolve(fit, data=attrs.evolve(fit.data, weights=np.minimum(fit.data.weights, 0)))


class WrongModelEvaluated:
    """Shows the unlearned weights, but computes with those of the original."""

    def unlearn(self, task: UnlearnTask) -> Model:
        trained, original = FineTune(lr=0.1).unlearn(task), task.original

        class Wrapped(type(trained)):  # type: ignore[misc]
            def logits(self, inputs: NDArray[Any]) -> NDArray[Any]:
                return original.logits(inputs)

        trained.__class__ = Wrapped
        return trained


class LeftInTrainingMode:
    """Returns a network whose batch norm keeps learning while it is evaluated."""

    def unlearn(self, task: UnlearnTask) -> Model:
        trained: Any = FineTune().unlearn(task)
        trained._module.train()
        return trained


class MilestoneNeverReached:
    """Has a milestone at epoch 91 of 10."""

    lr_step = 91

    def unlearn(self, task: UnlearnTask) -> Model:
        data = TrainingSet(inputs=task.retain.inputs, targets=task.retain.labels)
        return run_fit(task, Fit(data=data, options=FitOptions(
            epochs=10, batch_size=16, lr=0.01, schedule="multistep", milestones=(91, 136))))


RISING_PENALTY = L1Sparse(as_published=True)


@frozen(kw_only=True)
class NeverPruned(BoundaryExpand):
    """Leaves the extra class in place."""

    def unlearn(self, task: UnlearnTask) -> Model:
        from torch import nn

        original: Any = task.original
        network = original.native
        network.head = nn.Linear(network.head.in_features, task.num_classes + 1)
        return original.with_native(network)


DIVIDED_BY_CLASSES = BadTeacher(as_published=True)


@frozen(kw_only=True)
class SilentEvaluationMode(FineTune):
    """Says that it trains in training mode, but does not."""

    def training(self, task: UnlearnTask) -> Fit:
        fit = super().training(task)
        return attrs.evolve(fit, options=attrs.evolve(fit.options, evaluation_mode=True))


@frozen(kw_only=True)
class BestOnTest(FineTune):
    """Chooses its checkpoint on a test set from somewhere else."""

    test_set: Path

    def unlearn(self, task: UnlearnTask) -> Model:
        test = np.load(self.test_set)
        models = [attrs.evolve(self, epochs=epochs).unlearn_once(task) for epochs in (1, 2)]
        return max(models, key=lambda model: float(model.logits(test).max()))

    def unlearn_once(self, task: UnlearnTask) -> Model:
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class TypeBool:
    """Takes any non-empty string for true, like ``argparse`` with ``type=bool``."""

    name: ClassVar[str] = "type-bool"

    mix: bool = field(default=True, converter=bool)


@frozen(kw_only=True)
class LabelsFromAllClasses(RandomLabels):
    """Says that it draws among C - 1 classes, but draws from all."""

    def labels_of_epochs(self, task: UnlearnTask) -> Iterator[NDArray[np.int64]]:
        random = np.random.default_rng(task.seed)
        while True:
            yield random.integers(task.num_classes, size=len(task.forget))


class ConvolutionsOnly(ConvolutionTranspose):
    """Transposes convolutions where there are any, and says nothing where there are none."""

    def unlearn(self, task: UnlearnTask) -> Model:
        try:
            return super().unlearn(task)
        except ValueError:
            return task.original


class GlobalDice:
    """Draws from the global generator."""

    def unlearn(self, task: UnlearnTask) -> Model:
        original: Any = task.original
        arrays = original.parameters()
        return original.with_parameters(
            {name: array + np.random.standard_normal(array.shape) for name, array in arrays.items()})
