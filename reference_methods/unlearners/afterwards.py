"""What a provider may do to a model besides unlearning: the three cases in which a verification has to keep working.

None of them unlearns, so an audit that calls one of them "executed" has been fooled. Source: "UnlearnGuard", section
V-C: train and prune; train and fine-tune; train, unlearn and fine-tune with the previously unlearned samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs
from attrs import frozen

from harness import Access, Fit, Model, Scope, UnlearnTask
from reference_methods.unlearners.capabilities import parametrised
from reference_methods.unlearners.fits import Part, count, generator, mixture, run_fit, run_stages, share
from reference_methods.unlearners.tasks import ANY_ACCESS, ANY_SCOPE, NEEDS_RETAIN, LayerMode, retain_of


@frozen(kw_only=True)
class RandomPrune:
    """Set a random share of every weight matrix and kernel to zero. Data: none.

    Attributes:
        share: of each array's entries.
    """

    name: ClassVar[str] = "random-prune"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    access: ClassVar[tuple[Access, ...]] = ANY_ACCESS
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "none"
    space: ClassVar[Mapping[str, str]] = {}

    share: float = share(0.2)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the pruned original.

        Raises:
            TypeError: if the parameters of the original cannot be read.
        """
        original, random = parametrised(task.original), generator(task, "prune")
        pruned = dict(original.parameters())
        for name, array in pruned.items():
            if array.ndim >= 2:
                order = random.permutation(array.size)
                flat = array.reshape(-1).copy()
                flat[order[:round(self.share * array.size)]] = 0
                pruned[name] = flat.reshape(array.shape)
        return original.with_parameters(pruned)


@frozen(kw_only=True)
class FineTuneAll:
    """Go on training with the original's recipe on all samples, the forget set among them.

    Data: D_F and D_R with labels.

    Attributes:
        epochs: of further training; the recipe's schedule starts anew.
    """

    name: ClassVar[str] = "ft-all"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"

    epochs: int = count(10)

    def training(self, task: UnlearnTask) -> Fit:
        """Return the recipe on both sets."""
        retain = retain_of(task)
        parts = [Part(inputs=some.inputs, targets=some.labels) for some in (retain, task.forget)]
        return Fit(data=mixture(parts, task.num_classes), options=attrs.evolve(task.recipe, epochs=self.epochs))

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model trained further."""
        return run_fit(task, self.training(task))


@frozen(kw_only=True)
class Relearn:
    """Retrain without the forget set, then fine-tune with it: unlearning that was executed and taken back.

    Data: D_F and D_R with labels.

    Attributes:
        epochs: of training on all samples after retraining; the recipe's schedule starts anew.
    """

    name: ClassVar[str] = "retrain+ft"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    access: ClassVar[tuple[Access, ...]] = NEEDS_RETAIN
    scopes: ClassVar[tuple[Scope, ...]] = ANY_SCOPE
    layer_mode: ClassVar[LayerMode] = "train"

    epochs: int = count(10)

    def unlearn(self, task: UnlearnTask) -> Model:
        """Return the model that has learnt the forget set again."""
        retain = retain_of(task)
        data = mixture([Part(inputs=retain.inputs, targets=retain.labels)], task.num_classes)
        retraining = Fit(data=data, options=task.recipe, start=task.build(task.seed))
        return run_stages(task, [retraining, FineTuneAll(epochs=self.epochs).training(task)])
