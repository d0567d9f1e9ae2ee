"""Boundary unlearning: shrink the forgotten region, or give it a class of its own for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from attrs import frozen

from harness import Access, Fit, Model, Scope, Unlearned, UnlearnTask, unlearned_by
from harness.data import Integers
from reference_methods.unlearners.attacks import fgsm
from reference_methods.unlearners.capabilities import attackable
from reference_methods.unlearners.fits import (
    Part,
    count,
    flag,
    lr_step,
    mixture,
    optional_count,
    optional_rate,
    positive,
    rate,
    tuned_options,
)
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, CLASS_ONLY, LayerMode


@frozen(kw_only=True)
class BoundaryShrink:
    """Minimise CE(D_F with the class that the original sees one gradient-sign step away).

    The neighbours come from the original, which never changes; the AMUN code copies the current model in each epoch.
    Where the step does not change the original's mind the true label stays: ``boundary hit rate`` in the facts.

    Data: D_F with labels. Source: Chen et al. 2023, arXiv:2303.11570: step 0.1, lr 1e-5, 10 epochs, no weight decay;
    for classes, and for random samples in AMUN's tables.

    Attributes:
        step: length of the step per input entry.
        bounded: keep inputs in [0, 1].
        with_retain: also minimise CE(D_R), mixed, where it is given.
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "boundary-shrink"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit", "input-gradients"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-5:1e-1:log"}

    step: float = positive(0.1)
    bounded: bool = flag(True)
    with_retain: bool = flag(False)
    epochs: int = count(10)
    lr: float = rate(1e-5)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate(0.0)

    def neighbours(self, task: UnlearnTask) -> Integers:
        """Return (K,) the class of each forget sample's neighbour."""
        return fgsm(attackable(task.original), task.forget, self.step, self.bounded)[1]

    def training(self, task: UnlearnTask) -> Fit:
        """Return CE on D_F with its neighbours' classes."""
        neighbours = self.neighbours(task)
        hit_rate = float((neighbours != task.forget.labels).mean())
        parts = [Part(inputs=task.forget.inputs, targets=neighbours)]
        if self.with_retain and task.retain is not None:
            parts.append(Part(inputs=task.retain.inputs, targets=task.retain.labels))
        return Fit(data=mixture(parts, task.num_classes), options=tuned_options(self, task),
                   facts={"boundary hit rate": hit_rate})

    def unlearn(self, task: UnlearnTask) -> Unlearned:
        """Return the model with shrunken forget regions."""
        return unlearned_by(task, self.training(task))


@frozen(kw_only=True)
class BoundaryExpand:
    """Train D_F into an extra class on top of the C classes, then cut that class off.

    Public copies leave the extra output in place; here the last linear layer has C outputs afterwards as before. Runs
    on the PyTorch network, without augmentation.

    Data: D_F; its labels are not used. Source: Chen et al. 2023, arXiv:2303.11570: lr 1e-5, 10 epochs, no weight decay.

    Attributes:
        epochs, lr, lr_step, batch_size, weight_decay: see `reference_methods.unlearners.fits.Tuned`.
    """

    name: ClassVar[str] = "boundary-expand"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"native-torch"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = CLASS_ONLY
    layer_mode: ClassVar[LayerMode] = "train"
    space: ClassVar[Mapping[str, str]] = {"lr": "1e-5:1e-1:log"}

    epochs: int = count(10)
    lr: float = rate(1e-5)
    lr_step: int | None = lr_step()
    batch_size: int | None = optional_count()
    weight_decay: float | None = optional_rate(0.0)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model without the extra class."""
        from reference_methods.unlearners.native.expand import expand_and_prune

        return expand_and_prune(task, tuned_options(self, task))
