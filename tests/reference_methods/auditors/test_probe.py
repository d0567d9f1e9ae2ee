import attrs
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from harness import Dataset, Examples, ForgetRequest
from reference_methods.auditors.probe import LinearProbe, probe_margins
from tests.reference_methods.auditors.cases import case, sample_request, scores

SIZE = 600


class Sees:
    """A model whose features are its inputs; what it says itself plays no part."""

    def __init__(self, spoil=None):
        self.spoil = spoil

    def logits(self, inputs):
        return np.zeros((len(inputs), 2), dtype=np.float32)

    def features(self, inputs):
        return inputs if self.spoil is None else self.spoil(inputs)


def gaussians(distance, seed=0, memory=0.0):
    """Return two classes whose features lie ``distance`` deviations apart; training examples ``memory`` further."""
    rng = np.random.default_rng(seed)
    parts = []
    for extra in (memory, 0.0):
        labels = np.arange(SIZE) % 2
        inputs = rng.normal(size=(SIZE, 3))
        inputs[:, 0] += np.where(labels == 1, 1, -1) * (distance / 2 + extra)
        parts.append(Examples(inputs=inputs, labels=labels))
    return Dataset(name="gaussians", version="1", num_classes=2, train=parts[0], test=parts[1], source="a test")


def probed(data, model, request=None):
    made = case(data, request or sample_request(SIZE // 2), np.zeros(2 * SIZE))
    return LinearProbe().audit(attrs.evolve(made, models={"unlearned": model}))


def test_a_head_on_two_gaussians_has_the_closed_form_accuracy():
    found = scores(probed(gaussians(2.0), Sees()))["Probe accuracy"]
    assert found.value == pytest.approx(100 * norm.cdf(1.0), abs=3 * 2.1)
    assert found.low < found.value < found.high


def test_features_that_hold_training_examples_further_apart_are_found():
    assert scores(probed(gaussians(2.0, memory=1.5), Sees()))["Probe FT AUC"].value > 0.8
    assert scores(probed(gaussians(2.0), Sees()))["Probe FT AUC"].value == pytest.approx(0.5, abs=3 * 0.024)


def test_a_class_request_asks_how_well_the_features_still_tell_the_class():
    data = gaussians(2.0)
    request = ForgetRequest(name="class-1", scope="class", forget=np.flatnonzero(data.train.labels == 1), classes=(1,),
                            generator="class", seed=0)
    kept = probed(data, Sees(), request)
    lost = probed(data, Sees(lambda inputs: inputs[:, 1:]), request)
    assert scores(kept)["Probe accuracy"].value == pytest.approx(100 * norm.cdf(1.0), abs=3 * 2.1)
    assert scores(lost)["Probe accuracy"].value == pytest.approx(50, abs=3 * 2.9)
    assert list(scores(kept)) == ["Probe accuracy"]


def test_the_head_is_logistic_regression_on_standardised_features():
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(50, 4)), rng.integers(3, size=50)
    fitted = np.arange(40)

    margins = probe_margins(features, labels, fitted, c=0.5)

    standard = (features - features[fitted].mean(axis=0)) / features[fitted].std(axis=0)
    logits = LogisticRegression(C=0.5).fit(standard[fitted], labels[fitted]).decision_function(standard)
    own = logits[np.arange(50), labels]
    others = np.where(np.eye(3)[labels] == 1, -np.inf, logits).max(axis=1)
    # Both stop at a gradient of 1e-4.
    assert margins == pytest.approx(own - others, abs=1e-3)


def test_a_class_that_the_head_was_not_fitted_to_is_never_right():
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 3
    margins = probe_margins(rng.normal(size=(60, 2)), labels, np.flatnonzero(labels != 1), c=1.0)
    assert (margins[labels == 1] < margins[labels != 1].min()).all()


def test_a_unit_that_is_always_off_is_passed_over():
    data = gaussians(2.0)
    dead = Sees(lambda inputs: np.concatenate([inputs, np.zeros((len(inputs), 1), dtype=np.float32)], axis=1))
    assert scores(probed(data, dead))["Probe accuracy"].value == scores(probed(data, Sees()))["Probe accuracy"].value


class Blind:
    def logits(self, inputs):
        return np.zeros((len(inputs), 2), dtype=np.float32)


def test_one_class_alone_cannot_be_probed():
    with pytest.raises(ValueError, match="fits a head to class 1 alone"):
        probe_margins(np.zeros((4, 2)), np.array([1, 1, 0, 1]), np.array([0, 1]), c=1.0)


@pytest.mark.parametrize(("model", "error", "message"), [
    (Blind(), TypeError, "linear-probe reads features; Blind has none"),
    (Sees(lambda inputs: inputs * np.nan), ValueError, "features is NaN"),
    (Sees(lambda inputs: inputs * np.inf), ValueError, "features are infinite|features is NaN"),
])
def test_what_cannot_be_probed_gets_one_clear_error(model, error, message):
    with pytest.raises(error, match=message):
        probed(gaussians(2.0), model)
