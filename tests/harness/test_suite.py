import attrs
import pytest

from harness.models import FitOptions
from harness.settings import as_json
from harness.suite import AuditorSpec, DataSpec, MethodSpec, ModelSpec, ReferenceSpec, RequestSpec, Suite

SUITE = Suite(name="a-v1", description="d", data=DataSpec(name="digits"), model=ModelSpec(name="mlp"),
              recipe=FitOptions(epochs=1, batch_size=1, lr=0.1))


def test_no_default_of_a_suite_has_changed_since_rows_were_published():
    # A field that comes later is marked `LATER` and stays out; what is here never changes.
    assert as_json(SUITE) == {
        "name": "a-v1", "description": "d", "source": "",
        "data": {"name": "digits", "train": None, "test": None, "held_out": 0.0, "seed": 0, "poison": None},
        "model": {"name": "mlp", "settings": {}},
        "recipe": {
            "epochs": 1, "batch_size": 1, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False,
            "weight_decay": 0.0, "schedule": "constant", "step_size": 1, "milestones": [], "gamma": 0.1,
            "warmup_epochs": 0.0, "augmentation": [], "l1": 0.0, "l1_schedule": "constant", "trainable": [],
            "evaluation_mode": False, "clip_gradient": None, "lipschitz": None, "aids": {}},
        "requests": {"generator": "random", "count": 3, "size": 0.1, "classes": []},
        "access": ["retain+forget", "forget-only"], "originals": 3, "oracles": 3, "runs": 3,
        "references": {"count": 64, "block": 32, "epochs": None}, "shadows": {"count": 0, "block": 16},
        "unlearners": [], "auditors": [], "columns": [], "unlearn_seconds": 3600.0, "seed": 0,
    }


def test_the_digest_of_a_protocol_is_the_same_in_every_version():
    assert SUITE.protocol == "17db717d7ad2de31ae8bf85fe348b36ab1fdbd56729929a11c7d003ef11af7ee"


@pytest.mark.parametrize("changed", [
    {"data": DataSpec(name="digits", seed=1)}, {"recipe": FitOptions(epochs=2, batch_size=1, lr=0.1)},
    {"requests": RequestSpec(size=0.2)}, {"runs": 2}, {"references": ReferenceSpec(count=32)}, {"seed": 1},
    {"auditors": (AuditorSpec(name="rmia"),)}, {"access": ("forget-only",)},
], ids=lambda changed: next(iter(changed)))
def test_whatever_numbers_depend_on_makes_another_protocol(changed):
    assert attrs.evolve(SUITE, **changed).protocol != SUITE.protocol


@pytest.mark.parametrize("changed", [
    {"name": "b-v1"}, {"description": "e"}, {"columns": ("UA",)}, {"unlearners": (MethodSpec(name="ft"),)},
], ids=lambda changed: next(iter(changed)))
def test_names_and_methods_are_not_part_of_the_protocol(changed):
    assert attrs.evolve(SUITE, **changed).protocol == SUITE.protocol
