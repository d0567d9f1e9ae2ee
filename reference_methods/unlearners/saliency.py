"""SalUn: random labels on the most salient weights."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from harness import Fit, Model, UnlearnTask
from harness.models import Parameters
from reference_methods.unlearners.fits import flag, share, tuned_options
from reference_methods.unlearners.masks import saliency_mask
from reference_methods.unlearners.relabel import RandomLabels


@frozen(kw_only=True)
class SalUn(RandomLabels):
    """Random labels on D_F + CE(D_R), where only the weights with the largest loss gradients on D_F may move.

    Data: D_F with labels; D_R with labels where given. Source: Fan et al. 2024, arXiv:2310.12508: half of the weights,
    labels drawn once from all C classes, lr 0.01, 10 epochs; D_F and D_R mixed as in its CIFAR-100 code. Batch norm's
    running statistics are not masked.

    Attributes:
        mask_ratio: share of the weights that may move.
        legacy_leak: mask gradients only, so that weight decay and momentum move masked weights: the published
            behaviour before February 2026 (issue 33 of its repository), which copies of that loop still have. Runs on
            the PyTorch network, with labels drawn once and without augmentation.
    """

    name: ClassVar[str] = "salun"
    requires: ClassVar[frozenset[str]] = RandomLabels.requires | {"loss-gradients"}

    exclude_true: bool = flag(False)
    mask_ratio: float = share(0.5)
    legacy_leak: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        if self.legacy_leak and self.labels != "fixed":
            raise ValueError("legacy_leak=True draws labels once, as the published code did; labels must be 'fixed'")

    def mask(self, task: UnlearnTask) -> Parameters:
        """Return which weights may move."""
        return saliency_mask(task, self.mask_ratio)

    def training(self, task: UnlearnTask) -> Fit | None:
        """Return the masked fit; None with ``legacy_leak`` or redrawn labels, which one fit cannot say."""
        return None if self.legacy_leak else super().training(task)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model with changed salient weights."""
        if not self.legacy_leak:
            return super().unlearn(task)
        from reference_methods.unlearners.native.leak import fit_with_leaking_mask

        data = self.relabelled(task, next(self.labels_of_epochs(task)))
        return fit_with_leaking_mask(task.original, data, tuned_options(self, task), self.mask(task), task.seed)
