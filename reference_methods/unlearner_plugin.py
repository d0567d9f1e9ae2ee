"""Registers the reference unlearners."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Unlearner, hookimpl
from reference_methods.unlearners.ablation import AdversarialAblation
from reference_methods.unlearners.afterwards import FineTuneAll, RandomPrune, Relearn
from reference_methods.unlearners.amun import Amun, AmunAdaptive, AmunSalun
from reference_methods.unlearners.boundary import BoundaryExpand, BoundaryShrink
from reference_methods.unlearners.challenge import ConvolutionTranspose, MaskedSmallGradients
from reference_methods.unlearners.controls import Original, Perturb, Retrain
from reference_methods.unlearners.damping import LossFreeSsd, Ssd
from reference_methods.unlearners.distillation import BadTeacher, Scrub, ScrubRewind
from reference_methods.unlearners.finetune import FineTune, GradientAscent, NegGradPlus
from reference_methods.unlearners.last_layers import CatastrophicForgetting, ExactUnlearning
from reference_methods.unlearners.relabel import RandomLabels
from reference_methods.unlearners.saliency import SalUn
from reference_methods.unlearners.sparse import L1Sparse
from reference_methods.unlearners.svd import Svd
from reference_methods.unlearners.tilted import Delete, TiltedReweighting
from reference_methods.unlearners.unsir import Unsir


@hookimpl
def harness_unlearners() -> Sequence[type[Unlearner]]:
    """Return every reference unlearner."""
    return [
        Original, Retrain, Perturb,
        FineTune, GradientAscent, NegGradPlus, RandomLabels, CatastrophicForgetting, ExactUnlearning,
        BoundaryShrink, BoundaryExpand,
        L1Sparse, SalUn,
        Amun, AmunSalun, AmunAdaptive, AdversarialAblation,
        TiltedReweighting, Delete, Unsir, Svd,
        Scrub, ScrubRewind, BadTeacher,
        Ssd, LossFreeSsd,
        MaskedSmallGradients, ConvolutionTranspose,
        RandomPrune, FineTuneAll, Relearn,
    ]
