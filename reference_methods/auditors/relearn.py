"""How soon a model relearns a class that it is said to have forgotten."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from attrs import field, frozen, validators

from harness import (
    AuditCase,
    AuditReport,
    Dataset,
    Examples,
    FitOptions,
    ForgetRequest,
    Needs,
    Scope,
    Score,
    TrainingSet,
)
from harness.digests import derive_seed
from harness.models import Trainable


@frozen(kw_only=True)
class RelearnTime:
    """Relearn time and anamnesis index: steps of training on the forget set until the model has it back.

    ``AIN`` is the number of steps of the audited model over that of the oracles: 1 is ideal, far below 1 something was
    left behind, far above 1 the model was made to avoid the class. The audited models and the oracles are trained
    alike: plain SGD on batches of the forget set alone, drawn with the same seeds.

    The paper stops within alpha per cent of the original's accuracy on the class. Here it is of 100 %: an original that
    trained on the class has that to within a few points, and training on one class alone always gets there. For
    forget sets drawn at random an oracle is there before it starts, and the index is undefined: class requests only.

    Attributes:
        alpha: in points below full accuracy on the forget set.
        lr, batch_size: of the training.
        repeats: seeds to average over.
        most: steps after which a model is taken to need that many.

    Source: Chundawat et al. 2023, arXiv 2201.05629 (anamnesis index, section 4).
    """

    alpha: float = field(default=5.0, validator=[validators.gt(0), validators.lt(100)])
    lr: float = field(default=0.01, validator=validators.gt(0))
    batch_size: int = field(default=32, validator=validators.ge(1))
    repeats: int = field(default=3, validator=validators.ge(1))
    most: int = field(default=200, validator=validators.ge(1))

    name: ClassVar[str] = "relearn-time"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"fit"})
    scopes: ClassVar[tuple[Scope, ...]] = ("class",)

    @property
    def needs(self) -> Needs:
        """The audited model and one oracle or more."""
        return Needs(models=True, oracles=1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return ``AIN`` and ``Relearn steps``.

        Raises:
            TypeError: if a model cannot be trained.
            ValueError: if there is no oracle, or the oracles already have the accuracy.
        """
        models: dict[str, Any] = dict(case.models)
        oracles = [model for name, model in models.items() if name.startswith("oracle-")]
        if not oracles:
            raise ValueError("relearn-time compares with oracles; there is none beside the audited model")
        seeds = tuple(derive_seed(case.seed, "relearn", k) for k in range(self.repeats))
        own = _steps(self, models["unlearned"], case.data, case.request, seeds)
        theirs = np.array([_steps(self, oracle, case.data, case.request, seeds) for oracle in oracles])
        if theirs.mean() == 0:
            raise ValueError(f"relearn-time: the oracles already have {100 - self.alpha:g} % on the forget set before "
                             "they see it; the index is undefined")
        steps = float(np.mean(own))
        return AuditReport(
            scores=(Score(name="AIN", value=steps / float(theirs.mean()), n=self.repeats, unit="ratio", chance=1.0),
                    Score(name="Relearn steps", value=steps, n=self.repeats, unit="steps")),
            per_sample={"steps": np.array(own), "oracle_steps": theirs},
            notes={"runs that stopped at the limit": int((np.array(own) >= self.most).sum()), "limit": self.most})


@lru_cache(maxsize=64)
def _steps(audit: RelearnTime, model: Any, data: Dataset, request: ForgetRequest,
           seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Return the steps for each seed; oracles are asked for beside every audited model, so answers are kept."""
    forget = data.train.take(request.forget)
    return tuple(_relearn(audit, model, forget, seed) for seed in seeds)


def _relearn(audit: RelearnTime, model: Any, forget: Examples, seed: int) -> int:
    options = FitOptions(epochs=1, batch_size=audit.batch_size, lr=audit.lr, momentum=0.0)
    random = np.random.default_rng(seed)
    batches: list[Any] = []
    for step in range(audit.most):
        right = (model.logits(forget.inputs).argmax(axis=1) == forget.labels).mean()
        if 100 * right >= 100 - audit.alpha:
            return step
        if not isinstance(model, Trainable):
            raise TypeError(f"relearn-time trains the model; {type(model).__name__} cannot be trained")
        if not batches:
            batches = np.array_split(random.permutation(len(forget)), -(-len(forget) // audit.batch_size))
        batch = batches.pop()
        model = model.fit(TrainingSet(inputs=forget.inputs[batch], targets=forget.labels[batch]), options,
                          derive_seed(seed, "step", step))
    return audit.most
