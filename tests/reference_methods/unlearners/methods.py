"""Every reference unlearner, with settings under which a run on a tiny network is short and does something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Unlearner, UnlearnTask
from reference_methods.unlearner_plugin import harness_unlearners
from tests.reference_methods.unlearners.torch_tasks import torch_task

QUICK_ATTACK = {"eps": 0.5, "attack_steps": 12}

SETTINGS: dict[str, dict[str, Any]] = {
    "cf-k": {"k": 2, "epochs": 3},
    "eu-k": {"k": 2},
    "boundary-shrink": {"lr": 1e-2},
    "boundary-expand": {"lr": 1e-2},
    "amun": QUICK_ATTACK,
    "amun+salun": QUICK_ATTACK,
    "amun-a": QUICK_ATTACK,
    "adv-ablation": QUICK_ATTACK,
    "unsir": {"noise_images": 8, "noise_steps": 10, "copies": 2},
    "scrub+r": {"reference_error": 0.3},
    # Six random samples hardly differ from the others, so the published thresholds would select nothing.
    "ssd": {"alpha": 1.1},
    "lfssd": {"alpha": 1.1},
}

BOTH_SETS = {"neggrad+", "rl", "salun", "amun", "amun+salun", "amun-a", "adv-ablation", "trw", "svd", "scrub",
             "scrub+r", "bad-teacher", "ssd", "lfssd", "msg", "ft-all", "retrain+ft"}
USES_FORGET_SET = BOTH_SETS | {"ga", "boundary-shrink", "boundary-expand", "delete"}
USES_RETAIN_SET = BOTH_SETS | {"retrain", "ft", "cf-k", "eu-k", "l1-sparse", "unsir", "ct"}

METHODS: list[Unlearner] = [method(**SETTINGS.get(method.name, {})) for method in harness_unlearners()]


def task_for(method: Unlearner, network: str = "convolutional") -> UnlearnTask:
    """Return a task that the method can serve."""
    return torch_task(network, "sample" if "sample" in method.scopes else "class")


def those(condition: Callable[[Unlearner], bool]) -> list[Any]:
    """Return the methods that fulfil a condition, as parameters of a test with their names."""
    import pytest

    return [pytest.param(method, id=method.name) for method in METHODS if condition(method)]
