"""The `linear` adapter with one bug each."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import attrs
import numpy as np

from adapters.linear_adapter import LinearAdapter
from adapters.linear_gradients import BIAS, WEIGHT
from adapters.linear_model import LinearFactory, LinearModel
from harness import TrainingSet, one_hot

COUNTER = itertools.count()


class Sound(LinearModel):
    """A model whose descendants are of its own kind."""

    @classmethod
    def of(cls, plain: LinearModel) -> Any:
        arrays = LinearModel.parameters(plain)
        return cls(arrays[WEIGHT], arrays[BIAS])

    def with_parameters(self, parameters: Any) -> Any:
        return self.of(super().with_parameters(parameters))

    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        return self.of(super().fit(data, options, seed, mask))


class Factory:
    """Builds models of one kind."""

    def __init__(self, plain: LinearFactory, kind: type[Sound]) -> None:
        self.plain, self.kind = plain, kind

    def build(self, seed: int) -> Any:
        return self.kind.of(self.plain.build(seed))

    def fit_many(self, models: Any, data: Any, membership: Any, options: Any, seeds: Any) -> Any:
        return [self.kind.of(model) for model in self.plain.fit_many(models, data, membership, options, seeds)]


class Adapter(LinearAdapter):
    """An adapter of models of one kind."""

    model: ClassVar[type[Sound]] = Sound
    makes: ClassVar[type[Factory]] = Factory

    def factory(self, *arguments: Any) -> Any:
        return self.makes(super().factory(*arguments), self.model)  # type: ignore[arg-type]


def adapter_of(kind: type[Sound]) -> Adapter:
    """Return an adapter of models of this kind."""
    return type(f"{kind.__name__}Adapter", (Adapter,), {"model": kind})()


class Boasts(Adapter):
    """Declares what its models lack."""

    capabilities = LinearAdapter.capabilities | {"native-torch"}


class TakesAnySetting(Adapter):
    """Drops settings that it does not know."""

    def factory(self, architecture: Any, input_shape: Any, num_classes: Any, settings: Any, device: Any) -> Any:
        return super().factory(architecture, input_shape, num_classes, {}, device)


class AnswersInDoubles(Sound):
    def logits(self, inputs: Any) -> Any:
        return super().logits(inputs).astype(np.float64)


class FlattensNothing(Sound):
    def logits(self, inputs: Any) -> Any:
        return super().logits(inputs) if len(inputs) else np.zeros(0, dtype=np.float32)


class DependsOnItsBatch(Sound):
    def logits(self, inputs: Any) -> Any:
        return super().logits(inputs) + np.float32(len(inputs) == 1)


class NormalisesInPlace(Sound):
    def logits(self, inputs: Any) -> Any:
        logits = super().logits(inputs)
        if inputs.flags.writeable:
            inputs += np.float32(1e-6)
        return logits


class IgnoresTheSeed(Factory):
    def build(self, seed: int) -> Any:
        return super().build(0)


class RollsGlobalDice(Factory):
    def build(self, seed: int) -> Any:
        np.random.random()
        return super().build(seed)


class HidesABuffer(Sound):
    """Training moves something that parameters() does not show."""

    hidden = np.float32(0)

    def logits(self, inputs: Any) -> Any:
        return super().logits(inputs) + self.hidden

    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        fitted = super().fit(data, options, seed, mask)
        fitted.hidden = np.float32(0.003)
        return fitted


class LendsItsParameters(Sound):
    def parameters(self) -> Any:
        return self._arrays


class TakesAnyParameters(Sound):
    def with_parameters(self, parameters: Any) -> Any:
        try:
            return super().with_parameters(parameters)
        except ValueError:
            return self


class ShowsText(Sound):
    def parameters(self) -> Any:
        return {**super().parameters(), "classes": np.array(["a", "b", "c"])}

    def with_parameters(self, parameters: Any) -> Any:
        return super().with_parameters({name: value for name, value in parameters.items() if name != "classes"})


class GivesDoubleFeatures(Sound):
    def features(self, inputs: Any) -> Any:
        return super().features(inputs).astype(np.float64)


class Tensor:
    """As much of a tensor as the check asks for."""

    def __init__(self, array: Any) -> None:
        self.array, self.data = array, self

    def zero_(self) -> None:
        self.array[...] = 0


class Network:
    """As much of a module as the check asks for."""

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays

    def parameters(self) -> list[Tensor]:
        return [Tensor(array) for array in self.arrays.values()]


class LendsItsNetwork(Sound):
    @property
    def native(self) -> Network:
        return Network(self._arrays)

    def with_native(self, module: Any) -> Any:
        return self.with_parameters(module.arrays)


class DoublesItsGradients(Sound):
    def loss_gradients(self, data: Any, batch_size: int = 256) -> Any:
        return {name: 2 * value for name, value in super().loss_gradients(data, batch_size).items()}


class AveragesInputGradients(Sound):
    def input_gradients(self, inputs: Any, labels: Any) -> Any:
        gradients, logits = super().input_gradients(inputs, labels)
        return gradients / len(inputs), logits


class TrainsItself(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        fitted = super().fit(data, options, seed, mask)
        self._arrays = fitted.parameters()
        return fitted


class LosesItInTheEnd(Sound):
    """Fine for a while, upside down after many epochs."""

    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        fitted = super().fit(data, options, seed, mask)
        if options.epochs < 10:
            return fitted
        return fitted.with_parameters({name: -value for name, value in fitted.parameters().items()})


class TakesWeightsForPositive(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        weights = None if data.weights is None else np.abs(data.weights)
        return super().fit(attrs.evolve(data, weights=weights), options, seed, mask)


class TrainsAtLeastOnce(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        return super().fit(data, attrs.evolve(options, epochs=max(1, options.epochs)), seed, mask)


class ForgetsItsSeed(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        fitted = super().fit(data, options, seed, mask)
        if options.epochs and mask is None:
            fitted._arrays[BIAS] += np.float32(1e-4 * (next(COUNTER) % 2))
        return fitted


class ShufflesGlobally(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        np.random.permutation(len(data))
        return super().fit(data, options, seed, mask)


class WritesIntoItsTrainingSet(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        fitted = super().fit(data, options, seed, mask)
        if data.inputs.flags.writeable:
            data.inputs[...] = 0
        return fitted


class SmoothsLabels(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        if data.targets.ndim == 1 and len(data) > 100:
            soft = 0.7 * one_hot(data.targets, 3) + np.float32(0.1)
            data = attrs.evolve(data, targets=soft)
        return super().fit(data, options, seed, mask)


class IgnoresItsMask(Sound):
    def fit(self, data: Any, options: Any, seed: int, mask: Any = None) -> Any:
        return super().fit(data, options, seed)


class DividesByWeights(Sound):
    def fit(self, data: TrainingSet, options: Any, seed: int, mask: Any = None) -> Any:
        if data.weights is not None:
            data = attrs.evolve(data, weights=data.weights / np.abs(data.weights.mean()))
        return super().fit(data, options, seed, mask)


class TrainsFleetsOnEverything(Factory):
    def fit_many(self, models: Any, data: Any, membership: Any, options: Any, seeds: Any) -> Any:
        return super().fit_many(models, data, np.ones_like(membership), options, seeds)


class TrainsEachOnTheFirst(Factory):
    """Brings a fleet with data of its own, and looks at those of one model."""

    def fit_each(self, models: Any, data: Any, options: Any, seeds: Any, masks: Any) -> Any:
        return [model.fit(data[0], options, seed, mask)
                for model, seed, mask in zip(models, seeds, masks, strict=True)]


class EachAdapter(Adapter):
    makes = TrainsEachOnTheFirst
    capabilities = LinearAdapter.capabilities | {"fit-each"}


class SeedlessAdapter(Adapter):
    makes = IgnoresTheSeed


class DiceAdapter(Adapter):
    makes = RollsGlobalDice


class FleetAdapter(Adapter):
    makes = TrainsFleetsOnEverything


class NativeAdapter(Boasts):
    model = LendsItsNetwork


BROKEN = [
    (Boasts(), "check_declared_capabilities_are_there", "native-torch"),
    (TakesAnySetting(), "check_unknown_setting_is_refused", "no-such-setting"),
    (EachAdapter(), "check_a_fleet_with_data_of_its_own_equals_single_fits", "model 1 of fit_each"),
    (adapter_of(AnswersInDoubles), "check_logits_are_finite_rows", "float64"),
    (adapter_of(FlattensNothing), "check_no_examples_give_no_rows", "expected \\(0, 3\\)"),
    (adapter_of(DependsOnItsBatch), "check_batch_mates_do_not_matter", "evaluation mode"),
    (adapter_of(NormalisesInPlace), "check_inputs_are_unchanged", "normalise a copy"),
    (SeedlessAdapter(), "check_initial_seed_decides", "give the same model"),
    (DiceAdapter(), "check_global_generators_are_untouched_by_building", "of NumPy was used"),
    (adapter_of(HidesABuffer), "check_own_parameters_change_nothing", "buffers included"),
    (adapter_of(LendsItsParameters), "check_parameters_are_copies", "return copies"),
    (adapter_of(TakesAnyParameters), "check_other_parameters_are_refused", "without 'output.weight'"),
    (adapter_of(ShowsText), "check_store_keeps_the_model", "cannot be stored"),
    (adapter_of(GivesDoubleFeatures), "check_features_are_finite_rows", "float64"),
    (NativeAdapter(), "check_native_is_a_copy", "return a copy"),
    (adapter_of(DoublesItsGradients), "check_loss_gradients_are_slopes", "the gradient's length says"),
    (adapter_of(AveragesInputGradients), "check_input_gradients_are_slopes", "not averaged"),
    (adapter_of(TrainsItself), "check_fit_returns_a_new_model", "changed its own model"),
    (adapter_of(LosesItInTheEnd), "check_fit_lowers_the_loss", "before and .* after 60 epochs"),
    (adapter_of(TakesWeightsForPositive), "check_negative_weights_raise_the_loss", "weights are signed"),
    (adapter_of(TrainsAtLeastOnce), "check_no_epochs_change_nothing", "unchanged copy"),
    (adapter_of(ForgetsItsSeed), "check_training_seed_decides", "the same fit gives two models"),
    (adapter_of(ShufflesGlobally), "check_global_generators_are_untouched_by_training", "of NumPy was used"),
    (adapter_of(WritesIntoItsTrainingSet), "check_training_set_is_unchanged", "augment and shuffle a copy"),
    (adapter_of(SmoothsLabels), "check_labels_are_one_hot_targets", "one-hot"),
    (adapter_of(IgnoresItsMask), "check_masked_parameters_stay", "have moved"),
    (adapter_of(DividesByWeights), "check_one_step_follows_the_gradient", "not by the sum of the weights"),
    (FleetAdapter(), "check_a_fleet_equals_single_fits", "of fit_many"),
]
