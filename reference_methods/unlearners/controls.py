"""The controls that every table needs: do nothing, retrain from scratch, damage at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Fit, Model, Scope, UnlearnTask
from reference_methods.unlearners.capabilities import parametrised
from reference_methods.unlearners.fits import Part, generator, mixture, positive, run_fit
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class Original:
    """Do nothing: the scale of every metric, and the check on metrics that doing nothing can win."""

    name: ClassVar[str] = "original"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "none"
    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_model_changes": "doing nothing is what this control is for"}

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the original."""
        return task.original


@frozen(kw_only=True)
class Retrain:
    """Train a freshly initialised model on the retain set with the original's recipe: exact unlearning.

    Data: D_R with labels. The number of epochs is that of the recipe, so a smaller retain set means fewer steps.
    """

    name: ClassVar[str] = "retrain"
    version: ClassVar[str] = "1"
    # Only a fresh model is trained, and what a suite has trained once it can train again: no capability is needed.
    requires: ClassVar[frozenset[str]] = frozenset()
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"

    def training(self, task: UnlearnTask) -> Fit:
        """Return the recipe on D_R, from a fresh model."""
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        return Fit(data=data, options=task.recipe, start=task.build(task.seed))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the retrained model."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class Perturb:
    """Add Gaussian noise to every weight matrix and kernel: damage without unlearning.

    A method that cannot beat it has only lost utility. Data: none.

    Attributes:
        scale: standard deviation of the noise, in standard deviations of each array's own entries.
    """

    name: ClassVar[str] = "perturb"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "none"
    space: ClassVar[Mapping[str, str]] = {}

    scale: float = positive(1.0)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the original with noise on its weights.

        Raises:
            TypeError: if the parameters of the original cannot be read.
        """
        original, noise = parametrised(task.original), generator(task, "perturb")
        noisy = dict(original.parameters())
        for name, array in noisy.items():
            # Vectors are left alone: among them are batch norm's running variances, which must stay positive.
            if array.ndim >= 2 and np.issubdtype(array.dtype, np.floating):
                spread = self.scale * array.std()
                noisy[name] = (array + spread * noise.standard_normal(array.shape)).astype(array.dtype)
        return original.with_parameters(noisy)
