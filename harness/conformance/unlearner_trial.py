"""One unlearner on the small problem, with what the checks ask of every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from attrs import define
from numpy.typing import NDArray

from harness.conformance.outcomes import require
from harness.conformance.problem import Problem, problems
from harness.data import Examples, Floats
from harness.errors import HarnessError
from harness.models import HasParameters, Model
from harness.plugins import Registry
from harness.tasks import Access, Scope, Unlearned, Unlearner, UnlearnTask


@define(kw_only=True, eq=False)
class UnlearnerTrial:
    """An unlearner, and the cheapest problem whose models it accepts.

    Attributes:
        unlearner: with its settings.
        registry: where models come from.
        model: architecture to use; the first that the unlearner accepts when empty.
    """

    unlearner: Unlearner
    registry: Registry
    model: str = ""

    @property
    def access(self) -> Access:
        """The access mode of the usual task."""
        return self.unlearner.access[0]

    @property
    def scope(self) -> Scope:
        """The scope of the usual task."""
        return self._accepted[1]

    @property
    def problem(self) -> Problem:
        """The cheapest problem that the unlearner does not refuse.

        Raises:
            HarnessError: if it refuses all, with what it says.
        """
        return self._accepted[0]

    @cached_property
    def _accepted(self) -> tuple[Problem, Scope]:
        said: list[str] = []
        for problem in problems(self.registry, self.unlearner.requires, self.model):
            for scope in self.unlearner.scopes:
                refusal = self._refusal(problem, scope)
                if refusal is None:
                    return problem, scope
                said.append(f"a {scope} request on '{problem.model}': {refusal}")
        if said:
            raise HarnessError(f"it refuses everything that it was offered; {'; '.join(said)}")
        raise HarnessError(f"no small model offers {', '.join(sorted(self.unlearner.requires))}; name one with --model")

    def _refusal(self, problem: Problem, scope: Scope) -> str | None:
        try:
            self.unlearner.unlearn(problem.task(scope, self.access))
        except (ValueError, HarnessError) as refusal:
            return str(refusal)
        # No refusal but an error, which `check_unlearns` meets again and reports.
        except Exception:
            return None
        return None

    def task(self, scope: Scope | None = None, access: Access | None = None, seed: int = 7) -> UnlearnTask:
        """Return a task, the usual one where nothing else is asked for."""
        return self.problem.task(scope or self.scope, access or self.access, seed)

    def run(self, task: UnlearnTask) -> Model:
        """Return the unlearned model."""
        result = self.unlearner.unlearn(task)
        return result.model if isinstance(result, Unlearned) else result

    @cached_property
    def usual(self) -> Model:
        """The unlearned model of the usual task."""
        return self.run(self.task())

    def outputs(self, model: Model) -> NDArray[Any]:
        """Return a model's logits on the test set."""
        return np.asarray(model.logits(self.problem.data.test.inputs))

    def contents(self, model: Model) -> Mapping[str, NDArray[Any]]:
        """Return what tells a model from another: its parameters, or its logits when it shows none."""
        return model.parameters() if isinstance(model, HasParameters) else {"logits": self.outputs(model)}

    def check_usable(self, model: Any) -> None:
        """Fail unless ``model`` answers with finite logits of the right shape."""
        require(isinstance(model, Model), f"unlearn returned {type(model).__name__}; return a model or "
                                          "harness.Unlearned(model=..., facts={...})")
        logits = self.outputs(model)
        shape = (len(self.problem.data.test), self.problem.data.num_classes)
        require(logits.shape == shape, f"the unlearned model's logits have shape {logits.shape}, expected {shape}; "
                                       "return a model with the outputs of the original")
        require(np.isfinite(logits).all(), "the unlearned model's logits are NaN or infinite; lower the learning "
                                           "rate or clip the gradient")


def same(left: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether two sets of arrays are bit-identical; NaN equals NaN."""
    return left.keys() == right.keys() and all(
        np.array_equal(left[name], right[name], equal_nan=True) for name in left)


def replaced(task: UnlearnTask, part: str, change: Callable[[Floats], Floats]) -> UnlearnTask:
    """Return ``task`` with the inputs of its ``forget`` or ``retain`` set changed."""
    examples: Examples = getattr(task, part)
    changes: dict[str, Any] = {part: Examples(inputs=change(examples.inputs), labels=examples.labels)}
    return attrs.evolve(task, **changes)
