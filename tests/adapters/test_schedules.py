"""Learning rates against torch's own schedulers, and penalty strengths."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler

from adapters.schedules import l1_strength, learning_rates
from harness.models import FitOptions


def _rates_of_torch(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_step_multiplies_by_gamma_as_torch_does() -> None:
    rates = learning_rates(FitOptions(epochs=7, lr=0.2, schedule="step", step_size=3, gamma=0.5), steps_per_epoch=2)

    expected = _rates_of_torch(lambda optimizer: lr_scheduler.StepLR(optimizer, 3, 0.5), steps=7)
    assert rates[::2] == rates[1::2] == pytest.approx(expected)


def test_multistep_multiplies_at_milestones_as_torch_does() -> None:
    options = FitOptions(epochs=6, lr=0.2, schedule="multistep", milestones=(2, 5))

    expected = _rates_of_torch(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2, 5], 0.1), steps=6)
    assert learning_rates(options, steps_per_epoch=1) == pytest.approx(expected)


def test_cosine_anneals_every_step_as_torch_does() -> None:
    rates = learning_rates(FitOptions(epochs=3, lr=0.2, schedule="cosine"), steps_per_epoch=4)

    expected = _rates_of_torch(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=12), steps=12)
    assert rates == pytest.approx(expected)


def test_linear_decays_every_step_as_torch_does() -> None:
    rates = learning_rates(FitOptions(epochs=3, lr=0.2, schedule="linear"), steps_per_epoch=4)

    expected = _rates_of_torch(lambda optimizer: lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=12), steps=12)
    assert rates == pytest.approx(expected)


def test_warm_up_rises_linearly_and_the_schedule_has_what_is_left() -> None:
    options = FitOptions(epochs=3, lr=0.4, schedule="linear", warmup_epochs=1)

    rates = learning_rates(options, steps_per_epoch=4)

    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4] + [0.4 * (1 - step / 8) for step in range(8)])


def test_milestones_are_epochs_of_training_even_after_warm_up() -> None:
    options = FitOptions(epochs=4, lr=1.0, schedule="multistep", milestones=(2,), warmup_epochs=1)

    assert learning_rates(options, steps_per_epoch=1) == pytest.approx([1.0, 1.0, 0.1, 0.1])


def test_warm_up_may_take_all_of_training() -> None:
    rates = learning_rates(FitOptions(epochs=1, lr=1.0, warmup_epochs=5), steps_per_epoch=2)

    assert rates == pytest.approx([0.5, 1.0])


@pytest.mark.parametrize(("schedule", "strengths"), [
    ("constant", [8.0, 8.0, 8.0, 8.0]), ("decay", [8.0, 6.0, 4.0, 2.0]), ("rise", [0.0, 2.0, 4.0, 6.0])])
def test_the_penalty_is_constant_decays_or_rises_by_epoch(schedule: str, strengths: list[float]) -> None:
    options = FitOptions(epochs=4, l1=8.0, l1_schedule=schedule)

    assert [l1_strength(options, epoch) for epoch in range(4)] == strengths
