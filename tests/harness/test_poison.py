import attrs
import numpy as np
import pytest
from scipy.stats import kstest

from harness.context import Place, load_dataset
from harness.data import Dataset, Examples
from harness.errors import BadSetting
from harness.forget_sets import make_request
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.poison import poisoned
from harness.suite import AuditorSpec, PoisonSpec, RequestSpec

REGISTRY = load_registry(installed=False)
GAUSSIAN = PoisonSpec(kind="gaussian", size=10, groups=3, deviation=0.5)
SWAP = PoisonSpec(kind="swap", size=9, pairs=((1, 4), (0, 3)))


@pytest.fixture
def data():
    parts = [Examples(inputs=np.random.default_rng(seed).random((100, 1, 4, 4)), labels=np.arange(100) % 5)
             for seed in (0, 1)]
    return Dataset(name="toy", version="1", num_classes=5, train=parts[0], test=parts[1], source="a test")


def test_no_poison_changes_nothing(data):
    assert poisoned(data, None) is data


def test_noise_is_on_the_groups_and_nowhere_else(data):
    made = poisoned(data, GAUSSIAN)
    rows = np.concatenate(made.poison.groups)
    assert [len(group) for group in made.poison.groups] == [10, 10, 10]
    assert len(set(rows.tolist())) == 30
    others = np.setdiff1d(np.arange(100), rows)
    assert np.array_equal(made.train.inputs[others], data.train.inputs[others])
    assert np.array_equal(made.train.labels, data.train.labels)
    assert np.array_equal(made.poison.before(rows[:7]).inputs, data.train.inputs[rows[:7]])


def test_noise_is_normal_with_the_deviation_asked_for(data):
    made = poisoned(data, GAUSSIAN)
    noise = (made.train.inputs - data.train.inputs)[made.poison.rows].ravel()
    # Float32 inputs round the difference by 1e-7.
    assert kstest(noise / 0.5, "norm").pvalue > 0.01
    assert made.test is data.test


def test_labels_of_a_pair_are_exchanged_half_and_half(data):
    made = poisoned(data, SWAP)
    first, second = made.poison.groups
    assert data.train.labels[first].tolist() == [1] * 5 + [4] * 4
    assert made.train.labels[first].tolist() == [4] * 5 + [1] * 4
    assert set(made.train.labels[second]) == {0, 3}
    assert np.array_equal(made.train.inputs, data.train.inputs)


def test_the_seed_decides(data):
    first, again, other = (poisoned(data, attrs.evolve(GAUSSIAN, seed=seed)).digest for seed in (0, 0, 1))
    assert first == again != other


def test_the_source_says_that_it_is_poisoned(data):
    assert poisoned(data, SWAP).source == "a test; 18 training examples poisoned (swap)"


def test_forget_sets_are_the_groups(data):
    made = poisoned(data, GAUSSIAN)
    spec = RequestSpec(generator="poisoned", count=3)
    requests = [make_request(spec, r, 0, made.train, 5, None, made.poison) for r in range(3)]
    assert [request.forget.tolist() for request in requests] == [sorted(group) for group in made.poison.groups]
    assert requests[1].name == "poisoned-10-1"


@pytest.mark.parametrize(("poison", "message"), [
    (None, "forget set 0 of generator 'poisoned', but the training set has 0 groups"),
])
def test_without_poison_there_is_no_poisoned_forget_set(data, poison, message):
    with pytest.raises(BadSetting, match=message):
        make_request(RequestSpec(generator="poisoned"), 0, 0, data.train, 5, None, poison)


def test_an_example_that_was_not_poisoned_has_no_before(data):
    made = poisoned(data, GAUSSIAN)
    other = int(np.setdiff1d(np.arange(100), made.poison.rows)[0])
    with pytest.raises(ValueError, match=f"training example {other} was not poisoned; 1 of 2 were not"):
        made.poison.before(np.array([made.poison.rows[0], other]))


@pytest.mark.parametrize(("spec", "message"), [
    (attrs.evolve(GAUSSIAN, size=40), "3 groups of 40 examples, but there are only 100"),
    (attrs.evolve(GAUSSIAN, size=0.001), "data.poison: size = 0.001 takes 0 of 100"),
    (attrs.evolve(SWAP, size=50), "classes 1 and 4 have 40 examples to swap; 50 were asked for"),
])
def test_poison_that_does_not_fit_is_told(data, spec, message):
    with pytest.raises(BadSetting, match=message):
        poisoned(data, spec)


@pytest.mark.parametrize("pairs", [(), ((1, 1),), ((1, 2), (2, 3))])
def test_pairs_must_be_of_classes_of_their_own(pairs):
    with pytest.raises(ValueError, match="'swap' needs pairs of classes, no class twice"):
        PoisonSpec(kind="swap", pairs=pairs)


@pytest.mark.parametrize(("auditor", "poison", "generator", "reason"), [
    ("gus", None, "random", "needs a training set poisoned with 'gaussian'; the suite's is clean"),
    ("gus", SWAP, "poisoned", "needs a training set poisoned with 'gaussian'; the suite's is swap"),
    ("interclass-confusion", SWAP, "random",
     "judges the forgetting of poisoned examples; the suite's requests are 'random'"),
])
def test_audits_of_poison_are_skipped_where_there_is_none(tiny, tmp_path, auditor, poison, generator, reason):
    suite = attrs.evolve(tiny, data=attrs.evolve(tiny.data, poison=poison), auditors=(AuditorSpec(name=auditor),),
                         requests=RequestSpec(generator=generator, count=2))
    plan = make_plan(suite, load_dataset(REGISTRY, suite.data, Place(store=tmp_path)), REGISTRY)
    assert [skip.reason for skip in plan.skipped if skip.kind == "auditor"] == [reason]


TRIGGER = PoisonSpec(kind="trigger", size=10, groups=3)


def test_a_trigger_is_a_bright_square_in_the_corner_of_its_group(data):
    made = poisoned(data, TRIGGER)
    bright = data.train.inputs.max()
    for group, (row, column) in zip(made.poison.groups, [(3, 3), (0, 0), (0, 3)], strict=True):
        assert (made.train.inputs[group][:, 0, row, column] == bright).all()
        changed = made.train.inputs[group] != data.train.inputs[group]
        assert changed.sum(axis=(1, 2, 3)).max() == 1


def test_images_with_a_trigger_come_from_other_classes_and_get_its_own(data):
    made = poisoned(data, TRIGGER)
    for number, group in enumerate(made.poison.groups):
        assert number not in data.train.labels[group]
        assert set(made.train.labels[group]) == {number}
        assert np.array_equal(made.poison.before(group).labels, data.train.labels[group])


def test_groups_with_triggers_share_no_example_and_leave_the_others_alone(data):
    made = poisoned(data, TRIGGER)
    rows = np.concatenate(made.poison.groups)
    assert len(set(rows.tolist())) == 30
    others = np.setdiff1d(np.arange(100), rows)
    assert np.array_equal(made.train.inputs[others], data.train.inputs[others])
    assert np.array_equal(made.train.labels[others], data.train.labels[others])


@pytest.mark.parametrize(("changes", "message"), [
    ({"groups": 5}, "4 corners"), ({"size": 90}, "finds only 80")])
def test_triggers_that_do_not_fit_are_refused(data, changes, message):
    with pytest.raises(BadSetting, match=message):
        poisoned(data, attrs.evolve(TRIGGER, **changes))


def test_only_images_can_bear_a_trigger(data):
    flat = Examples(inputs=data.train.inputs.reshape(100, -1), labels=data.train.labels)
    with pytest.raises(BadSetting, match="marks images"):
        poisoned(attrs.evolve(data, train=flat, test=flat), TRIGGER)
