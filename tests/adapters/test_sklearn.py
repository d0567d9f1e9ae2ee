"""Classifiers of scikit-learn as models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.plugin import harness_models
from adapters.sklearn_adapter import Estimator, SklearnAdapter
from adapters.sklearn_model import SklearnFactory, SklearnModel
from harness.errors import BadSetting
from harness.models import Adapter, FitOptions, TrainingSet, capabilities
from tests.adapters.conftest import random_set

ESTIMATORS: dict[str, Any] = {one.name: one for one in harness_models() if isinstance(one, Estimator)}
ONCE = FitOptions(epochs=1)
QUICK: dict[str, dict[str, Any]] = {
    "sklearn-logistic": {}, "sklearn-random-forest": {"n_estimators": 10},
    "sklearn-mlp": {"hidden_layer_sizes": [16], "learning_rate_init": 0.01},
    "sklearn": {"estimator": "naive_bayes:GaussianNB"},
}


def factory_of(name: str, **settings: Any) -> SklearnFactory:
    """Return a factory for 8x8 images of four classes."""
    factory = SklearnAdapter().factory(ESTIMATORS[name], (1, 8, 8), 4, settings or QUICK[name], "cpu")
    assert isinstance(factory, SklearnFactory)
    return factory


def trained(name: str, data: TrainingSet, seed: int = 0, **settings: Any) -> SklearnModel:
    """Return a trained model."""
    model = factory_of(name, **settings).build(0).fit(data, ONCE, seed)
    assert isinstance(model, SklearnModel)
    return model


def test_the_adapter_fulfils_its_contract() -> None:
    assert isinstance(SklearnAdapter(), Adapter)
    assert capabilities(trained("sklearn", random_set())) == SklearnAdapter.capabilities == {"logits"}
    assert set(QUICK) == set(ESTIMATORS)


@pytest.mark.parametrize("name", QUICK)
def test_a_classifier_learns(name: str) -> None:
    data = random_set(size=300)

    logits = trained(name, data).logits(data.inputs)

    assert logits.shape == (300, 4)
    assert logits.dtype == np.float32
    assert np.mean(logits.argmax(1) == data.targets) > 0.75


def test_an_untrained_classifier_finds_all_classes_equally_likely() -> None:
    fresh = factory_of("sklearn-logistic").build(0)

    assert not fresh.logits(random_set().inputs).any()
    assert fresh.fit(random_set(), FitOptions(epochs=0), 0) is fresh


def test_the_seed_decides_a_random_forest_and_no_logistic_regression() -> None:
    data = random_set()

    def logits(name: str, seed: int) -> Any:
        return trained(name, data, seed).logits(data.inputs)

    np.testing.assert_array_equal(logits("sklearn-random-forest", 2**52), logits("sklearn-random-forest", 2**52))
    assert not np.array_equal(logits("sklearn-random-forest", 1), logits("sklearn-random-forest", 2))
    np.testing.assert_array_equal(logits("sklearn-logistic", 1), logits("sklearn-logistic", 2))


def test_a_class_that_was_never_seen_has_the_smallest_probability() -> None:
    data = random_set()
    rows = data.targets != 2

    logits = trained("sklearn", TrainingSet(inputs=data.inputs[rows], targets=data.targets[rows])).logits(data.inputs)

    assert (logits[:, 2] == logits.min(axis=1)).all()


def test_soft_targets_are_weighted_labels() -> None:
    data = random_set()
    soft = np.full((40, 4), 0.1, dtype=np.float32)
    soft[np.arange(40), data.targets] = 0.7
    doubled = np.full(40, 2, dtype=np.float32)

    plain = trained("sklearn", data).logits(data.inputs)
    blurred = trained("sklearn", TrainingSet(inputs=data.inputs, targets=soft)).logits(data.inputs)
    heavier = trained("sklearn", TrainingSet(inputs=data.inputs, targets=data.targets, weights=doubled))

    assert abs(blurred).mean() < abs(plain).mean()
    # Naive Bayes is made of weighted means, which a common factor leaves alone.
    np.testing.assert_allclose(heavier.logits(data.inputs), plain, rtol=1e-4)


@pytest.mark.parametrize(("change", "message"), [
    ({"weights": np.full(40, -1, np.float32)}, "takes no negative weights, so it cannot do gradient ascent"),
    ({"targets": np.full(40, 7)}, r"labels must be \(N,\) and in \[0, 4\)"),
])
def test_data_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained("sklearn", random_set(**change))


def test_weights_are_refused_where_the_class_takes_none() -> None:
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no weights"):
        trained("sklearn", random_set(weights=np.full(40, 2, np.float32)), estimator="neighbors:KNeighborsClassifier")


def test_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="no parameters that could be masked"):
        factory_of("sklearn").build(0).fit(random_set(), ONCE, 0, {"w": np.ones(3, bool)})


@pytest.mark.parametrize("options", [{"epochs": 30}, {"epochs": 1, "lr": 0.5}])
def test_recipes_of_networks_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=r"a recipe must be epochs = 1 and nothing else, this one has (epochs|lr) ="):
        factory_of("sklearn").build(0).fit(random_set(), FitOptions(**options), 0)


@pytest.mark.parametrize(("name", "settings", "message"), [
    ("sklearn-logistic", {"depth": 3}, "LogisticRegression has no parameter 'depth' that a suite may set; known: C, "),
    ("sklearn-mlp", {"random_state": 3}, "MLPClassifier has no parameter 'random_state' that a suite may set"),
    ("sklearn", {"estimator": "os:system"}, "setting estimator = 'os:system' names no class of scikit-learn"),
    ("sklearn", {"estimator": "svm:SVR"}, r"svm:SVR is no classifier|SVR gives no probabilities"),
    ("sklearn", {"estimator": "preprocessing:StandardScaler"}, "gives no probabilities"),
    ("sklearn", {"alpha": 1.0}, "setting estimator = '' names no class"),
    ("sklearn-random-forest", {"n_estimators": -3}, "cannot be trained: The 'n_estimators' parameter"),
])
def test_settings_that_do_not_fit_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        trained(name, random_set(), **settings)
