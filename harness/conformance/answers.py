"""Checks of what a model answers and shows: logits, features, parameters, the network inside."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from harness.conformance.adapter_trial import AdapterTrial, parameters
from harness.conformance.outcomes import CheckFailed, require
from harness.conformance.problem import CLASSES
from harness.conformance.randomness import untouched_generators
from harness.conformance.unlearner_trial import same
from harness.errors import BadSetting
from harness.models import CAPABILITIES, FLEETS, HasFeatures, HasParameters, Model, NativeTorch, capabilities
from harness.store import Store


def check_declared_capabilities_are_there(trial: AdapterTrial) -> str:
    """Models have every capability that the adapter declares."""
    declared = trial.adapter.capabilities
    known = [*CAPABILITIES, *FLEETS]
    unknown = sorted(set(declared) - set(known))
    require(not unknown, f"capabilities names {', '.join(unknown)}; there are {', '.join(known)}")
    name, factory = trial.chosen
    fresh = factory.build(0)
    has = capabilities(fresh) | {fleet for fleet, protocol in FLEETS.items() if isinstance(factory, protocol)}
    require("logits" in has, f"build returned {type(fresh).__name__}, which has no logits")
    missing, silent = sorted(declared - has), sorted(has - declared)
    require(not missing, f"capabilities names {', '.join(missing)}, but models of '{name}' lack the methods for it; "
                         "see the protocols in harness.models")
    return f"tried on '{name}'" + (f"; models also have {', '.join(silent)}, undeclared" if silent else "")


def check_unknown_setting_is_refused(trial: AdapterTrial) -> None:
    """A setting that the architecture does not have is a BadSetting."""
    try:
        trial.factory(trial.chosen[0], {"no-such-setting": 1})
    except BadSetting:
        return
    raise CheckFailed("factory accepts the setting 'no-such-setting'; raise harness.BadSetting, so that a typo in a "
                      "suite is found before anything is trained")


def check_logits_are_finite_rows(trial: AdapterTrial) -> None:
    """Logits are (N, C) float32 and finite."""
    logits = trial.trained.logits(trial.inputs)
    require(isinstance(logits, np.ndarray), f"logits returned {type(logits).__name__}; convert it to a NumPy array")
    require(logits.shape == (20, CLASSES), f"logits of 20 inputs have shape {logits.shape}, expected (20, {CLASSES})")
    require(logits.dtype == np.float32, f"logits are {logits.dtype}; convert them to float32")
    require(np.isfinite(logits).all(), "logits of a trained model are NaN or infinite")


def check_no_examples_give_no_rows(trial: AdapterTrial) -> None:
    """Logits of no inputs are (0, C)."""
    shape = trial.trained.logits(trial.inputs[:0]).shape
    require(shape == (0, CLASSES), f"logits of no inputs have shape {shape}, expected (0, {CLASSES})")


def check_batch_mates_do_not_matter(trial: AdapterTrial) -> None:
    """An example's logits do not depend on the others in its batch: no layer is left in training mode."""
    together = trial.trained.logits(trial.inputs)
    alone = np.concatenate([trial.trained.logits(one[None]) for one in trial.inputs])
    # Matrix products of other sizes round differently.
    require(np.allclose(together, alone, rtol=1e-4, atol=1e-4),
            f"an example alone gets other logits than in a batch (up to {np.abs(together - alone).max():.2g}); put "
            "layers such as batch norm and dropout in evaluation mode")


def check_inputs_are_unchanged(trial: AdapterTrial) -> None:
    """`logits` writes nothing into its inputs."""
    inputs = trial.inputs
    trial.trained.logits(inputs)
    require(np.array_equal(inputs, trial.inputs), "logits changed its inputs; normalise a copy")


def check_initial_seed_decides(trial: AdapterTrial) -> None:
    """The same seed builds the same model, another seed another one, unless there are no parameters to draw."""
    first, again, other = (trial.build(seed).logits(trial.inputs) for seed in (1, 1, 2))
    require(np.array_equal(first, again), "build(1) gives two models; draw every parameter from the seed")
    require("parameters" not in trial.adapter.capabilities or not np.array_equal(first, other),
            "build(1) and build(2) give the same model; draw parameters from the seed")


def check_global_generators_are_untouched_by_building(trial: AdapterTrial) -> None:
    """`build` leaves the global generators of Python, NumPy and PyTorch where they were."""
    trial.build()  # loads the framework
    with untouched_generators("initialise from a generator made from the seed, or put the global state back"):
        trial.build()


def check_own_parameters_change_nothing(trial: AdapterTrial) -> None:
    """``with_parameters(parameters())`` is the same model."""
    copy = _with(trial.trained, parameters(trial.trained))
    require(np.array_equal(copy.logits(trial.inputs), trial.trained.logits(trial.inputs)),
            "a model rebuilt from its own parameters has other logits; parameters() must hold everything that logits "
            "depend on, buffers included")


def check_parameters_are_copies(trial: AdapterTrial) -> None:
    """Writing into what ``parameters()`` returned changes nothing."""
    model = _with(trial.trained, parameters(trial.trained))
    before = model.logits(trial.inputs)
    for array in parameters(model).values():
        if array.flags.writeable:
            array[...] = 0
    require(np.array_equal(before, model.logits(trial.inputs)),
            "writing into parameters() changes the model; return copies")


def check_other_parameters_are_refused(trial: AdapterTrial) -> None:
    """`with_parameters` refuses a missing name and a wrong shape with a ValueError."""
    whole = dict(parameters(trial.trained))
    name = next(iter(whole))
    for what, wrong in (("without", {key: value for key, value in whole.items() if key != name}),
                        ("with a longer", {**whole, name: np.concatenate([whole[name].ravel(), [0]])})):
        try:
            _with(trial.trained, wrong)
        except ValueError:
            continue
        raise CheckFailed(f"with_parameters accepts parameters {what} '{name}'; raise a ValueError that names it")


def check_store_keeps_the_model(trial: AdapterTrial) -> None:
    """Parameters written to a store and read back give the same logits."""
    from safetensors import SafetensorError

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            key = store.write("train", "a model", {}, report={}, measured={},
                              arrays={"weights": dict(parameters(trial.trained))}).key
        except (TypeError, ValueError, KeyError, AttributeError, SafetensorError) as error:
            raise CheckFailed(f"parameters() cannot be stored: {error}; return arrays of numbers by name") from error
        read = store.arrays(key, "weights")
    require(same(read, parameters(trial.trained)), "parameters read back from a store are others")
    stored, kept = (_with(trial.trained, arrays).logits(trial.inputs) for arrays in (read, parameters(trial.trained)))
    require(np.array_equal(stored, kept), "a model rebuilt from a store has other logits")


def check_features_are_finite_rows(trial: AdapterTrial) -> None:
    """Features are (N, D) float32 and finite."""
    model = trial.trained
    features = model.features(trial.inputs) if isinstance(model, HasFeatures) else np.zeros(0)
    require(features.ndim == 2 and len(features) == 20 and features.dtype == np.float32 and np.isfinite(features).all(),
            f"features of 20 inputs are {features.dtype} of shape {features.shape}; expected finite (20, D) float32")


def check_native_is_a_copy(trial: AdapterTrial) -> None:
    """Changing ``native`` changes nothing; wrapped unchanged it gives the same logits."""
    model = trial.build()
    if not isinstance(model, NativeTorch):
        raise CheckFailed(f"{type(model).__name__} has no native")
    before = model.logits(trial.inputs)
    require(np.array_equal(model.with_native(model.native).logits(trial.inputs), before),
            "with_native(native) has other logits")
    for value in model.native.parameters():
        value.data.zero_()
    require(np.array_equal(before, model.logits(trial.inputs)), "changing native changes the model; return a copy")


def _with(model: Model, arrays: object) -> Model:
    if not isinstance(model, HasParameters):
        raise CheckFailed(f"{type(model).__name__} has no with_parameters")
    return model.with_parameters(arrays)  # type: ignore[arg-type]
