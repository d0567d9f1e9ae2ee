"""The l1 penalty and its schedules."""

from __future__ import annotations

import numpy as np
import pytest

from harness import UnlearnTask
from reference_methods.unlearners.sparse import L1Sparse


def total(arrays: dict[str, np.ndarray]) -> float:
    return sum(float(np.abs(array).sum()) for array in arrays.values())


def test_the_penalty_decays_linearly_to_zero() -> None:
    assert list(L1Sparse(alpha=1.0, epochs=4).strengths()) == [1.0, 0.75, 0.5, 0.25]


def test_the_published_penalty_rises_nearly_tenfold_before_it_falls() -> None:
    strengths = list(L1Sparse(as_published=True).strengths())

    # Products of 2, 1.8, 1.6, 1.4, 1.2, 1, ... times 5e-4.
    assert max(strengths) == pytest.approx(4.84e-3, rel=1e-3)
    assert int(np.argmax(strengths)) in {4, 5}


def test_one_fit_says_the_decaying_penalty(sample_task: UnlearnTask) -> None:
    options = L1Sparse().training(sample_task).options

    assert (options.l1, options.l1_schedule) == (5e-4, "decay")
    assert L1Sparse(as_published=True).training(sample_task) is None


def test_weights_become_smaller_and_more_so_with_the_published_schedule(sample_task: UnlearnTask) -> None:
    without, decaying, rising = (L1Sparse(alpha=alpha, as_published=published).unlearn(sample_task).parameters()
                                 for alpha, published in ((0.0, False), (5e-3, False), (5e-3, True)))

    assert total(rising) < total(decaying) < total(without)
