import attrs
import numpy as np
import pytest

from harness.context import Context, Place, load_dataset
from harness.engine import run_inline
from harness.errors import BadSetting, UnknownName
from harness.models import FitOptions
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.settings import as_json, structure
from harness.training import constraints, with_aids

REGISTRY = load_registry(installed=False)


def test_lipschitz_is_short_for_fast_clip():
    options = with_aids(FitOptions(epochs=1, lipschitz=2.0), REGISTRY.aids)
    assert options.aids["fastclip"].limit == 2.0


def test_a_configured_recipe_is_the_same_json_as_a_written_one():
    written = structure({"epochs": 1, "aids": {"trades": {"beta": 3.0}}}, FitOptions, "recipe")
    configured = with_aids(written, REGISTRY.aids)
    again = with_aids(structure(as_json(configured), FitOptions, "recipe"), REGISTRY.aids)
    assert again == configured


def test_an_unknown_aid_and_a_wrong_setting_are_told():
    with pytest.raises(UnknownName, match=r"'fastclap' is not a training aid; did you mean 'fastclip'\?"):
        with_aids(FitOptions(epochs=1, aids={"fastclap": {}}), REGISTRY.aids)
    with pytest.raises(BadSetting, match="training aid 'trades': no parameter is called 'betta'"):
        with_aids(FitOptions(epochs=1, aids={"trades": {"betta": 1.0}}), REGISTRY.aids)


def test_fine_tuning_keeps_constraints_and_no_losses():
    options = with_aids(FitOptions(epochs=1, lipschitz=1.0, aids={"trades": {}}), REGISTRY.aids)
    assert list(constraints(options)) == ["fastclip"]


def test_a_suite_trains_clipped_originals_and_they_stay_clipped_when_fine_tuned(tiny, tmp_path):
    suite = attrs.evolve(tiny, originals=1, auditors=(), requests=attrs.evolve(tiny.requests, count=1),
                         recipe=attrs.evolve(tiny.recipe, lipschitz=0.7))
    place = Place(store=tmp_path / "store")
    plan = make_plan(suite, load_dataset(REGISTRY, suite.data, place), REGISTRY)
    assert all(outcome.status == "ok" for outcome in run_inline(plan.stages, place, REGISTRY))

    store = Context(place, REGISTRY).store
    for stage in plan.stages:
        if stage.kind in ("train", "retrain") or "unlearn ft" in stage.label:
            weights = [a for a in store.arrays(stage.key, "weights").values() if a.ndim == 2]
            norms = [np.linalg.norm(weight, 2) for weight in weights]
            # FastClip ends every epoch within a thousandth of the limit.
            assert max(norms) <= 0.7 * 1.001, stage.label


def test_clipping_changes_the_keys_of_what_is_trained(tiny, tmp_path):
    data = load_dataset(REGISTRY, tiny.data, Place(store=tmp_path))
    clipped = attrs.evolve(tiny, recipe=attrs.evolve(tiny.recipe, lipschitz=1.0))
    assert make_plan(tiny, data, REGISTRY).originals != make_plan(clipped, data, REGISTRY).originals
