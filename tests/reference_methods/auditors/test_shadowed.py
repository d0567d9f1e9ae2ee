import attrs
import numpy as np
import pytest
from scipy.stats import norm

from harness.audits import Shadows
from reference_methods.auditors.shadowed import EpsilonScore, Klom, ULira
from tests.reference_methods.auditors.cases import case, dataset, sample_request, scores, shadows, signals

FORGET, TEST, MODELS = 300, 60, 64
DATA = dataset(2 * FORGET, TEST)
POOL = 2 * FORGET + TEST
REQUEST = sample_request(FORGET)


def world(seed, shift, audited_shift=None, models=MODELS):
    """Return a case: confidences of forgotten examples are ``shift`` higher in unlearned models than in retrained."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(3, 2, POOL)
    raised = shift * (np.arange(POOL) < FORGET)
    audited = raised if audited_shift is None else audited_shift * (np.arange(POOL) < FORGET)
    sides = [difficulty + extra + rng.normal(size=(models, POOL)) for extra in (raised, 0.0)]
    oracles = tuple(signals(difficulty + rng.normal(size=POOL), DATA) for _ in range(3))
    return case(DATA, REQUEST, difficulty + audited + rng.normal(size=POOL), oracles=oracles,
                shadows=shadows(*sides, DATA))


def test_known_gaussians_give_the_closed_form_accuracy_auc_and_tpr():
    found = scores(ULira().audit(world(0, 1.5)))
    # 300 forgotten examples and 900 of oracles; Gaussians fitted to 64 models cost about .01.
    assert found["U-LiRA accuracy"].value == pytest.approx(100 * norm.cdf(0.75), abs=3 * 1.5 + 1)
    assert found["U-LiRA AUC"].value == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=3 * 0.015 + 0.01)
    truth = 100 * norm.sf(norm.ppf(0.99) - 1.5)
    assert found["U-LiRA TPR@1%FPR"].value == pytest.approx(truth, abs=12)


def test_a_model_that_never_saw_the_examples_scores_one_half():
    found = scores(ULira().audit(world(1, 1.5, audited_shift=0.0)))
    assert found["U-LiRA accuracy"].value == pytest.approx(50, abs=3 * 1.8)
    assert found["U-LiRA AUC"].value == pytest.approx(0.5, abs=3 * 0.02)


def test_a_method_that_leaves_nothing_behind_scores_one_half():
    found = scores(ULira().audit(world(2, 0.0)))
    assert found["U-LiRA accuracy"].value == pytest.approx(50, abs=3 * 1.8)


def test_shadows_that_agree_on_both_sides_are_a_coins_throw():
    flat = np.zeros((4, POOL))
    made = attrs.evolve(world(0, 0.0), shadows=shadows(flat, flat, DATA))
    assert scores(ULira().audit(made))["U-LiRA accuracy"].value == 50.0


@pytest.mark.parametrize("score", ["U-LiRA accuracy", "U-LiRA AUC"])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(score):
    truth = {"U-LiRA accuracy": 100 * norm.cdf(0.5), "U-LiRA AUC": norm.cdf(1 / np.sqrt(2))}[score]
    # Known centres: the same two models over and over, one deviation apart.
    data = dataset(160, 8)
    held = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        spread = np.repeat([-1.0, 1.0], 2)[:, None]
        sides = shadows(np.broadcast_to(1 + spread, (4, 168)), np.broadcast_to(spread, (4, 168)), data)
        made = case(data, sample_request(80), 1 + rng.normal(size=168), shadows=sides,
                    oracles=(signals(rng.normal(size=168), data),))
        found = scores(ULira(rates=()).audit(made))[score]
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 500 <= 0.98


def test_klom_is_at_its_null_for_equal_distributions_and_far_above_for_others():
    null, shifted = (scores(Klom().audit(world(3, shift, models=100))) for shift in (0.0, 2.0))
    # .345 at 100 models a side with all values kept in the bins, .643 at the 95th percentile as published.
    assert null["KLoM forget mean"].value == pytest.approx(0.345, abs=0.04)
    assert null["KLoM forget"].value == pytest.approx(0.66, abs=0.1)
    assert shifted["KLoM forget"].value > 2.5
    assert shifted["KLoM retain"].value == pytest.approx(null["KLoM retain"].value, abs=0.1)


def test_the_direction_of_klom_is_a_setting_and_is_said():
    made = world(4, 1.0, models=16)
    forward, backward = (Klom(direction=d).audit(made) for d in ("unlearned-oracle", "oracle-unlearned"))
    turned = Shadows(unlearned=made.shadows.retrained, retrained=made.shadows.unlearned)
    assert forward.scores != backward.scores
    assert Klom().audit(attrs.evolve(made, shadows=turned)).scores == backward.scores
    assert (forward.notes["direction"], forward.notes["unlearned shadows"]) == ("unlearned-oracle", 16)


def test_the_forgetting_score_is_at_its_null_for_equal_distributions_and_below_for_others():
    null, shifted = (scores(EpsilonScore().audit(world(5, shift))) for shift in (0.0, 3.0))
    assert null["F score"].value == pytest.approx(0.187, abs=0.03)
    assert shifted["F score"].value < 0.05
    assert shifted["Epsilon"].value > 3 > null["Epsilon"].value


def test_the_final_score_counts_what_the_method_has_spoilt():
    made = world(6, 0.0, models=8)
    spoilt = made.shadows.unlearned.copy()
    # Half of the unlearned models take every example for another class.
    spoilt[:4] = -spoilt[:4]
    worse = attrs.evolve(made, shadows=attrs.evolve(made.shadows, unlearned=spoilt))
    fine, report = scores(EpsilonScore().audit(made)), EpsilonScore().audit(worse)
    assert fine["Final score"].value == pytest.approx(fine["F score"].value, rel=0.02)
    found, kept = scores(report), report.notes["accuracy kept"]
    assert kept["test"] == pytest.approx(0.5, abs=0.15)
    assert found["Final score"].value == pytest.approx(found["F score"].value * kept["retain"] * kept["test"], rel=1e-3)


def test_only_audits_of_one_model_are_made_for_every_model():
    assert (ULira().needs.method_level, Klom().needs.method_level, EpsilonScore().needs.method_level) == (
        False, True, True)


@pytest.mark.parametrize("audit", [ULira(), Klom(), EpsilonScore()])
def test_the_protocol_is_part_of_the_report(audit):
    assert audit.audit(world(7, 1.0, models=8)).notes["protocol"].startswith("shadow originals: whole training set")


@pytest.mark.parametrize(("audit", "changes", "message"), [
    (ULira(), {"shadows": None}, "u-lira needs shadows; the suite has none"),
    (ULira(), {"oracles": ()}, "u-lira needs an oracle"),
    (ULira(least_shadows=9), {}, "u-lira needs 9 shadows a side; got 8"),
    (Klom(least_shadows=9), {}, "klom needs 9 shadows a side; got 8"),
    (EpsilonScore(), {"request": sample_request(0)}, "the forget set is empty"),
    (Klom(), {"shadows": shadows(np.full((8, POOL), np.nan), np.zeros((8, POOL)), DATA)}, "logits is NaN"),
])
def test_what_cannot_be_audited_gets_one_clear_error(audit, changes, message):
    with pytest.raises(ValueError, match=message):
        audit.audit(attrs.evolve(world(8, 1.0, models=8), **changes))
