import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import BadSetting, Examples, ForgetRequest
from harness.forget_sets import losses_from_logits, make_request, memorisation, needs_losses
from harness.suite import RequestSpec

SEEDS = st.integers(0, 2**53 - 1)


def examples(labels) -> Examples:
    return Examples(inputs=np.zeros((len(labels), 1), dtype=np.float32), labels=np.array(labels))


def request(spec: RequestSpec, index: int = 0, seed: int = 0, labels=tuple(range(10)) * 2,
            losses=None) -> ForgetRequest:
    return make_request(spec, index, seed, examples(labels), 10, losses)


@given(st.integers(2, 80).flatmap(lambda total: st.tuples(st.just(total), st.integers(1, total - 1))), SEEDS)
def test_a_random_request_has_as_many_samples_as_asked_for(case, seed):
    total, size = case

    made = request(RequestSpec(size=size), seed=seed, labels=[0] * total)

    assert len(made.forget) == size
    assert made.retain_mask(total).sum() == total - size


def test_a_size_below_one_is_a_share_of_the_training_set():
    made = request(RequestSpec(size=0.1), index=2, seed=7, labels=[0] * 900)

    assert len(made.forget) == 90
    assert (made.name, made.scope, made.generator, made.seed) == ("random-90-of-900-2", "sample", "random", 7)


def test_a_random_request_depends_on_its_seed_and_not_on_its_index():
    first, same, other = (request(RequestSpec(size=100), index, seed, labels=[0] * 900)
                          for index, seed in ((0, 1), (1, 1), (0, 2)))

    assert first.digest == same.digest
    assert first.digest != other.digest


def test_a_random_request_is_the_same_on_every_machine_and_release():
    assert request(RequestSpec(size=4), seed=42).forget.tolist() == [4, 8, 15, 17]


def test_samples_are_drawn_evenly():
    hits = np.zeros(20)
    for seed in range(2000):
        hits[request(RequestSpec(size=5), seed=seed).forget] += 1

    # Binomial(2000, 1/4) has mean 500 and standard deviation 19.4; 5 of them is 97.
    assert hits == pytest.approx(np.full(20, 500), abs=97)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda labels: len(set(labels)) > 1))
def test_a_class_request_takes_every_example_of_the_class_and_no_other(labels):
    made = request(RequestSpec(generator="class", classes=(labels[0],)), labels=labels)

    assert made.forget.tolist() == [i for i, label in enumerate(labels) if label == labels[0]]
    assert (made.name, made.scope, made.classes) == (f"class-{labels[0]}", "class", (labels[0],))


def test_listed_classes_are_forgotten_in_their_order_and_without_a_list_each_in_turn():
    assert request(RequestSpec(generator="class", classes=(7, 3)), index=1).classes == (3,)
    assert request(RequestSpec(generator="class"), index=4).classes == (4,)


LOSSES = st.lists(st.floats(0, 10), min_size=7, max_size=40).map(np.array)


@given(LOSSES)
def test_sets_of_lowest_loss_are_consecutive_slices_of_the_ranking(losses):
    spec = RequestSpec(generator="lowest-loss", size=3)
    labels = [0] * len(losses)

    first, second = (request(spec, index, labels=labels, losses=losses) for index in (0, 1))
    rest = np.setdiff1d(np.arange(len(losses)), np.concatenate([first.forget, second.forget]))

    assert len(rest) == len(losses) - 6
    assert losses[first.forget].max() <= losses[second.forget].min()
    assert losses[second.forget].max() <= losses[rest].min()


@given(LOSSES)
def test_the_highest_losses_are_forgotten_from_the_top(losses):
    made = request(RequestSpec(generator="highest-loss", size=3), labels=[0] * len(losses), losses=losses)

    assert sorted(losses[made.forget]) == sorted(losses)[-3:]


@pytest.mark.parametrize("generator", ["lowest-loss", "highest-loss"])
def test_equal_losses_rank_by_index(generator):
    spec = RequestSpec(generator=generator, size=2)

    assert request(spec, labels=[0] * 6, losses=np.ones(6)).forget.tolist() == [0, 1]
    second = request(spec, index=1, labels=[0] * 6, losses=np.ones(6))
    assert (second.forget.tolist(), second.name) == ([2, 3], f"{generator}-2-of-6-1")


def test_an_example_is_memorised_if_only_those_that_saw_it_are_sure_of_it():
    # Two examples, four models, each example in half of them; logit gap 2 is a probability of 0.8808.
    sure, unsure = [2.0, 0.0], [0.0, 0.0]
    logits = np.array([[sure, sure], [sure, sure], [unsure, sure], [unsure, sure]], dtype=np.float32)
    membership = np.array([[True, False], [True, True], [False, True], [False, False]])

    found = memorisation(logits, membership, np.array([0, 0]))

    # float32 logits: seven digits.
    assert found == pytest.approx([0.880797 - 0.5, 0.0], abs=1e-6)
    spec = RequestSpec(generator="most-memorised", size=1)
    assert request(spec, labels=[0, 0], losses=found).forget.tolist() == [0]


def test_memorisation_asks_models_on_both_sides():
    with pytest.raises(ValueError, match="in some references and out of others"):
        memorisation(np.zeros((2, 3, 2), dtype=np.float32), np.ones((2, 3), dtype=bool), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="expected \\(R, P, C\\)"):
        memorisation(np.zeros((2, 1, 2), dtype=np.float32), np.ones((2, 1), dtype=bool), np.zeros(2, dtype=np.int64))


def test_only_the_loss_generators_need_losses():
    needing = [name for name in ("random", "class", "lowest-loss", "highest-loss")
               if needs_losses(RequestSpec(generator=name))]

    assert needing == ["lowest-loss", "highest-loss"]


@pytest.mark.parametrize(("size", "message"), [
    (2.5, "neither a number of samples nor a share"),
    (0.001, "takes 0 of 20"),
    (20, "takes 20 of 20 training examples; expected 1 to 19"),
    (0.99, "takes 20 of 20"),
])
def test_a_size_that_forgets_nothing_everything_or_a_part_of_a_sample_is_refused(size, message):
    with pytest.raises(BadSetting, match=message):
        request(RequestSpec(size=size))


@pytest.mark.parametrize(("spec", "index", "labels", "message"), [
    (RequestSpec(generator="class", classes=(1, 2)), 2, (1, 2), "forget set 2 .* lists only 2"),
    (RequestSpec(generator="class", classes=(10,)), 0, (1, 2), "class 10 cannot be forgotten; the classes are 0 to 9"),
    (RequestSpec(generator="class", classes=(3,)), 0, (1, 2), "no training example belongs to it"),
    (RequestSpec(generator="class", classes=(1,)), 0, (1, 1), "nothing would be left"),
])
def test_a_class_that_cannot_be_forgotten_is_refused(spec, index, labels, message):
    with pytest.raises(BadSetting, match=message):
        request(spec, index, labels=labels)


@pytest.mark.parametrize(("losses", "message"), [
    (None, "got none"),
    (np.ones(3), r"losses of shape \(3,\)"),
    (np.full(20, np.nan), "diverged"),
])
def test_losses_that_cannot_be_ranked_are_refused(losses, message):
    with pytest.raises(BadSetting, match=message):
        request(RequestSpec(generator="lowest-loss", size=2), losses=losses)


def test_more_slices_than_the_ranking_has_are_refused():
    with pytest.raises(BadSetting, match="needs ranks up to 24 of 20"):
        request(RequestSpec(generator="highest-loss", size=12), index=1, losses=np.arange(20.0))


def test_losses_are_the_cross_entropy():
    logits = np.array([[0, 0], [0, 100], [100, 0]], dtype=np.float32)

    losses = losses_from_logits(logits, np.array([0, 0, 0]))

    # To the rounding of float64; at 100 the other class is below it.
    assert losses == pytest.approx([np.log(2), 100, np.exp(-100)], rel=1e-12)


def test_losses_of_very_sure_predictions_still_differ():
    logits = np.array([[60, 0], [50, 0], [40, 0]], dtype=np.float32)

    assert np.all(np.diff(losses_from_logits(logits, np.zeros(3, dtype=np.int64))) > 0)


@given(st.lists(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3), min_size=1, max_size=8))
def test_losses_agree_with_the_textbook_formula(rows):
    logits = np.array(rows, dtype=np.float32)
    labels = np.arange(len(rows)) % 3
    chances = np.exp(logits.astype(np.float64))
    expected = -np.log(chances[np.arange(len(rows)), labels] / chances.sum(axis=1))

    # The textbook formula cancels near zero, with an absolute error of the order of 1e-16.
    assert losses_from_logits(logits, labels) == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("labels", "message"), [
    ([0, 2], r"expected \[0, 2\)"),
    ([0], r"expected \(N, C\) and \(N,\)"),
])
def test_labels_that_do_not_fit_the_logits_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        losses_from_logits(np.zeros((2, 2), dtype=np.float32), np.array(labels))


def sequence(spec: RequestSpec, labels=tuple(range(10)) * 2, losses=None) -> list[ForgetRequest]:
    made: list[ForgetRequest] = []
    for index in range(spec.count):
        previous = made[-1] if spec.step(index) else None
        made.append(make_request(spec, index, index, examples(labels), 10, losses, previous=previous))
    return made


def test_the_steps_of_a_sequence_have_no_example_in_common():
    made = sequence(RequestSpec(size=5, count=4, sequence=4))
    assert sorted(np.concatenate([one.forget for one in made])) == list(range(20))


def test_what_was_forgotten_before_is_in_no_later_retain_set():
    first, second, third = sequence(RequestSpec(size=3, count=3, sequence=3))
    assert third.earlier.tolist() == sorted([*first.forget, *second.forget])
    assert not third.retain_mask(20)[[*first.forget, *second.forget, *third.forget]].any()
    assert third.retain_mask(20).sum() == 11


def test_what_a_step_is_audited_for_is_all_that_was_forgotten_up_to_it():
    first, second = sequence(RequestSpec(generator="class", classes=(4, 2), count=2, sequence=2))
    assert first.so_far is first
    assert second.so_far.forget.tolist() == [2, 4, 12, 14]
    assert second.so_far.classes == (4, 2)
    assert len(second.so_far.earlier) == 0
    assert second.so_far.retain_mask(20).sum() == second.retain_mask(20).sum() == 16


def test_a_second_sequence_begins_anew():
    made = sequence(RequestSpec(size=8, count=4, sequence=2))
    assert [len(one.earlier) for one in made] == [0, 8, 0, 8]


def test_slices_of_a_ranking_follow_one_another_in_a_sequence():
    losses = np.arange(20.0)
    made = sequence(RequestSpec(generator="highest-loss", size=2, count=2, sequence=2), losses=losses)
    assert [one.forget.tolist() for one in made] == [[18, 19], [16, 17]]


def test_the_same_class_twice_in_a_sequence_is_told():
    with pytest.raises(BadSetting, match=r"forget set 1: .* example 4 was forgotten before"):
        sequence(RequestSpec(generator="class", classes=(4, 4), count=2, sequence=2))


def test_a_sequence_that_would_run_out_of_examples_is_told():
    with pytest.raises(BadSetting, match="asks for 8 examples, but its earlier steps leave 4 of 20; lower 'sequence'"):
        sequence(RequestSpec(size=8, count=3, sequence=3))


def test_a_later_step_has_a_digest_that_knows_the_earlier_ones():
    _, second = sequence(RequestSpec(size=3, count=2, sequence=2))
    alone = ForgetRequest(name="alone", scope="sample", forget=second.forget, generator="random", seed=0)
    assert second.digest != alone.digest
