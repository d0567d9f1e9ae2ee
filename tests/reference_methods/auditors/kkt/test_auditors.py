"""The audit ``kkt`` on models that have and have not seen the forget set, and on what it cannot judge."""

import io

import numpy as np
import pytest
from PIL import Image

from harness import Auditor, ForgetRequest
from reference_methods.auditors.kkt import REFERENCE, Kkt
from tests.reference_methods.auditors.kkt.conftest import DenseModel

AUDIT = Kkt(restarts=2, steps=300)


@pytest.fixture(scope="module")
def reports(original, oracles, make_case):
    return [AUDIT.audit(make_case(model)) for model in (original, *oracles)]


def test_the_forget_set_is_nearer_to_the_original_than_to_any_oracle(reports):
    for name in ("KKT AUC", "KKT white AUC", "KKT span AUC"):
        assert reports[0].value(name) > max(report.value(name) for report in reports[1:])


def test_the_original_gives_the_forget_set_away_and_the_oracles_do_not(reports):
    assert reports[0].value("KKT white p") < 0.01
    assert all(report.value("KKT white p") > 0.01 for report in reports[1:])


def test_the_retain_set_is_found_in_every_model(reports):
    assert all(report.notes["kept_p"]["whitened"] < 0.01 for report in reports)


def test_the_notes_say_how_far_the_model_is_trained(reports):
    notes = reports[0].notes

    assert notes["loss"] < 1e-2
    assert 0 < notes["margin_min"] <= notes["margin_median"]
    assert set(notes["residuals"]) == {"W1", "b1", "W2", "W3"}
    assert notes["bank"] == 2 * 2 * 16


def test_arrays_have_one_value_per_image(reports):
    arrays = reports[0].per_sample

    assert arrays["train_whitened"].shape == arrays["train_ssim"].shape == (16,)
    assert arrays["unseen_correlation"].shape == arrays["unseen_indices"].shape
    assert arrays["recovered"].shape == (16, 1, 8, 8)


def test_figures_are_pictures(reports):
    for png in reports[0].figures.values():
        assert Image.open(io.BytesIO(png)).format == "PNG"


def test_the_same_case_gives_the_same_report(original, make_case, reports):
    again = AUDIT.audit(make_case(original))

    assert [score.value for score in again.scores] == [score.value for score in reports[0].scores]


def test_a_network_with_another_bias_is_inconclusive(original, make_case):
    model = DenseModel({**original.weights, "output.bias": np.zeros(2, dtype=np.float32)})

    report = AUDIT.audit(make_case(model))

    assert [(score.name, score.value) for score in report.scores] == [("KKT bank", 0)]
    assert "bias after the first layer" in report.notes["inconclusive"]


def test_a_network_that_is_not_relu_is_inconclusive(original, make_case):
    class Tanh(DenseModel):
        def logits(self, inputs):
            return np.tanh(super().logits(inputs))

    report = AUDIT.audit(make_case(Tanh(original.weights)))

    assert "not those of a ReLU network" in report.notes["inconclusive"]


def test_a_bank_of_blanks_is_inconclusive(original, make_case):
    model = DenseModel({name: np.zeros_like(value) for name, value in original.weights.items()})

    report = Kkt(restarts=1, steps=1).audit(make_case(model))

    assert report.value("KKT bank") == 0 or report.notes["kept_p"]["whitened"] > 0.05


def test_a_model_that_is_hardly_trained_is_marked_weak(original, make_case):
    tired = DenseModel({name: 0.3 * value for name, value in original.weights.items()})

    assert "above 0.01" in AUDIT.audit(make_case(tired)).notes["weak"]


def test_a_class_request_compares_each_side_with_its_own_classes(original, make_case, data):
    odd = ForgetRequest(name="odd", scope="class", classes=(1,), generator="class", seed=0,
                        forget=np.flatnonzero(data.train.labels == 1))

    report = AUDIT.audit(make_case(original, odd))

    assert report.value("KKT white AUC") > 0.6
    assert len(report.per_sample["unseen_indices"]) == AUDIT.never_seen


def test_the_published_procedure_runs_too(original, make_case):
    report = Kkt(restarts=2, steps=50, as_published=True).audit(make_case(original))

    assert report.notes["rank"] == 64
    assert 0 <= report.value("KKT AUC") <= 1


@pytest.mark.parametrize("kind", REFERENCE)
def test_both_audits_fit_the_contract(kind):
    assert isinstance(kind(), Auditor)
