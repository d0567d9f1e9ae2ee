"""Selective synaptic dampening: shrink the weights that matter more to D_F than to D."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Examples, Scope, TrainingSet, Unlearned, UnlearnTask
from harness.models import Parameters
from reference_methods.unlearners.capabilities import differentiable, native_torch, parametrised
from reference_methods.unlearners.fits import count, positive
from reference_methods.unlearners.tasks import ANY_SCOPE, NEEDS_RETAIN, LayerMode, full_training_set

BatchGradients = Callable[[Examples], Parameters]


def importance(gradients: BatchGradients, examples: Examples, batch_size: int) -> Parameters:
    """Return, by parameter name, the mean over batches of the squared gradient of a batch's mean loss."""
    totals: dict[str, np.ndarray] = {}
    batches = list(_batches(examples, batch_size))
    for batch in batches:
        for name, gradient in gradients(batch).items():
            totals[name] = totals.get(name, np.float64(0)) + gradient.astype(np.float64) ** 2
    return {name: total / len(batches) for name, total in totals.items()}


def dampened(parameters: Parameters, forget: Parameters, everything: Parameters, alpha: float,
             strength: float) -> tuple[Parameters, float]:
    """Return the parameters with theta * min(strength * I_D / I_F, 1) where I_F > alpha * I_D, and the share of those.

    Args:
        parameters: all arrays of the model; those without an importance stay.
        forget, everything: importances I_F and I_D.
        alpha: selection threshold.
        strength: lambda.
    """
    result = dict(parameters)
    selected, total = 0, 0
    for name, on_forget in forget.items():
        chosen = on_forget > alpha * everything[name]
        factor = np.ones_like(on_forget)
        factor[chosen] = np.minimum(strength * everything[name][chosen] / on_forget[chosen], 1)
        result[name] = (parameters[name] * factor).astype(parameters[name].dtype)
        selected, total = selected + int(chosen.sum()), total + chosen.size
    return result, selected / total


def _batches(examples: Examples, batch_size: int) -> Iterator[Examples]:
    for start in range(0, len(examples), batch_size):
        yield examples.take(np.arange(start, min(start + batch_size, len(examples))))


@frozen(kw_only=True)
class Ssd:
    """Dampen each weight with I_F > alpha I_D to theta min(lambda I_D / I_F, 1), I the squared gradients of the loss.

    No training. Importances are squared gradients of *batch means* in evaluation mode, so they depend on
    ``batch_size``, as in the authors' code.

    Data: D_F and D_R with labels. Source: Foster et al. 2024, arXiv:2308.07707: alpha 10, lambda 1 for ResNet-18 and
    whole classes; it is retuned per task (3.5 and 1 for random samples in later code).

    Attributes:
        alpha: selection threshold.
        dampening: lambda.
        batch_size: of the importances; the value is not from the paper.
    """

    name: ClassVar[str] = "ssd"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"loss-gradients", "parameters"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "eval"
    space: ClassVar[Mapping[str, str]] = {"alpha": "1:100:log", "dampening": "0.1:1"}

    alpha: float = positive(10.0)
    dampening: float = positive(1.0)
    batch_size: int = count(64, least=1)

    def gradients(self, task: UnlearnTask) -> BatchGradients:
        """Return a function that gives the gradients of a batch's mean loss."""
        model = differentiable(task.original)
        return lambda batch: model.loss_gradients(
            TrainingSet(inputs=batch.inputs, targets=batch.labels), batch_size=len(batch))

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        """Return the dampened model, with the share of dampened weights in the facts."""
        original, gradients = parametrised(task.original), self.gradients(task)
        weights, selected = dampened(
            original.parameters(), importance(gradients, task.forget, self.batch_size),
            importance(gradients, full_training_set(task), self.batch_size), self.alpha, self.dampening)
        return Unlearned(model=original.with_parameters(weights), facts={"dampened share": selected})


@frozen(kw_only=True)
class LossFreeSsd(Ssd):
    """SSD with the squared norm of the logits in place of the loss: no labels (LFSSD).

    Runs on the PyTorch network. Source: Foster et al. 2024, the loss-free variant of arXiv:2308.07707.
    """

    name: ClassVar[str] = "lfssd"
    requires: ClassVar[frozenset[str]] = frozenset({"native-torch", "parameters"})

    def gradients(self, task: UnlearnTask) -> BatchGradients:
        """Return a function that gives the gradients of a batch's mean squared logit norm."""
        from reference_methods.unlearners.native.norms import logit_norm_gradients

        network = native_torch(task.original).native
        return lambda batch: logit_norm_gradients(network, batch.inputs)
