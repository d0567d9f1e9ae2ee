"""What the deployable track minimises: gaps to what held-out samples say of a retrained model."""

import numpy as np
import pytest

from harness.audits import Signals
from harness.data import Dataset, Examples
from harness.errors import BadSetting
from harness.suite import RequestSpec
from harness.tasks import ForgetRequest
from harness.tuning.objective import check_stand_in, stand_in_gap

LABELS = np.arange(60) % 3


def data():
    inputs = np.zeros((60, 2), dtype=np.float32)
    return Dataset(name="tiny", version="1", num_classes=3, source="", train=Examples(inputs=inputs, labels=LABELS),
                   test=Examples(inputs=inputs, labels=LABELS))


def logits(right, spread=0.0):
    """Return logits that are right where ``right`` says so, with confidences that differ a little between samples."""
    shown = np.where(right, LABELS, (LABELS + 1) % 3)
    confidence = 3 + spread * np.random.default_rng(0).standard_normal(60)
    return (np.eye(3)[shown] * confidence[:, None]).astype(np.float32)


def signals(train, test):
    return Signals(train=train, test=test, digest="")


def sample_request():
    return ForgetRequest(name="r", scope="sample", forget=np.arange(20), generator="random", seed=0)


ALL = np.ones(60, dtype=bool)
UNSEEN = np.arange(60) >= 30
ORIGINAL = signals(logits(ALL), logits(UNSEEN))


def test_doing_nothing_is_paid_for_by_the_forget_set_alone():
    gaps = stand_in_gap(ORIGINAL, ORIGINAL, data(), sample_request())
    # Right on all of D_F, on half of the held-out samples: 50 points too good, and told apart in 3 of 4 pairs.
    assert gaps == pytest.approx({"stand-in gap": 18.75, "forget": 50, "retain": 0, "held-out": 0, "inferred": 25})


def test_a_model_that_treats_the_forget_set_as_unseen_has_no_gap():
    forgetful = np.arange(60) >= 10
    gaps = stand_in_gap(signals(logits(forgetful), logits(UNSEEN)), ORIGINAL, data(), sample_request())
    assert gaps["stand-in gap"] == pytest.approx(0)


def test_lost_utility_is_paid_for():
    ruined = signals(logits(~ALL), logits(~ALL))
    gaps = stand_in_gap(ruined, ORIGINAL, data(), sample_request())
    assert (gaps["retain"], gaps["held-out"], gaps["inferred"]) == (100, 50, 0)


def test_a_forgotten_class_is_to_be_known_not_at_all_and_its_held_out_samples_count_for_inference_only():
    request = ForgetRequest(name="c", scope="class", forget=np.flatnonzero(LABELS == 1), classes=(1,),
                            generator="class", seed=0)
    without = LABELS != 1
    gaps = stand_in_gap(signals(logits(without), logits(UNSEEN & without)), ORIGINAL, data(), request)
    assert gaps["stand-in gap"] == pytest.approx(0)
    assert stand_in_gap(ORIGINAL, ORIGINAL, data(), request)["forget"] == 100


@pytest.mark.parametrize("generator", ["lowest-loss", "highest-loss"])
def test_forget_sets_chosen_by_their_loss_have_no_stand_in(generator):
    with pytest.raises(BadSetting, match="use --track oracle-tuned"):
        check_stand_in(RequestSpec(generator=generator))
