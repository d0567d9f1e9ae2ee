"""UNSIR: impair with learned noise, then repair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Examples, Fit, FitOptions, Model, Scope, UnlearnTask
from harness.data import Floats
from reference_methods.unlearners.capabilities import attackable
from reference_methods.unlearners.fits import Part, count, generator, mixture, rate, run_stages
from reference_methods.unlearners.tasks import CLASS_ONLY, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class Unsir:
    """Impair on noise that the original thinks least like the forgotten class, labelled as it, then repair on D_R.

    The noise maximises CE(f(n), y_f) - penalty |n|^2 (Adam). Impairing is one epoch on copies of it beside a subset of
    D_R, repairing one epoch on that subset. Each forgotten class has noise with its own label; the authors' notebook
    labels the noise of both its classes as class 0.

    Data: a subset of D_R with labels, and the number of the class; no image of D_F. Source: Tarun et al.,
    arXiv:2111.08947: 5 x 8 steps of Adam at 0.1, 20 copies of 256 images, Adam 0.02 and 0.01, up to 1000 samples per
    class.

    Attributes:
        noise_images: images of noise per forgotten class.
        noise_steps, noise_lr, noise_penalty: of their making.
        copies: of the noise in the impairing epoch.
        impair_lr, repair_lr: rates of Adam.
        samples_per_class: largest number of retain samples of each class.
        batch_size: of both epochs.
    """

    name: ClassVar[str] = "unsir"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "input-gradients"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = CLASS_ONLY
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"impair_lr": "1e-4:1e-1:log", "repair_lr": "1e-4:1e-1:log"}

    noise_images: int = count(256, least=1)
    noise_steps: int = count(40)
    noise_lr: float = rate(0.1)
    noise_penalty: float = rate(0.1)
    copies: int = count(20, least=1)
    impair_lr: float = rate(0.02)
    repair_lr: float = rate(0.01)
    samples_per_class: int = count(1000, least=1)
    batch_size: int = count(256, least=1)

    def noise(self, task: UnlearnTask, label: int) -> Floats:
        """Return (noise_images, ...) inputs on which the original's loss for ``label`` is large."""
        original = attackable(task.original)
        shape = (self.noise_images, *task.forget.inputs.shape[1:])
        noise = generator(task, f"noise {label}").standard_normal(shape).astype(np.float32)
        labels = np.full(self.noise_images, label)
        mean, square = np.zeros_like(noise), np.zeros_like(noise)
        for step in range(1, self.noise_steps + 1):
            gradient = 2 * self.noise_penalty * noise - original.input_gradients(noise, labels)[0]
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            move = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            noise = (noise - self.noise_lr * move).astype(np.float32)
        return noise

    def stages(self, task: UnlearnTask) -> tuple[Fit, Fit]:
        """Return the impairing and the repairing fit, the second to be run after the first."""
        subset = self._subset(task)
        retain = Part(inputs=subset.inputs, targets=subset.labels)
        impair = [retain]
        for label in task.request.classes:
            copies = np.concatenate([self.noise(task, label)] * self.copies)
            impair.append(Part(inputs=copies, targets=np.full(len(copies), label), augment=False))
        return (Fit(data=mixture(impair, task.num_classes), options=self._options(task, self.impair_lr)),
                Fit(data=mixture([retain], task.num_classes), options=self._options(task, self.repair_lr)))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the impaired and repaired model."""
        return run_stages(task, self.stages(task))

    def _options(self, task: UnlearnTask, lr: float) -> FitOptions:
        return FitOptions(epochs=1, batch_size=self.batch_size, optimizer="adam", lr=lr,
                          augmentation=task.recipe.augmentation)

    def _subset(self, task: UnlearnTask) -> Examples:
        retain = retain_of(task)
        shuffled = generator(task, "retain subset").permutation(len(retain))
        chosen = [shuffled[retain.labels[shuffled] == label][:self.samples_per_class]
                  for label in range(task.num_classes)]
        return retain.take(np.sort(np.concatenate(chosen)))
