"""How the test set is divided into never-seen and public images."""

import numpy as np
import pytest

from harness import ForgetRequest
from reference_methods.auditors.kkt.unseen import split_test

TEST = np.arange(100) % 4
TRAIN = np.arange(40) % 4


def request(forget, scope="sample", classes=()):
    return ForgetRequest(name="r", scope=scope, forget=np.asarray(forget), classes=classes, generator="g", seed=0)


def test_never_seen_images_have_the_classes_of_the_forget_set():
    held_out = split_test(TEST, TRAIN, request([0, 4, 8, 1]), 20, seed=0)

    assert np.bincount(TEST[held_out.unseen]).tolist() == [15, 5]
    assert not set(held_out.unseen) & set(held_out.public)
    assert len(held_out.unseen) + len(held_out.public) == 100


def test_a_class_request_gets_images_of_both_sides():
    held_out = split_test(TEST, TRAIN, request(np.flatnonzero(TRAIN == 3), "class", (3,)), 24, seed=0)

    assert np.bincount(TEST[held_out.unseen]).tolist() == [4, 4, 4, 12]


def test_half_of_the_test_set_stays_public():
    assert len(split_test(TEST, TRAIN, request([0, 1]), 500, seed=0).unseen) == 50


def test_the_seed_decides():
    first, again, other = (split_test(TEST, TRAIN, request([0, 1]), 10, seed=seed).unseen.tolist() for seed in (1, 1, 2))

    assert first == again != other


def test_classes_that_the_test_set_lacks_are_refused():
    with pytest.raises(ValueError, match="no image of the classes"):
        split_test(TEST + 10, TRAIN, request([0, 1]), 10, seed=0)
