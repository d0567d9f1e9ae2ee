"""Rank tests of a forget set against never-seen images, and the paper's V and D."""

import numpy as np
import pytest

from reference_methods.auditors.kkt.evidence import evidence, rank_p_values, recovery_distances, verified

UNSEEN = np.linspace(0, 1, 19)
LABELS = np.zeros(19, dtype=np.int64)


def test_a_group_above_all_never_seen_images_has_the_smallest_exact_p_value():
    found = evidence(np.array([2.0, 3.0, 4.0, 5.0]), UNSEEN[:8], LABELS[:4], LABELS[:8])

    assert found.auc == 1.0
    # One of the 12 over 4 = 495 equally likely subsets of ranks.
    assert found.p_value == pytest.approx(1 / 495)
    assert found.per_sample.tolist() == pytest.approx([1 / 9] * 4)
    assert found.q_values.tolist() == pytest.approx([1 / 9] * 4)


def test_an_exchangeable_group_is_at_chance():
    rng = np.random.default_rng(0)
    p_values = [evidence(rng.normal(size=10), rng.normal(size=40), np.zeros(10, dtype=int),
                         np.zeros(40, dtype=int)).p_value for _ in range(200)]

    # 3 standard errors of the mean of 200 uniform numbers.
    assert np.mean(p_values) == pytest.approx(0.5, abs=3 * np.sqrt(1 / 12 / 200))


def test_samples_are_ranked_among_never_seen_images_of_their_class():
    unseen, labels = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])

    assert rank_p_values(np.array([0.5, 0.5, 0.5]), unseen, np.array([0, 1, 7]), labels).tolist() == pytest.approx(
        [1 / 3, 1.0, 3 / 5])


def test_a_tie_counts_against_the_image():
    assert rank_p_values(np.array([1.0]), UNSEEN, LABELS[:1], LABELS).tolist() == [2 / 20]


def test_v_is_the_share_strictly_above_the_threshold():
    assert verified(np.array([0.1, 0.3, 0.5, 0.7]), 0.3) == 0.5
    assert verified(np.array([0.1, 0.3]), np.array([0.05, 0.4])) == 0.5


def test_d_pairs_recoveries_of_the_same_image():
    before, after = np.eye(3), np.eye(3)[[0, 2, 2]]

    assert recovery_distances(before, after) == pytest.approx([0, np.sqrt(2), 0])
