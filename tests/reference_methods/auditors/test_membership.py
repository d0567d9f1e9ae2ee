import attrs
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from reference_methods.auditors.membership import Lira, Rmia
from reference_methods.auditors.population import LossThreshold
from tests.reference_methods.auditors.cases import (
    case,
    class_request,
    dataset,
    halves,
    references,
    sample_request,
    scores,
    signals,
)

FORGET, TEST, MODELS = 120, 240, 128
DATA = dataset(2 * FORGET, TEST)
POOL = 2 * FORGET + TEST
MEMBERSHIP = halves(MODELS, POOL)
AUDITS = [Rmia(), Rmia(mode="offline"), Rmia(gamma=1.2), Rmia(trim=0.2), Rmia(as_published=True),
          Lira(), Lira(mode="offline"), Lira(variance="per-example"), LossThreshold()]


def drawn(seed, shift, models=MODELS, data=DATA):
    """Return confidences ~ N(2 + shift, 1) in the training set and N(2, 1) elsewhere; references likewise."""
    rng = np.random.default_rng(seed)
    train, pool = len(data.train), len(data.train) + len(data.test)
    target = 2 + rng.normal(size=pool) + shift * (np.arange(pool) < train)
    membership = halves(models, pool)
    others = 2 + rng.normal(size=(models, pool)) + shift * membership
    return target, references(others, membership, data)


def audited(audit, seed, shift):
    target, others = drawn(seed, shift)
    return audit.audit(case(DATA, sample_request(FORGET), target, references=others))


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: f"{audit.name}-{getattr(audit, 'mode', '')}")
def test_gaussians_of_known_distance_give_the_closed_form_auc(audit):
    found = scores(audited(audit, 0, 1.5))
    prefix = {"lira": "LiRA ", "loss-threshold": "Loss "}.get(audit.name, "")

    # 128 references leave some noise in every centre, which costs a hundredth.
    truth = norm.cdf(1.5 / np.sqrt(2))
    assert found[f"{prefix}FT AUC"].value == pytest.approx(truth, abs=3 * 0.02 + 0.01)
    assert found[f"{prefix}RT AUC"].value == pytest.approx(truth, abs=3 * 0.02 + 0.01)


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: f"{audit.name}-{getattr(audit, 'mode', '')}")
def test_what_was_never_trained_on_looks_like_chance(audit):
    auc = next(s for s in audited(audit, 1, 0.0).scores if s.name.endswith("FT AUC"))
    assert auc.value == pytest.approx(0.5, abs=3 * 0.033)
    assert auc.chance == 0.5


@pytest.mark.parametrize(("audit", "name"), [
    (Rmia(rates=()), "FT AUC"), (Lira(rates=()), "LiRA FT AUC"), (LossThreshold(rates=()), "Loss FT AUC")])
def test_ninety_five_per_cent_intervals_hold_the_truth_that_often(audit, name):
    truth = norm.cdf(1 / np.sqrt(2))
    data = dataset(120, 60)

    held = 0
    for seed in range(500):
        target, others = drawn(seed, 1.0, models=16, data=data)
        score = scores(audit.audit(case(data, sample_request(60), target, references=others)))[name]
        held += score.low <= _finite_reference_truth(name, truth) <= score.high

    assert 0.92 <= held / 500 <= 0.98


def _finite_reference_truth(name, truth):
    # What attacks with eight references a side come to, measured over 400,000 examples to within .001.
    return truth if name == "Loss FT AUC" else {"FT AUC": 0.753, "LiRA FT AUC": 0.728}[name]


def test_tpr_at_one_per_cent_is_the_closed_form_and_its_interval_exact():
    rng = np.random.default_rng(2)
    data = dataset(4000, 4000)
    target = rng.normal(size=8000) + 2 * (np.arange(8000) < 4000)

    found = scores(LossThreshold().audit(case(data, sample_request(2000), target)))["Loss TPR@1%FPR"]

    truth = 100 * norm.sf(norm.ppf(0.99) - 2)
    # The threshold rests on 40 of 4,000 examples.
    assert found.value == pytest.approx(truth, abs=5)
    assert found.low < found.value < found.high
    assert found.chance == 1.0


def test_a_rate_that_the_test_set_cannot_show_is_refused_and_said_so():
    report = audited(Rmia(rates=(0.01, 0.001)), 0, 1.0)
    assert "TPR@1%FPR" in scores(report)
    assert "TPR@0.1%FPR" not in scores(report)
    assert report.notes["TPR@0.1%FPR"] == "refused: 240 unseen examples cannot show a rate below 1 in 240"


def test_the_ratio_is_kept_and_its_auc_is_that_of_the_scores_against_a_population():
    target, others = drawn(3, 1.0)
    request = sample_request(FORGET)
    plain = Rmia().audit(case(DATA, request, target, references=others))
    scored = Rmia(gamma=1.1).audit(case(DATA, request, target, references=others))

    truth = np.arange(POOL)[[*range(FORGET), *range(2 * FORGET, POOL)]] < FORGET
    kept = plain.per_sample["ratio"][[*range(FORGET), *range(2 * FORGET, POOL)]]
    assert scores(plain)["FT AUC"].value == pytest.approx(roc_auc_score(truth, kept), rel=1e-12)
    # Scores are multiples of 1/240, so some order is lost in ties.
    assert scores(scored)["FT AUC"].value == pytest.approx(scores(plain)["FT AUC"].value, abs=0.02)
    assert scored.per_sample["score"].min() >= 0
    assert scored.per_sample["score"].max() <= 1


def test_a_test_example_does_not_vote_on_itself():
    flat = references(np.full((MODELS, POOL), 2.0), MEMBERSHIP, DATA)

    report = Rmia(gamma=0.5).audit(case(DATA, sample_request(FORGET), np.full(POOL, 2.0), references=flat))

    # Everybody outdoes everybody by more than one half.
    assert report.per_sample["score"] == pytest.approx(np.ones(POOL))


def test_a_class_is_held_against_unseen_examples_of_that_class():
    rng = np.random.default_rng(4)
    target = rng.normal(size=POOL)
    labels = np.concatenate([DATA.train.labels, DATA.test.labels])
    # The class stands out, trained on or not: no evidence of membership.
    target[labels == 1] += 5

    found = scores(LossThreshold().audit(case(DATA, class_request(DATA), target)))

    assert found["Loss FT AUC"].value == pytest.approx(0.5, abs=3 * 0.046)
    assert found["Loss RT AUC"].value == pytest.approx(0.5, abs=3 * 0.03)


def test_an_attack_on_the_average_misses_what_lira_finds():
    rng = np.random.default_rng(5)
    difficulty = rng.normal(0, 6, POOL)
    target = difficulty + rng.normal(size=POOL) + 1.5 * (np.arange(POOL) < 2 * FORGET)
    others = references(difficulty + rng.normal(size=(MODELS, POOL)) + 1.5 * MEMBERSHIP, MEMBERSHIP, DATA)
    audited_case = case(DATA, sample_request(FORGET), target, references=others)

    assert scores(LossThreshold().audit(audited_case))["Loss FT AUC"].value < 0.65
    assert scores(Lira().audit(audited_case))["LiRA FT AUC"].value > 0.8


def test_the_threshold_is_the_mean_loss_of_the_retain_set():
    data = dataset(8, 4)
    # Losses of the retain set are log 2 (confidence 0); two of the forget set and one of the test set lie below.
    target = np.array([1.0, 1.0, -1.0, -1.0, 0, 0, 0, 0, 1.0, -1.0, -1.0, -1.0])

    found = scores(LossThreshold().audit(case(data, sample_request(4), target)))["Loss accuracy"]

    assert found.value == pytest.approx(100 * (2 / 4 + 3 / 4) / 2)


def test_an_accuracy_of_all_or_nothing_still_has_an_interval():
    target = np.concatenate([np.full(2 * FORGET, 5.0), np.full(TEST, -5.0)])
    target[FORGET : 2 * FORGET] = 4.0
    found = scores(LossThreshold().audit(case(DATA, sample_request(FORGET), target)))["Loss accuracy"]
    assert (found.value, found.high) == (100.0, 100.0)
    # Wilson: 1 - 3.84 / (n + 3.84) for 120 and for 240.
    assert found.low == pytest.approx(100 - 50 * np.hypot(3.8415 / 123.84, 3.8415 / 243.84), abs=1e-3)


@pytest.mark.parametrize("audit", [Rmia(), Lira()])
def test_only_the_references_asked_for_are_used(audit):
    target, others = drawn(6, 1.0)
    few = attrs.evolve(audit, references=16)
    cut = references(np.zeros((16, POOL)), MEMBERSHIP[:16], DATA)
    cut = attrs.evolve(cut, logits=others.logits[:16])

    left = few.audit(case(DATA, sample_request(FORGET), target, references=others))
    right = audit.audit(case(DATA, sample_request(FORGET), target, references=cut))

    assert left.scores == right.scores
    assert few.needs.references == 16


@pytest.mark.parametrize(("audit", "changes", "message"), [
    (Rmia(), {}, "rmia needs reference models; the suite has none"),
    (Lira(), {}, "lira needs reference models; the suite has none"),
    (Lira(), {"references": references(np.zeros((2, POOL)), np.ones((2, POOL), dtype=bool), DATA)},
     "online LiRA needs at least one model not trained on each sample; sample 0 has none"),
    (LossThreshold(), {"unlearned": signals(np.full(POOL, np.nan), DATA)}, r"logits is NaN at index"),
    (LossThreshold(), {"request": sample_request(0)}, "the forget set is empty"),
    (LossThreshold(), {"request": sample_request(2 * FORGET)}, "nothing is left to retain"),
    (LossThreshold(), {"unlearned": signals(np.zeros(POOL - 1), dataset(2 * FORGET, TEST - 1))},
     r"labels has shape \(480\); expected \(479\)|labels has shape \(480,\); expected \(479\)"),
])
def test_what_cannot_be_audited_gets_one_clear_error(audit, changes, message):
    with pytest.raises(ValueError, match=message):
        audit.audit(attrs.evolve(case(DATA, sample_request(FORGET), np.zeros(POOL)), **changes))


def test_a_class_without_test_examples_cannot_be_held_against_anything():
    data = dataset(30, 1)
    with pytest.raises(ValueError, match="no test example is of the forgotten class 1"):
        LossThreshold().audit(case(data, class_request(data), np.zeros(31)))


@pytest.mark.parametrize("settings", [{"mode": "both"}, {"a": 1.5}, {"trim": 0.5}, {"gamma": 0.0}, {"order": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Rmia(**settings)
