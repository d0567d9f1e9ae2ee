"""The ``sklearn`` adapter: any probabilistic classifier of scikit-learn, trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, ClassVar

from attrs import field, frozen

from harness.errors import BadSetting
from harness.models import Architecture, ModelFactory
from harness.settings import Settings


@frozen(kw_only=True)
class Estimator:
    """A classifier of scikit-learn; its settings are the parameters of the class.

    Attributes:
        name: what suites say.
        description: one line.
        place: ``module:class`` below ``sklearn``; empty when the setting ``estimator`` says it.
        defaults: parameters that differ from scikit-learn's defaults.
    """

    name: str
    description: str
    place: str = ""
    defaults: Settings = field(factory=dict)
    adapter: str = "sklearn"

    def chosen(self, settings: Settings) -> tuple[type, dict[str, Any]]:
        """Return the class and its parameters.

        Raises:
            BadSetting: if it is no probabilistic classifier, or has no such parameter.
        """
        parameters = {**self.defaults, **settings}
        place = self.place or str(parameters.pop("estimator", ""))
        kind = self._class(place)
        known = set(kind._get_param_names()) - {"random_state"}  # type: ignore[attr-defined]
        unknown = sorted(set(parameters) - known)
        if unknown:
            raise BadSetting(f"model '{self.name}': {kind.__name__} has no parameter '{unknown[0]}' that a suite may "
                             f"set; known: {', '.join(sorted(known))}")
        return kind, parameters

    def _class(self, place: str) -> type:
        module, _, name = place.rpartition(":")
        try:
            kind = resolve_name(f"sklearn.{module}:{name}")
        except (ImportError, AttributeError, ValueError) as error:
            raise BadSetting(f"model '{self.name}': setting estimator = '{place}' names no class of scikit-learn; "
                             "write MODULE:CLASS, e.g. naive_bayes:GaussianNB") from error
        missing = [method for method in ("fit", "predict_proba", "get_params") if not hasattr(kind, method)]
        # Some classes have predict_proba with some parameters only, such as SVC with probability = true.
        if missing and missing != ["predict_proba"]:
            raise BadSetting(f"model '{self.name}': {place} is no classifier; it lacks {', '.join(missing)}")
        return kind  # type: ignore[no-any-return]


ESTIMATORS = [
    Estimator(name="sklearn", description="any probabilistic classifier of scikit-learn; settings estimator = "
                                          "\"MODULE:CLASS\" and the parameters of that class"),
    Estimator(name="sklearn-logistic", place="linear_model:LogisticRegression", defaults={"max_iter": 1000},
              description="scikit-learn's LogisticRegression, 1000 iterations at most; convex, so every seed gives "
                          "the same model; settings: its parameters"),
    Estimator(name="sklearn-random-forest", place="ensemble:RandomForestClassifier",
              description="scikit-learn's RandomForestClassifier; settings: its parameters"),
    Estimator(name="sklearn-mlp", place="neural_network:MLPClassifier", defaults={"hidden_layer_sizes": [100]},
              description="scikit-learn's MLPClassifier; settings: its parameters"),
]


class SklearnAdapter:
    """Classifiers of scikit-learn on a CPU, without PyTorch.

    A trained model offers logits only: scikit-learn cannot train one further, and its weights cannot be stored without
    pickle. The store keeps the logits; where the model itself is needed it is trained again, which gives the same one.
    """

    name: ClassVar[str] = "sklearn"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset({"logits"})

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Return a factory of untrained classifiers.

        Args:
            architecture: an `Estimator`.
            input_shape: of one input; it is flattened.
            num_classes: C, at least 2.
            settings: parameters of the class; its ``random_state`` comes from the seed.
            device: ``cpu`` or ``auto``.

        Raises:
            BadSetting: if the settings or the device do not fit.
        """
        if not isinstance(architecture, Estimator):
            raise BadSetting(f"architecture '{architecture.name}' belongs to adapter '{architecture.adapter}'; "
                             f"adapter '{self.name}' cannot build it")
        if num_classes < 2:
            raise BadSetting(f"model '{architecture.name}' needs at least 2 classes, got {num_classes}")
        if device not in ("cpu", "auto"):
            raise BadSetting(f"adapter '{self.name}' computes on the cpu, not on '{device}'")
        from adapters.sklearn_model import SklearnFactory

        kind, parameters = architecture.chosen(settings)
        return SklearnFactory(kind=kind, parameters=parameters, num_classes=num_classes)
