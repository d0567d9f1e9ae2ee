"""Deep Unlearning: project the forgotten class's directions out of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import frozen

from harness import Access, Examples, Model, Scope, UnlearnTask
from reference_methods.unlearners.fits import count, generator, positive
from reference_methods.unlearners.tasks import CLASS_ONLY, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class Svd:
    """Multiply the weights of every linear and convolution layer by I - (P_f - P_f P_r).

    P_r and P_f are built from the layer's inputs on some retain and forget samples: with directions U and their shares
    of the energy e, P = U diag(alpha e / ((alpha - 1) e + 1)) U^T. A convolution's inputs are its patches. All
    activations are those of the original. No training, no gradients; biases stay. Runs on the PyTorch network.

    Data: D_F and a class-balanced sample of D_R with labels. Source: Kodge et al., TMLR 2024, arXiv:2312.00761: alpha_r
    100, alpha_f 3, 900 samples each, at most 10 000 patches (CIFAR-10).

    Attributes:
        alpha_retain, alpha_forget: how fully directions with some energy are taken in.
        samples: retain samples, and forget samples at most.
        patches: inputs of a layer at most; a random choice where there are more.
    """

    name: ClassVar[str] = "svd"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"native-torch"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = CLASS_ONLY
    layer_mode: ClassVar[LayerMode] = "eval"
    space: ClassVar[Mapping[str, str]] = {"alpha_retain": "1:1000:log", "alpha_forget": "1:1000:log"}

    alpha_retain: float = positive(100.0)
    alpha_forget: float = positive(3.0)
    samples: int = count(900, least=1)
    patches: int = count(10_000, least=1)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the projected model."""
        from reference_methods.unlearners.native.projection import project

        random = generator(task, "samples")
        retain = _balanced(retain_of(task), self.samples, random)
        chosen = np.sort(random.permutation(len(task.forget))[:self.samples])
        return project(self, task, retain, task.forget.take(chosen))


def _balanced(examples: Examples, size: int, random: np.random.Generator) -> Examples:
    present = np.unique(examples.labels)
    shuffled = random.permutation(len(examples))
    chosen = [shuffled[examples.labels[shuffled] == label][:-(-size // len(present))] for label in present]
    return examples.take(np.sort(np.concatenate(chosen)))
