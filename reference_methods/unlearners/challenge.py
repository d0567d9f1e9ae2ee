"""Two methods of the NeurIPS 2023 unlearning challenge; both change convolutions and refuse networks without any."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Examples, Fit, Model, Scope, TrainingSet, UnlearnTask
from harness.data import Booleans
from harness.models import HasParameters, Parameters
from reference_methods.unlearners.capabilities import differentiable, parametrised
from reference_methods.unlearners.fits import (
    Part,
    count,
    mixture,
    optional_count,
    optional_rate,
    positive,
    rate,
    run_fit,
    share,
    tuned_options,
)
from reference_methods.unlearners.tasks import ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


def kernels(parameters: Parameters) -> dict[str, np.ndarray]:
    """Return the arrays with four axes: the kernels of 2-D convolutions.

    Raises:
        ValueError: if there are none; a method that changes convolutions would silently do nothing else.
    """
    found = {name: array for name, array in parameters.items() if array.ndim == 4}
    if not found:
        raise ValueError("the model has no convolution kernel, and this method works on nothing else")
    return found


@frozen(kw_only=True)
class ConvolutionTranspose:
    """Transpose every convolution kernel in height and width, then minimise CE(D_R) (CT, fifth place).

    Data: D_R with labels. Source: as in arXiv:2410.01276 and its code: 3 epochs, lr 1e-3 in a cosine.

    Attributes:
        epochs, lr, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "ct"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "parameters"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"

    epochs: int = count(3)
    lr: float = rate(1e-3)
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()

    def transposed(self, original: HasParameters) -> Model:
        """Return the model with transposed kernels.

        Raises:
            ValueError: if no kernel changes, or one is not square.
        """
        parameters = original.parameters()
        turned = {name: array.swapaxes(2, 3) for name, array in kernels(parameters).items()}
        for name, array in turned.items():
            if array.shape != parameters[name].shape:
                raise ValueError(f"kernel '{name}' is {parameters[name].shape[2:]}, not square; it has no transpose of "
                                 "its shape")
        if all(np.array_equal(array, parameters[name]) for name, array in turned.items()):
            raise ValueError("every convolution kernel is its own transpose (1 x 1); this method would change nothing")
        return original.with_parameters({**parameters, **turned})

    def training(self, task: UnlearnTask) -> Fit:
        """Return CE on D_R from the transposed model."""
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        return Fit(data=data, options=tuned_options(self, task, schedule="cosine"),
                   start=self.transposed(parametrised(task.original)))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the fine-tuned model."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class MaskedSmallGradients:
    """Initialise anew the convolution weights for which D_F and D_R pull alike, then minimise CE(D_R) (MSG, second).

    The score of a weight is |theta (g_R - g_F)|, g the loss gradients of the original, as in SNIP; the lowest share of
    all kernels' weights is reset, and the gradients of all other weights are scaled down in fine-tuning. Whether the
    share is taken over all kernels or in each is not known here; it is over all. Runs on the PyTorch network, without
    augmentation.

    Data: D_R and D_F with labels. Source: as in arXiv:2410.01276 and its code: 30 %, factor 0.1, 5 epochs, lr 1e-3
    rising linearly in the first epoch and falling linearly afterwards.

    Attributes:
        reset_share: part of the kernels' weights to initialise anew.
        gradient_scale: of the gradients of all other weights.
        epochs, lr, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "msg"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"loss-gradients", "parameters", "native-torch"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"

    reset_share: float = share(0.3)
    gradient_scale: float = positive(0.1)
    epochs: int = count(5)
    lr: float = rate(1e-3)
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate()

    def chosen(self, task: UnlearnTask) -> dict[str, Booleans]:
        """Return, for each kernel, which entries are initialised anew."""
        weights = kernels(parametrised(task.original).parameters())
        retain, forget = (self._gradients(task, part) for part in (retain_of(task), task.forget))
        scores = {name: np.abs(weight * (retain[name] - forget[name])) for name, weight in weights.items()}
        flat = np.concatenate([score.ravel() for score in scores.values()])
        reset = np.zeros(len(flat), dtype=bool)
        reset[np.argsort(flat, kind="stable")[:round(self.reset_share * len(flat))]] = True
        pieces = np.split(reset, np.cumsum([score.size for score in scores.values()])[:-1])
        return {name: piece.reshape(score.shape) for (name, score), piece in zip(scores.items(), pieces, strict=True)}

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model with reset and fine-tuned weights."""
        from reference_methods.unlearners.native.scaled import fine_tune_with_scaled_gradients

        chosen, original = self.chosen(task), parametrised(task.original)
        fresh, weights = parametrised(task.build(task.seed)).parameters(), dict(original.parameters())
        for name, entries in chosen.items():
            weights[name] = np.where(entries, fresh[name], weights[name])
        return fine_tune_with_scaled_gradients(original.with_parameters(weights), retain_of(task), chosen,
                                               self.gradient_scale, tuned_options(self, task), task.seed)

    def _gradients(self, task: UnlearnTask, examples: Examples) -> Parameters:
        return differentiable(task.original).loss_gradients(
            TrainingSet(inputs=examples.inputs, targets=examples.labels))
