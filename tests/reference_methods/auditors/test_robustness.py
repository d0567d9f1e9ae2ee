import attrs
import numpy as np
import pytest

from harness import Signals
from harness.context import Place, load_dataset
from harness.describe import describe
from harness.errors import UnknownName
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.suite import AuditorSpec
from reference_methods.auditors.population import LossThreshold
from reference_methods.auditors.robustness import AfterFinetune, AfterPrune, AfterQuantise
from tests.reference_methods.auditors.cases import case, dataset, sample_request, scores

DATA = dataset(40, 30)
SETTINGS = {"rates": []}
LOSS = {"inner": "loss-threshold", "settings": SETTINGS}


class Weights:
    """A model whose logits are a few weights times the label's own column, and which writes down how it was trained."""

    def __init__(self, weights, trained=None):
        self.weights = weights
        self.trained = trained

    def logits(self, inputs):
        numbers = inputs[:, 0].astype(int)
        return np.resize(self.weights["layer"], (len(inputs), 3))[numbers % 10].astype(np.float32)

    def parameters(self):
        return {name: array.copy() for name, array in self.weights.items()}

    def with_parameters(self, parameters):
        return Weights(dict(parameters))

    def fit(self, data, options, seed, mask=None):
        self.trained = data, options, seed
        return Weights({**self.weights, "layer": self.weights["layer"] + 1})


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    return Weights({"layer": rng.normal(size=(10, 3)).astype(np.float32), "bias": np.array([9.0, 0.0], np.float32),
                    "count": np.array([[3]])})


def inner_case(model):
    made = case(DATA, sample_request(20), np.zeros(70))
    signals = Signals(train=model.logits(DATA.train.inputs), test=model.logits(DATA.test.inputs), digest="")
    return attrs.evolve(made, unlearned=signals, models={"unlearned": model})


def weights_shown(wrapper, model):
    """Return the weights of the copy that the audit inside was shown."""
    seen = {}

    class Watched(Weights):
        def with_parameters(self, parameters):
            seen.update(parameters)
            return Weights(dict(parameters))

    wrapper.audit(inner_case(Watched(model.weights)))
    return seen


def test_the_report_is_that_of_the_inner_audit_on_the_worn_copy(model):
    report = AfterFinetune(**LOSS).audit(inner_case(model))

    tuned = model.fit(None, None, 0)
    direct = LossThreshold(rates=()).audit(inner_case(tuned))
    assert {name.removesuffix(" after fine-tuning"): score.value for name, score in scores(report).items()} == {
        name: score.value for name, score in scores(direct).items()}
    assert report.notes["inside"] == "loss-threshold"


def test_fine_tuning_is_on_the_retain_set(model):
    made = inner_case(model)
    AfterFinetune(**LOSS, epochs=2, lr=0.5).audit(made)
    data, options, _ = model.trained
    assert sorted(data.inputs[:, 0]) == list(range(20, 40))
    assert (options.epochs, options.lr, options.momentum) == (2, 0.5, 0.9)


def test_pruning_takes_the_least_weights_of_every_matrix_and_leaves_vectors_and_counts(model):
    weights = weights_shown(AfterPrune(**LOSS, share=0.2), model)
    layer = weights["layer"]
    assert (layer == 0).sum() == 6
    kept = np.abs(model.weights["layer"])[layer != 0]
    assert kept.min() > np.abs(model.weights["layer"])[layer == 0].max()
    assert weights["bias"].tolist() == [9.0, 0.0]
    assert weights["count"].tolist() == [[3]]


def test_random_pruning_takes_as_many(model):
    assert (weights_shown(AfterPrune(**LOSS, share=0.5, which="random"), model)["layer"] == 0).sum() == 15


@pytest.mark.parametrize(("bits", "levels"), [(8, 127), (4, 7)])
def test_quantised_weights_lie_on_a_grid_of_that_many_bits(model, bits, levels):
    seen = weights_shown(AfterQuantise(**LOSS, bits=bits), model)
    step = np.abs(model.weights["layer"]).max() / levels
    assert seen["layer"] / step == pytest.approx(np.round(seen["layer"] / step), abs=1e-4)
    assert np.abs(seen["layer"] - model.weights["layer"]).max() <= step / 2 + 1e-6


def test_the_audited_model_is_left_as_it_was(model):
    before = model.weights["layer"].copy()
    for wrapper in (AfterFinetune(**LOSS), AfterPrune(**LOSS), AfterQuantise(**LOSS)):
        wrapper.audit(inner_case(model))
    assert np.array_equal(model.weights["layer"], before)


def test_needs_are_those_of_the_inner_audit_and_the_model():
    assert AfterPrune().needs.references == -1
    assert AfterPrune(inner="output-distance").needs.oracles == 1
    assert AfterPrune().needs.models


def test_one_wrapper_can_be_put_round_another(model):
    both = AfterQuantise(inner="after-prune", settings={"inner": "loss-threshold", "settings": SETTINGS})
    assert next(iter(scores(both.audit(inner_case(model))))) == "Loss FT AUC after pruning after int8"


def test_the_inner_audits_source_is_part_of_the_key():
    assert describe(AfterPrune())["wrapped"] == describe(AfterPrune().wrapped)
    assert "wrapped" not in describe(LossThreshold())


def test_a_wrapper_whose_inside_cannot_run_is_skipped_with_that_reason(tiny, tmp_path):
    registry = load_registry(installed=False)
    suite = attrs.evolve(tiny, auditors=(AuditorSpec(name="after-prune", settings={"inner": "mia-nn"}),))
    plan = make_plan(suite, load_dataset(registry, suite.data, Place(store=tmp_path)), registry)
    assert [skip.reason for skip in plan.skipped if skip.kind == "auditor"] == [
        "'mia-nn' inside it judges class requests, the suite's are sample requests"]


@pytest.mark.parametrize(("inner", "error", "message"), [
    ("average-gap", ValueError, "cannot be put round 'average-gap', which reads the reports of other audits"),
    ("u-lira", ValueError, "cannot be put round 'u-lira', which reads shadows"),
    ("rmai", UnknownName, "did you mean 'rmia'"),
])
def test_what_cannot_be_wrapped_is_told(inner, error, message):
    with pytest.raises(error, match=message):
        _ = AfterPrune(inner=inner).needs


class Fixed:
    def logits(self, inputs):
        return np.zeros((len(inputs), 3), dtype=np.float32)


@pytest.mark.parametrize(("wrapper", "message"), [
    (AfterFinetune(**LOSS), "Fixed cannot be trained"), (AfterPrune(**LOSS), "Fixed has no parameters"),
    (AfterQuantise(**LOSS), "Fixed has no parameters")])
def test_a_model_that_cannot_be_worn_is_told(wrapper, message):
    with pytest.raises(TypeError, match=message):
        wrapper.audit(inner_case(Fixed()))
