import attrs
import numpy as np
import pytest
from scipy.stats import spearmanr

from harness import AuditCase, Dataset, Signals
from harness.models import TrainingSet
from reference_methods.auditors.amun_bound import AmunBound, bound_terms, local_lipschitz, spearman
from reference_methods.unlearners.attacks import ProjectedGradient
from tests.reference_methods.auditors.cases import scores
from tests.reference_methods.unlearners.conftest import RECIPE, blobs, task_on
from tests.reference_methods.unlearners.numpy_model import NumpyModel


@pytest.fixture(scope="module")
def case() -> AuditCase:
    """Return a case about an original in the place of the unlearned model, with two oracles."""
    train, test = blobs(120, seed=1), blobs(60, seed=2)
    task = task_on(train, np.arange(0, 120, 6))
    oracles = [NumpyModel.build(k).fit(TrainingSet(inputs=task.retain.inputs, targets=task.retain.labels), RECIPE, k)
               for k in (1, 2)]
    models = {"unlearned": task.original, "original": task.original,
              **{f"oracle-{k}": oracle for k, oracle in enumerate(oracles)}}

    def signals(model):
        return Signals(train=model.logits(train.inputs), test=model.logits(test.inputs), digest="model")

    data = Dataset(name="blobs", version="1", num_classes=3, train=train, test=test, source="a test")
    return AuditCase(data=data, request=task.request, unlearned=signals(task.original),
                     oracles=tuple(signals(oracle) for oracle in oracles), models=models, seed=0)


def test_every_term_is_the_loss_that_the_theorem_names(case):
    clean = case.data.train.take(case.request.forget)
    original, oracle = case.models["original"], case.models["oracle-0"]
    found = ProjectedGradient(eps=0.04).find(original, clean, 0)
    terms = bound_terms(original, original, [oracle], clean, found.inputs, found.labels)

    def loss(model, inputs, labels):
        logits = model.logits(inputs).astype(np.float64)
        return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]

    gain = (loss(original, found.inputs, clean.labels) + loss(original, found.inputs, found.labels)
            - loss(oracle, clean.inputs, clean.labels) - loss(oracle, found.inputs, found.labels))
    assert terms["delta"] == pytest.approx(found.distance)
    # Sums of losses in double precision from logits in single precision.
    assert terms["bound"] == pytest.approx(terms["lipschitz"] * terms["delta"] - gain, rel=1e-5, abs=1e-6)


def test_the_loss_rises_by_no_more_than_the_local_constant_allows(case):
    clean = case.data.train.take(case.request.forget)
    model = case.models["original"]
    far = np.clip(clean.inputs + 0.02, 0, 1)
    slope = local_lipschitz(model, clean, far, points=21)

    def loss(inputs):
        logits = model.logits(inputs).astype(np.float64)
        return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(inputs)), clean.labels]

    rise = np.abs(loss(far) - loss(clean.inputs)) / np.linalg.norm(far - clean.inputs, axis=1)
    # Gradients at 21 places miss the steepest one by little.
    assert (rise <= 1.01 * slope + 1e-6).all()


def test_the_report_has_correlations_medians_and_a_plot(case):
    report = AmunBound().audit(case)
    found = scores(report)
    assert list(found) == ["rho bound", "rho delta", "delta", "Lipschitz", "transfer"]
    assert found["rho delta"].low <= found["rho delta"].value <= found["rho delta"].high
    assert found["delta"].value == pytest.approx(np.median(report.per_sample["delta"]))
    assert 0 <= found["transfer"].value <= 100
    assert set(report.per_sample["row"]) <= set(case.request.forget)
    assert report.figures["bound.png"].startswith(b"\x89PNG")


def test_an_oracle_is_attacked_itself(case):
    models = {name: model for name, model in case.models.items() if name != "original"}
    assert AmunBound().audit(attrs.evolve(case, models=models)).value("delta") == pytest.approx(
        AmunBound().audit(case).value("delta"))


def test_no_more_samples_are_looked_at_than_asked_for(case):
    assert AmunBound(samples=8).audit(case).notes["looked at"] == 8


def test_too_few_samples_for_a_correlation_are_told(case):
    with pytest.raises(ValueError, match="3 of 3 samples have an adversarial example"):
        AmunBound(samples=3).audit(case)


def test_the_correlation_is_spearmans_and_its_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        pair = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=60)
        rho, error = spearman(pair[:, 0], pair[:, 1])
        assert rho == pytest.approx(spearmanr(pair[:, 0], pair[:, 1]).statistic)
        # Spearman's rho of a normal pair with Pearson's 0.5 is 6 / pi asin(0.25).
        covered.append(abs(np.arctanh(rho) - np.arctanh(6 / np.pi * np.arcsin(0.25))) < 1.96 * error)
    # Binomial(400, 0.95) has standard deviation 1.1 %.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)


def test_what_does_not_vary_correlates_with_nothing():
    assert spearman(np.ones(9), np.arange(9.0))[0] == 0.0
