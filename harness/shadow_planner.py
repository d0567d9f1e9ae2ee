"""Which shadows are trained, and which method unlearns them: see `harness.shadows` for the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from harness.describe import describe
from harness.plan import PlannedMethod
from harness.stage_list import StageList
from harness.suite import Suite


@frozen(kw_only=True)
class ShadowSides:
    """Keys of the blocks of shadows on either side.

    Attributes:
        unlearned, retrained: the two sides.
        deal: seed for dealing out both sides' models anew, where both are retrained; None to leave them.
    """

    unlearned: tuple[str, ...]
    retrained: tuple[str, ...]
    deal: int | None = None

    @property
    def spec(self) -> dict[str, Any]:
        """What an audit is told."""
        return {"unlearned": list(self.unlearned), "retrained": list(self.retrained), "deal": self.deal}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all blocks."""
        return self.unlearned + self.retrained


@frozen(kw_only=True)
class ShadowPlanner:
    """Adds the stages of shadows when an audit asks for them.

    Attributes:
        suite: how many, and how they are trained.
        stages: where they are added.
        model: spec of the models.
        train, retain: examples that an original and a retrained model are trained on.
    """

    suite: Suite
    stages: StageList
    model: Mapping[str, Any]
    recipe: Mapping[str, Any]
    train: int

    def of_method(self, method: PlannedMethod, request: str, r: int) -> ShadowSides:
        """Return the shadows that ``method`` unlearns, against retrained ones."""
        return ShadowSides(unlearned=tuple(self._unlearned(method, request, r, b) for b in self._blocks),
                           retrained=self._retrained(request, r, "retrained"))

    def of_oracle(self, request: str, r: int, k: int) -> ShadowSides:
        """Return two sides of retrained shadows, dealt out for the ``k``-th oracle: what is found then is the null."""
        return ShadowSides(unlearned=self._retrained(request, r, "null"),
                           retrained=self._retrained(request, r, "retrained"), deal=self.stages.seed("deal", r, k))

    @property
    def _blocks(self) -> range:
        return range(self.suite.shadows.count // self.suite.shadows.block)

    @property
    def _work(self) -> float:
        return float(self.suite.shadows.block * self.train * self.suite.recipe.epochs)

    def _original(self, b: int) -> str:
        return self.stages.add("shadow", f"shadow originals, block {b}", (), self._work, model=self.model,
                               recipe=self.recipe, models=self.suite.shadows.block, seed=self.stages.seed("shadow", b))

    def _retrained(self, request: str, r: int, side: Literal["retrained", "null"]) -> tuple[str, ...]:
        return tuple(
            self.stages.add("shadow-retrain", f"retrain shadows for request {r}, side {side}, block {b}", (request,),
                            self._work, model=self.model, recipe=self.recipe, request=request,
                            models=self.suite.shadows.block, seed=self.stages.seed("shadow-retrain", side, r, b))
            for b in self._blocks)

    def _unlearned(self, method: PlannedMethod, request: str, r: int, b: int) -> str:
        unlearner, access, models = method.unlearner, method.access, self.suite.shadows.block
        size = self.train if access == "retain+forget" else self.suite.requests.size
        original = self._original(b)
        return self.stages.add(
            "shadow-unlearn", f"unlearn shadows by {method.spec.title} {access} for request {r}, block {b}",
            (original, request), float(getattr(unlearner, "epochs", 0)) * size * models,
            self.suite.unlearn_seconds * models, model=self.model, recipe=self.recipe, shadows=original,
            request=request, access=access, method=describe(unlearner), models=models,
            seed=self.stages.seed("shadow-unlearn", unlearner.name, access, r, b))
