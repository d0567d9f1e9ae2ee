"""Registers the reference unlearners."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Unlearner, hookimpl
from reference_methods.unlearners.amun import Amun
from reference_methods.unlearners.controls import Original, Perturb, Retrain
from reference_methods.unlearners.finetune import FineTune, GradientAscent
from reference_methods.unlearners.relabel import RandomLabels


@hookimpl
def harness_unlearners() -> Sequence[type[Unlearner]]:
    """Return every reference unlearner."""
    return [Original, Retrain, Perturb, FineTune, GradientAscent, RandomLabels, Amun]
