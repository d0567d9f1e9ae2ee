import attrs
import numpy as np
import pytest
from scipy.stats import norm

from harness import Signals
from reference_methods.auditors.neighbours import MiaNN
from tests.reference_methods.auditors.cases import case, class_request, dataset, sample_request, scores

IMAGES = 400
DATA = dataset(40, 4 * IMAGES, classes=4)
FORGOTTEN = DATA.test.labels == 1


def model(seed, nearest=2.0, shift=0.0, forgotten_logit=0.0):
    """Return a model that takes class 1 for class 2 to a degree; retained classes lie 8 apart with unit noise.

    Logits of retained classes 0, 2, 3 for an image of class 1 are N(0, 1), N(nearest, 1) and N(shift, 1).
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(4 * IMAGES, 4))
    logits[np.arange(4 * IMAGES), DATA.test.labels] += np.where(FORGOTTEN, 0, 8)
    logits[FORGOTTEN, 2] += nearest
    logits[FORGOTTEN, 3] += shift
    logits[:, 1] = forgotten_logit
    return Signals(train=np.zeros((40, 4), dtype=np.float32), test=logits.astype(np.float32), digest=str(seed))


ORACLES = tuple(model(seed) for seed in range(1, 4))


def audited(own, oracles=ORACLES, request=None):
    made = case(DATA, request or class_request(DATA), np.zeros(40 + 4 * IMAGES))
    return MiaNN().audit(attrs.evolve(made, unlearned=own, oracles=oracles))


def test_the_nearest_class_is_the_one_that_the_oracles_take_the_images_for():
    report = audited(model(0))
    # Of three normal variables the one that is 2 above the others is the largest with this probability.
    grid = np.linspace(-8, 8, 4001)
    share = float(np.sum(norm.pdf(grid - 2) * norm.cdf(grid) ** 2) * (grid[1] - grid[0]))
    assert report.notes["nearest class"] == 2
    assert report.notes["its share"] == pytest.approx(share, abs=3 * 0.01)


def test_an_oracle_is_accepted_as_often_as_the_others_and_told_from_none():
    found = scores(audited(model(0)))
    others = [scores(audited(model(seed)))["MIA-NN"].value for seed in range(4, 8)]
    assert found["MIA-NN"].value == pytest.approx(np.mean(others), abs=3 * 2.5 + 1)
    assert found["MIA-NN AUC"].value == pytest.approx(0.5, abs=3 * 0.025)
    assert found["MIA-NN TV"].value < 0.1


def test_a_model_that_takes_the_class_for_another_one_is_found_by_every_score():
    found = scores(audited(model(0, nearest=0.0, shift=2.0)))
    oracle = scores(audited(model(9)))
    assert found["MIA-NN"].value < oracle["MIA-NN"].value - 30
    assert found["MIA-NN AUC"].value > 0.9
    assert found["MIA-NN TV"].value > 0.5
    assert found["MIA-NN JS"].value > 10 * oracle["MIA-NN JS"].value


def test_a_known_shift_of_one_logit_gives_the_closed_form_auc():
    found = scores(audited(model(0, shift=1.0)))["MIA-NN AUC"]
    # Log probabilities are three unit normals less a common term: a shift of one, seen in the plane of differences,
    # is sqrt(2/3) deviations long.
    truth = norm.cdf(np.sqrt(2 / 3) / np.sqrt(2))
    # The direction is learnt from 200 images, which costs up to .015.
    assert found.value == pytest.approx(truth, abs=3 * 0.02 + 0.015)
    assert found.low < found.value < found.high


def test_silencing_the_forgotten_logit_alone_changes_nothing():
    assert audited(model(0, forgotten_logit=-1e9)).scores == audited(model(0)).scores


def test_a_constant_added_to_all_logits_changes_nothing():
    own = model(0)
    moved = audited(attrs.evolve(own, test=own.test + np.float32(64)))
    for left, right in zip(moved.scores, audited(own).scores, strict=True):
        # Float32 logits lose digits when they grow.
        assert left.value == pytest.approx(right.value, abs=0.3)


def test_the_same_seed_splits_the_images_alike():
    assert audited(model(0)).scores == audited(model(0)).scores


@pytest.mark.parametrize(("changes", "message"), [
    ({"oracles": ORACLES[:1]}, "needs 2 oracles beside the audited model; got 1"),
    ({"request": sample_request(3)}, "'some' names none"),
    ({"unlearned": attrs.evolve(model(0), test=np.full((4 * IMAGES, 4), np.nan, dtype=np.float32))}, "logits is NaN"),
    ({"request": attrs.evolve(class_request(DATA), classes=(0, 1, 2))}, "2 retained classes to be told apart; got 1"),
])
def test_what_cannot_be_judged_gets_one_clear_error(changes, message):
    made = attrs.evolve(case(DATA, class_request(DATA), np.zeros(40 + 4 * IMAGES)), unlearned=model(0), oracles=ORACLES)
    with pytest.raises(ValueError, match=message):
        MiaNN().audit(attrs.evolve(made, **changes))


def test_too_few_test_images_of_the_class_are_an_error():
    data = dataset(40, 12, classes=4)
    small = Signals(train=np.zeros((40, 4), dtype=np.float32), test=np.zeros((12, 4), dtype=np.float32), digest="")
    made = attrs.evolve(case(data, class_request(data), np.zeros(52)), unlearned=small, oracles=(small, small))
    with pytest.raises(ValueError, match="there are 3, it needs 4"):
        MiaNN().audit(made)
