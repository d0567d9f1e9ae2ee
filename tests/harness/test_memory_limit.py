"""A fleet that does not fit a real limit of memory is trained in parts: planned so, or after the first attempt."""

import json
import subprocess
import sys

import pytest

# 32 networks of 10 MB: a fleet holds each of them twice, untrained and trained.
SCRIPT = """
import json, logging, resource, sys
from pathlib import Path
import attrs
from harness import fleets
from harness.context import Context, Place, load_dataset
from harness.engine.worker import execute_stage
from harness.memory import available_memory
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.settings import structure
from harness.store import Store
from harness.suite import Suite
from tests.conftest import TINY

folder, room, knows = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "knows"
if not knows:
    fleets.available_memory = lambda: None
registry = load_registry(installed=False)
tiny = {**TINY, "references": {"count": 32, "block": 32}, "model": {"name": "mlp", "settings": {"hidden": [1300, 1800]}},
        "recipe": {"epochs": 1, "batch_size": 120, "lr": 0.1}}
place = Place(store=folder / "store")
suite = structure(tiny, Suite, "tiny")
plan = make_plan(suite, load_dataset(registry, suite.data, place), registry)
block = next(stage for stage in plan.stages if stage.kind == "reference")
small = attrs.evolve(block, spec={**block.spec, "models": 2, "seed": 1})
context = Context(place, registry)
assert execute_stage(small, context).status == "ok"  # loads what stages need
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, ((used + 1024 * room) * 1024,) * 2)
outcome = execute_stage(block, context)
at_once = Store(place.store).manifest(block.key).measured["models_at_once"] if outcome.status == "ok" else None
print(json.dumps({"status": outcome.status, "error": outcome.error, "at once": at_once}))
"""


def under_a_limit(tmp_path, room, knows):
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), str(room), knows], capture_output=True,
                          text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.slow(reason="loads PyTorch in a process of its own, five seconds")
def test_a_fleet_is_cut_to_the_limit_of_its_process(tmp_path):
    found, log = under_a_limit(tmp_path, 800, "knows")

    assert found["status"] == "ok"
    assert 1 <= found["at once"] < 32
    assert "ran out of memory" not in log


@pytest.mark.slow(reason="loads PyTorch in a process of its own, five seconds")
def test_a_fleet_that_runs_into_the_limit_is_tried_again_in_halves(tmp_path):
    found, log = under_a_limit(tmp_path, 500, "does not know")

    assert found == {"status": "ok", "error": "", "at once": 16}
    assert "ran out of memory; trying again with less at a time" in log


@pytest.mark.slow(reason="loads PyTorch in a process of its own, five seconds")
def test_a_fleet_of_which_not_even_half_fits_fails_as_one_stage_and_says_why(tmp_path):
    found, _ = under_a_limit(tmp_path, 100, "does not know")

    assert found["status"] == "failed"
    assert "memory" in found["error"].lower()
