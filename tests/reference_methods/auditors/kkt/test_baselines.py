"""INA and model inversion."""

import numpy as np
import pytest
from attrs import evolve, frozen

from harness import AuditCase, Auditor, Dataset, Examples, ForgetRequest, References, Signals
from reference_methods.auditors.kkt.baselines import Ina, ModelInversion, best_threshold, confidences

RNG = np.random.default_rng(0)
LABELS = np.arange(20) % 2


def make_data(inputs=None):
    inputs = RNG.uniform(size=(20, 1, 4, 4)) if inputs is None else inputs
    return Dataset(name="d", version="1", num_classes=2, source="test", train=Examples(inputs=inputs, labels=LABELS),
                   test=Examples(inputs=inputs, labels=LABELS))


def make_request(scope="sample"):
    forget = np.flatnonzero(LABELS == 1) if scope == "class" else np.arange(4)
    return ForgetRequest(name="r", scope=scope, forget=forget, classes=(1,) if scope == "class" else (), generator="g",
                         seed=0)


def logits_of(confidence):
    """Return (..., 2) logits with these probabilities of the true class."""
    margin = np.log(confidence / (1 - confidence))
    labels = np.concatenate([LABELS, LABELS])
    return np.stack([np.where(labels == 0, margin, 0), np.where(labels == 1, margin, 0)], axis=-1).astype(np.float32)


def test_confidence_is_the_probability_of_the_true_class():
    wanted = RNG.uniform(0.1, 0.9, (3, 40))

    # 1e-6: logits are single precision.
    assert confidences(logits_of(wanted), np.concatenate([LABELS, LABELS])) == pytest.approx(wanted, abs=1e-6)


def test_the_best_threshold_is_the_lowest_with_fewest_errors():
    assert best_threshold(np.array([0.1, 0.5, 0.6, 0.9]), np.array([False, True, False, True])) == 0.5
    assert best_threshold(np.array([0.2, 0.2, 0.7]), np.array([False, True, True])) in (0.2, 0.7)
    assert best_threshold(np.array([0.3, 0.3]), np.array([True, True])) == 0.3


def test_ina_counts_what_looks_like_a_member():
    membership = RNG.permuted(np.tile(np.arange(40) % 2 == 0, (6, 1)), axis=1)
    references = References(logits=logits_of(np.where(membership, 0.9, 0.6)), membership=membership, digest="")
    own = np.full(40, 0.6)
    own[[0, 1, 2]] = 0.95
    own[20:30] = 0.95
    logits = logits_of(own)
    case = AuditCase(data=make_data(), request=make_request(), references=references,
                     unlearned=Signals(train=logits[:20], test=logits[20:], digest=""))

    report = Ina().audit(case)

    assert report.value("INA") == 75.0
    assert report.value("INA retain") == 0.0
    assert report.value("INA test") == 50.0


def test_ina_says_that_it_needs_references():
    logits = logits_of(np.full(40, 0.6))
    case = AuditCase(data=make_data(), request=make_request(),
                     unlearned=Signals(train=logits[:20], test=logits[20:], digest=""))

    with pytest.raises(ValueError, match="no references"):
        Ina().audit(case)


@frozen
class Template:
    """A linear model whose logit of a class is the product with its template."""

    templates: np.ndarray

    def logits(self, inputs):
        return (inputs.reshape(len(inputs), -1) @ self.templates.T).astype(np.float32)

    def input_gradients(self, inputs, labels):
        logits = self.logits(inputs)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        slope = odds / odds.sum(axis=1, keepdims=True) - np.eye(2)[labels]
        return (slope @ self.templates).reshape(inputs.shape).astype(np.float32), logits


def test_inversion_shows_a_class_that_the_model_knows_and_not_one_that_it_forgot():
    shapes = np.zeros((2, 16))
    shapes[0, :8], shapes[1, 8:] = 1, 1
    inputs = (shapes[LABELS] + 0.05 * RNG.normal(size=(20, 16))).reshape(20, 1, 4, 4)
    data = make_data(inputs)
    signals = Signals(train=np.zeros((20, 2)), test=np.zeros((20, 2)), digest="")
    case = AuditCase(data=data, request=make_request("class"), unlearned=signals, models={"unlearned": Template(shapes)})
    blank = evolve(case, models={"unlearned": Template(np.zeros((2, 16)))})

    assert ModelInversion().audit(case).value("Inversion corr") > 0.9
    assert ModelInversion().audit(blank).value("Inversion corr") == pytest.approx(0, abs=1e-6)
    assert list(ModelInversion().audit(case).figures) == ["representatives.png"]


@pytest.mark.parametrize("kind", [Ina, ModelInversion])
def test_both_fit_the_contract(kind):
    assert isinstance(kind(), Auditor)
