import attrs
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from harness import Signals
from reference_methods.auditors.distance import OutputDistance
from reference_methods.auditors.divergences import euclidean, jensen_shannon, probabilities, total_variation
from tests.reference_methods.auditors.cases import case, class_request, dataset, sample_request, scores

DATA = dataset(30, 30)


def model(seed, scale=2.0):
    rng = np.random.default_rng(seed)
    return Signals(train=scale * rng.normal(size=(30, 3)).astype(np.float32),
                   test=scale * rng.normal(size=(30, 3)).astype(np.float32), digest=str(seed))


def held_against(own, *oracles, request=None, **settings):
    made = case(DATA, request or sample_request(10), np.zeros(60))
    return scores(OutputDistance(**settings).audit(attrs.evolve(made, unlearned=own, oracles=oracles)))


def test_jensen_shannon_is_scipys_squared():
    p, q = (probabilities(np.random.default_rng(seed).normal(size=(5, 4))) for seed in (0, 1))
    assert jensen_shannon(p, q) == pytest.approx([jensenshannon(a, b) ** 2 for a, b in zip(p, q, strict=True)])


def test_opposite_certainties_are_as_far_apart_as_can_be():
    p, q = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert jensen_shannon(p, q) == pytest.approx([np.log(2)])
    assert total_variation(p, q) == pytest.approx([1.0])
    assert euclidean(p, q) == pytest.approx([np.sqrt(2)])


def test_the_average_over_entries_that_public_code_takes_is_not_the_divergence():
    p, q = (probabilities(3 * np.random.default_rng(seed).normal(size=(200, 10))) for seed in (0, 1))
    middle = (p + q) / 2
    published = ((middle * (np.log(middle) - np.log(p))).mean() + (middle * (np.log(middle) - np.log(q))).mean()) / 2
    assert published < jensen_shannon(p, q).mean() / 2


def test_a_model_is_no_distance_from_itself():
    found = held_against(model(0), model(0))
    assert {name: found[name].value for name in ("JS", "TV", "Activation", "Agreement")} == pytest.approx(
        {"JS": 0, "TV": 0, "Activation": 0, "Agreement": 100}, abs=1e-12)


def test_distances_are_means_over_oracles():
    one, two = held_against(model(0), model(1)), held_against(model(0), model(2))
    both = held_against(model(0), model(1), model(2))
    for name in ("JS", "TV", "Activation", "Agreement"):
        assert both[name].value == pytest.approx((one[name].value + two[name].value) / 2)


def test_zrf_is_one_for_a_model_that_knows_nothing_and_does_not_depend_on_the_oracles():
    ignorant = model(0, scale=0.0)
    assert held_against(ignorant, model(1))["ZRF"].value == pytest.approx(1.0)
    assert held_against(model(0), model(1))["ZRF"].value == held_against(model(0), model(2))["ZRF"].value < 1


def test_the_unseen_part_of_a_class_request_is_the_class_in_the_test_set():
    own, other = model(0), model(1)
    found = held_against(own, other, part="unseen", request=class_request(DATA))
    rows = DATA.test.labels == 1
    expected = total_variation(probabilities(own.test[rows]), probabilities(other.test[rows])).mean()
    assert found["TV"].value == pytest.approx(expected)
    assert found["TV"].n == rows.sum()


def test_intervals_hold_the_mean_over_many_examples_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    everything = rng.normal(size=(2, 100_000, 3))
    truth = total_variation(*map(probabilities, everything)).mean()
    held = 0
    for _ in range(500):
        rows = rng.integers(100_000, size=30)
        own, other = (Signals(train=part[rows].astype(np.float32), test=part[rows].astype(np.float32), digest="")
                      for part in everything)
        score = held_against(own, other, request=sample_request(29))["TV"]
        held += score.low <= truth <= score.high
    assert 0.92 <= held / 500 <= 0.98


@pytest.mark.parametrize(("oracles", "message"), [
    ((), "output-distance compares with oracles; there is none"),
    ((attrs.evolve(model(1), train=np.full((30, 3), np.nan, dtype=np.float32)),), "logits is NaN"),
])
def test_what_cannot_be_compared_gets_one_clear_error(oracles, message):
    with pytest.raises(ValueError, match=message):
        held_against(model(0), *oracles)


def test_one_class_has_no_distance():
    with pytest.raises(ValueError, match="logits have 1 class"):
        probabilities(np.zeros((3, 1)))
