import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reference_methods.auditors.signals import KINDS, signal

LOGITS = hnp.arrays(np.float64, (3, 4), elements=st.floats(-30, 30))
LABELS = hnp.arrays(np.int64, (3,), elements=st.integers(0, 3))
INF = np.inf


@pytest.mark.parametrize(
    ("logits", "value"),
    [([10.0, -10.0, -10.0, -10.0], -3.7911), ([-10.0, 10.0, -10.0, -10.0], 5.1635)],
)
def test_the_published_taylor_signal_leaves_the_unit_interval_and_the_default_does_not(logits, value):
    options = {"temperature": 2.0, "margin": 0.6, "order": 4}

    as_published = signal([logits], [0], "taylor-soft-margin", **options, as_published=True)
    right = signal([logits], [0], "taylor-soft-margin", **options)

    # The published figures have four decimals.
    assert as_published == pytest.approx([value], abs=5e-5)
    assert 0 <= right[0] <= 1


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        ("softmax", "softmax", {"temperature": 2.0}),
        ("logit-scaling", "log-logit-scaling", {}),
        ("taylor", "taylor", {"temperature": 2.0}),
        ("taylor", "taylor_5", {"order": 5}),
        ("taylor-soft-margin", "taylor-soft-margin", {"temperature": 2.0, "margin": 0.6}),
        ("taylor-soft-margin", "taylor-soft-margin_6", {"margin": 0.4, "order": 6}),
    ],
)
def test_published_signals_are_those_of_the_authors_code(published, kind, name, options):
    vector = published("signals")

    values = signal(vector["logits"], vector["labels"], kind, **options, as_published=True)

    # Both are float64; the series are added in the same order.
    assert values == pytest.approx(vector[name], rel=1e-12)


def test_soft_margin_is_that_of_the_authors_code_where_that_does_not_overflow(published):
    vector = published("signals")
    rows = np.arange(12) != 3

    values = signal(vector["logits"][rows], vector["labels"][rows], "soft-margin", temperature=2.0, margin=0.6)

    assert values == pytest.approx(vector["soft-margin_without_row_3"], rel=1e-12)


def test_modified_entropy_is_song_and_mittals_and_as_published_that_of_the_unlearning_code(published):
    vector = published("modified_entropy")
    rows = np.arange(12) != 3

    right = signal(vector["all_logits"][rows], vector["all_labels"][rows], "modified-entropy")
    some_classes = signal(vector["logits"], vector["labels"], "modified-entropy", as_published=True)
    all_classes = signal(vector["all_logits"], vector["all_labels"], "modified-entropy", as_published=True)
    entropy = signal(vector["all_logits"], vector["all_labels"], "entropy")

    # Song and Mittal's code takes 1 - p from a rounded p: relative 1e-16 / 1e-9 at these logits.
    assert right == pytest.approx(vector["_m_entr_comp"], rel=1e-6, abs=1e-8)
    assert some_classes == pytest.approx(vector["m_entropy"], rel=1e-6)
    # Row 3 of the published value has a float32 log 1e-30.
    assert all_classes == pytest.approx(vector["m_entropy_all"], rel=1e-6)
    assert entropy == pytest.approx(vector["entropy"], rel=1e-9, abs=1e-15)


def test_as_published_modified_entropy_of_a_sample_depends_on_its_neighbours_labels():
    logits = [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]

    beside_its_own = signal(logits, [0, 0], "modified-entropy", as_published=True)[0]
    beside_another = signal(logits, [0, 1], "modified-entropy", as_published=True)[0]

    assert beside_its_own != beside_another
    assert signal(logits, [0, 0], "modified-entropy")[0] == signal(logits, [0, 1], "modified-entropy")[0]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("softmax", 0.75),
        ("soft-margin", 0.6),
        ("logit-scaling", np.log(3)),
        ("cross-entropy", -np.log(0.75)),
        ("margin", np.log(3)),
        ("entropy", -0.75 * np.log(0.75) - 0.25 * np.log(0.25)),
        ("modified-entropy", -2 * 0.25 * np.log(0.75)),
        ("taylor", (1 + 2 + 2 + 8 / 6 + 16 / 24) / (1 + 2 + 2 + 8 / 6 + 16 / 24 + 1)),
        ("taylor-soft-margin", (1 + 1 + 1 / 2 + 1 / 6 + 1 / 24) / (1 + 1 + 1 / 2 + 1 / 6 + 1 / 24 + 1)),
    ],
)
def test_each_kind_has_the_value_worked_out_by_hand(kind, value):
    logits = [[2.0, 0.0]] if "taylor" in kind else [[np.log(3), 0.0]]
    margin = 1.0 if kind == "taylor-soft-margin" else np.log(2)

    assert signal(logits, [0], kind, margin=margin) == pytest.approx([value], rel=1e-14)


@pytest.mark.parametrize(
    ("logits", "label", "kind", "value"),
    [
        ([INF, 1.0, 2.0], 0, "logit-scaling", INF),
        ([INF, 1.0, 2.0], 1, "logit-scaling", -INF),
        ([-INF, 1.0, 2.0], 0, "logit-scaling", -INF),
        ([1.0, -INF, -INF], 0, "logit-scaling", INF),
        ([INF, INF, 2.0], 0, "logit-scaling", 0.0),
        ([-INF, -INF, -INF], 0, "softmax", 1 / 3),
        ([INF, 1.0, 2.0], 0, "softmax", 1.0),
        ([INF, 1.0, 2.0], 1, "softmax", 0.0),
        ([-INF, 1.0, 1.0], 1, "soft-margin", 0.5),
        ([INF, 1.0, 2.0], 0, "cross-entropy", 0.0),
        ([INF, 1.0, 2.0], 1, "cross-entropy", INF),
        ([INF, 1.0, 2.0], 0, "margin", INF),
        ([-INF, 1.0, 3.0], 1, "margin", -2.0),
        ([INF, INF, 2.0], 1, "margin", 0.0),
        ([-INF, 1.0, 1.0], 0, "entropy", np.log(2)),
        ([INF, 1.0, 2.0], 0, "entropy", 0.0),
        ([INF, 1.0, 2.0], 0, "modified-entropy", 0.0),
        ([INF, 1.0, 2.0], 1, "modified-entropy", -2 * np.log(1e-30)),
        ([INF, 1.0, 2.0], 0, "taylor", 1.0),
        ([INF, 1.0, 2.0], 1, "taylor-soft-margin", 0.0),
        ([1e200, 1e200, 2.0], 1, "taylor", 0.5),
    ],
)
def test_infinite_logits_take_their_limit(logits, label, kind, value):
    assert signal([logits], [label], kind) == pytest.approx([value], rel=1e-14)


def test_saturated_confidence_keeps_its_digits():
    # A softmax in float64 ends at 1 here, and its logit at infinity.
    assert signal([[60.0, 0.0]], [0], "logit-scaling")[0] == 60.0
    assert signal([[60.0, 0.0]], [0], "cross-entropy")[0] == pytest.approx(np.exp(-60.0), rel=1e-14, abs=0)
    assert signal([[60.0, 0.0]], [0], "modified-entropy")[0] == pytest.approx(2 * np.exp(-120.0), rel=1e-14, abs=0)
    assert signal([[800.0, 0.0]], [1], "soft-margin")[0] == 0.0


@given(LOGITS, LABELS, st.floats(-50, 50), st.sampled_from([kind for kind in KINDS if "taylor" not in kind]))
def test_adding_a_constant_to_all_logits_changes_nothing(logits, labels, constant, kind):
    shifted = signal(logits + constant, labels, kind)

    # The constant rounds the logits themselves at 1e-14 of 80, and 1 - p loses nothing further.
    assert shifted == pytest.approx(signal(logits, labels, kind), rel=1e-9, abs=1e-12)


@given(LOGITS, LABELS, st.sampled_from(KINDS), st.permutations(range(3)))
def test_permuting_samples_permutes_signals(logits, labels, kind, order):
    assert np.array_equal(signal(logits[order], labels[order], kind), signal(logits, labels, kind)[order])


@given(LOGITS, LABELS, st.sampled_from([2, 4, 6]))
def test_a_taylor_signal_of_even_degree_is_a_probability(logits, labels, order):
    values = signal(logits, labels, "taylor-soft-margin", margin=0.6, order=order)

    assert np.all((values >= 0) & (values <= 1))


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_models_are_done_one_by_one(kind, as_published):
    logits = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0])

    values = signal(logits, labels, kind, as_published=as_published)

    assert values.shape == (2, 3, 5)
    assert values.dtype == np.float64
    assert np.array_equal(values[1, 2], signal(logits[1, 2], labels, kind, as_published=as_published))


@pytest.mark.parametrize(
    ("logits", "labels", "options", "message"),
    [
        ([[np.nan, 1.0]], [0], {}, r"logits is NaN at index \(0, 0\)"),
        ([1.0, 2.0], [0], {}, r"logits has shape \(2,\); expected \(\.\.\., N, C\)"),
        (np.ones((0, 3)), [], {}, "logits is empty"),
        ([[1.0]], [0], {}, "1 class"),
        ([[1.0, 2.0]], [0, 1], {}, r"labels has shape \(2,\); expected \(1\)"),
        ([[1.0, 2.0]], [2], {}, "expected 0 to 1"),
        ([[1.0, 2.0]], [-1], {}, "expected 0 to 1"),
        ([[1.0, 2.0]], [0.0], {}, "expected integers"),
        ([[1.0, 2.0]], [0], {"kind": "loss"}, "kind is 'loss'; expected one of softmax"),
        ([[1.0, 2.0]], [0], {"temperature": 0.0}, "temperature is 0.0"),
        ([[1.0, 2.0]], [0], {"margin": np.nan}, "margin is nan"),
        ([[1.0, 2.0]], [0], {"kind": "taylor", "order": 3}, "odd degree"),
        ([[1.0, 2.0]], [0], {"order": 0}, "order is 0"),
    ],
)
def test_what_is_not_a_signal_gets_one_clear_error(logits, labels, options, message):
    with pytest.raises(ValueError, match=message):
        signal(logits, labels, **{"kind": "softmax", **options})
