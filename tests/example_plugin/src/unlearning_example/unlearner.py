"""An unlearner in two uses of the training primitive."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, FitOptions, Model, Scope, TrainingSet, UnlearnTask


@frozen(kw_only=True)
class AscendRepair:
    """Ascend on the forget set, then repair on the retain set.

    Attributes:
        ascent_lr: learning rate of the one epoch of ascent.
        repair_lr: learning rate of the repair.
        repair_epochs: passes over the retain set.
    """

    name: ClassVar[str] = "ascend-repair"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = ("retain+forget",)
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    ascent_lr: float = 0.005
    repair_lr: float = 0.02
    repair_epochs: int = 3

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the repaired model."""
        ascend = TrainingSet(inputs=task.forget.inputs, targets=task.forget.labels,
                             weights=np.full(len(task.forget), -1, dtype=np.float32))
        repair = TrainingSet(inputs=task.retain.inputs, targets=task.retain.labels)
        model = task.original.fit(ascend, FitOptions(epochs=1, lr=self.ascent_lr), task.seed)
        return model.fit(repair, FitOptions(epochs=self.repair_epochs, lr=self.repair_lr), task.seed)
