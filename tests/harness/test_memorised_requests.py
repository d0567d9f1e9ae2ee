"""A run whose forget sets are what its references memorise."""

import attrs
import numpy as np
import pytest

from harness import BadSetting
from harness.context import Context, Place, load_dataset
from harness.forget_sets import memorisation
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.record import write_record
from harness.run import run
from harness.suite import ReferenceSpec, RequestSpec
from leaderboard.bundle import write_bundle
from leaderboard.verification import verify_bundle


@pytest.fixture(scope="module")
def registry():
    """Return the built-in plugins."""
    return load_registry(installed=False)


@pytest.fixture
def suite(tiny):
    """Return a suite without an audit that would ask for the references."""
    return attrs.evolve(tiny, requests=RequestSpec(generator="most-memorised", size=12, count=2),
                        auditors=tiny.auditors[:1], columns=())


def test_the_most_memorised_are_forgotten_and_a_submission_is_held_to_it(suite, registry, tmp_path):
    place = Place(store=tmp_path / "store")
    plan = make_plan(suite, load_dataset(registry, suite.data, place), registry)
    folder = place.store / "runs" / suite.name
    write_record(run(plan, place, registry, jobs=0), folder / "record.json")

    context = Context(place, registry)
    references = context.references(plan.references)
    ranked_by = memorisation(references.logits, references.membership, context.dataset(plan.stages[0].spec["data"])
                             .train.labels)
    first, second = (context.request(key).forget for key in plan.requests)
    assert ranked_by[first].min() >= ranked_by[second].max() >= np.sort(ranked_by)[-24]
    write_bundle(folder, tmp_path / "bundle.zip")
    verdict = verify_bundle(tmp_path / "bundle.zip", registry)
    assert verdict.problems == ()
    assert verdict.recomputed


def test_without_references_nobody_can_be_asked(suite, registry):
    bare = attrs.evolve(suite, references=ReferenceSpec(count=0))

    with pytest.raises(BadSetting, match=r"'tiny-v1' has none; set \[references\] count"):
        make_plan(bare, load_dataset(registry, bare.data, Place(store=None)), registry)
