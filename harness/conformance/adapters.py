"""What must hold of an adapter: that its models do what `harness.models` says of every capability that it declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from harness.conformance import answers, gradients, training
from harness.conformance.adapter_trial import AdapterTrial
from harness.conformance.outcomes import Check
from harness.models import Adapter
from harness.plugins import Registry

_CHECKS: dict[str, tuple[Callable[[AdapterTrial], str | None], ...]] = {
    "logits": (
        answers.check_declared_capabilities_are_there, answers.check_unknown_setting_is_refused,
        answers.check_logits_are_finite_rows, answers.check_no_examples_give_no_rows,
        answers.check_batch_mates_do_not_matter, answers.check_inputs_are_unchanged,
        answers.check_initial_seed_decides, answers.check_global_generators_are_untouched_by_building),
    "parameters": (
        answers.check_own_parameters_change_nothing, answers.check_parameters_are_copies,
        answers.check_other_parameters_are_refused, answers.check_store_keeps_the_model),
    "features": (answers.check_features_are_finite_rows,),
    "native-torch": (answers.check_native_is_a_copy,),
    "loss-gradients": (gradients.check_loss_gradients_are_slopes,),
    "input-gradients": (gradients.check_input_gradients_are_slopes,),
    "fit": (
        training.check_fit_returns_a_new_model, training.check_fit_lowers_the_loss,
        training.check_negative_weights_raise_the_loss, training.check_no_epochs_change_nothing,
        training.check_training_seed_decides, training.check_global_generators_are_untouched_by_training,
        training.check_training_set_is_unchanged, training.check_labels_are_one_hot_targets,
        training.check_masked_parameters_stay, training.check_one_step_follows_the_gradient),
    "fit-many": (training.check_a_fleet_equals_single_fits,),
    "fit-each": (training.check_a_fleet_with_data_of_its_own_equals_single_fits,),
}


def adapter_checks(adapter: Adapter, registry: Registry, model: str = "") -> Iterator[Check]:
    """Yield the checks that ``adapter`` must pass, by the capabilities that it declares; none is tried yet.

    Args:
        adapter: an instance.
        registry: where its architectures come from.
        model: the architecture to try; the adapter's first that fits small images when empty.
    """
    trial = AdapterTrial(adapter=adapter, registry=registry, model=model)
    for capability, functions in _CHECKS.items():
        if capability in adapter.capabilities or capability == "logits":
            for function in functions:
                yield Check(name=function.__name__, subject=adapter.name, body=partial(function, trial),
                            essential=function is answers.check_declared_capabilities_are_there)
