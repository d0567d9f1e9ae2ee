import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.context import Place, load_dataset
from harness.engine import _blocked, run_inline, run_pool, single_thread
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.run import pending
from harness.settings import structure
from harness.store import Store
from harness.suite import Suite
from tests.conftest import TINY

PLUGIN = """
import os, signal, time
from pathlib import Path
from typing import ClassVar
from attrs import frozen
from harness import hookimpl

class Common:
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset] = frozenset()
    access: ClassVar[tuple] = ("retain+forget",)
    scopes: ClassVar[tuple] = ("sample",)

@frozen(kw_only=True)
class Raises(Common):
    name: ClassVar[str] = "raises"
    def unlearn(self, task):
        raise KeyError("no such\\nthing")

@frozen(kw_only=True)
class Hangs(Common):
    name: ClassVar[str] = "hangs"
    def unlearn(self, task):
        while True:
            time.sleep(0.01)

@frozen(kw_only=True)
class Dies(Common):
    name: ClassVar[str] = "dies"
    def unlearn(self, task):
        os.kill(os.getpid(), signal.SIGKILL)

@frozen(kw_only=True)
class DiesOnce(Common):
    marker: str
    name: ClassVar[str] = "dies-once"
    def unlearn(self, task):
        marker = Path(self.marker)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return task.original

@frozen(kw_only=True)
class Returns(Common):
    name: ClassVar[str] = "returns"
    def unlearn(self, task):
        return 3

@frozen(kw_only=True)
class Spoils(Common):
    name: ClassVar[str] = "spoils"
    def unlearn(self, task):
        parameters = {k: v + float("nan") if v.dtype.kind == "f" else v for k, v in task.original.parameters().items()}
        return task.original.with_parameters(parameters)

@hookimpl
def harness_unlearners():
    return [Raises, Hangs, Dies, DiesOnce, Returns, Spoils]
"""


@pytest.fixture
def setting(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN, encoding="utf-8")
    place = Place(store=tmp_path / "store", plugins=(path,))
    registry = load_registry([path], installed=False)

    def plan(*methods):
        content = {**TINY, "originals": 1, "requests": {"count": 1}, "access": ["retain+forget"], "auditors": [],
                   "unlearn_seconds": 0.5, "unlearners": [{"name": "original"}, *methods]}
        suite = structure(content, Suite, "tiny")
        return make_plan(suite, load_dataset(registry, suite.data, place), registry)
    return place, registry, plan


def outcomes(plan, results):
    labels = {stage.key: stage.label.split(" retain")[0] for stage in plan.stages}
    return {labels[o.key]: o for o in results}


def test_a_third_partys_failure_is_its_own_result_and_hurts_nobody_else(setting):
    place, registry, plan_of = setting
    plan = plan_of({"name": "raises"}, {"name": "returns"}, {"name": "spoils"}, {"name": "hangs"})

    found = outcomes(plan, run_inline(plan.stages, place, registry))

    assert found["unlearn original"].status == "ok"
    assert (found["unlearn raises"].status, found["unlearn raises"].error) == ("failed", r"KeyError: 'no such\nthing'")
    assert "returned int, which is not a model" in found["unlearn returns"].error
    assert "NaN or infinite logits for 120 of 120 examples" in found["unlearn spoils"].error
    assert (found["unlearn hangs"].status, found["unlearn hangs"].error) == ("timeout", "stopped after 0.5 s")


def test_stages_that_read_from_a_failed_one_fail_with_that_reason(setting):
    plan = setting[2]()
    stages = [s for s in plan.stages if s.kind != "train"]
    without_model = [s for s in stages if s.kind == "unlearn"]

    outcome = _blocked(without_model[0], {without_model[0].inputs[0]})
    assert outcome is not None
    assert outcome.error == "a stage that it reads from has failed"


def test_a_killed_worker_costs_one_try_and_no_result(setting, tmp_path):
    place, _, plan_of = setting
    plan = plan_of({"name": "dies-once", "settings": {"marker": str(tmp_path / "died")}}, {"name": "dies"})

    found = outcomes(plan, run_pool(plan.stages, place, jobs=2))

    assert (tmp_path / "died").exists()
    assert {label: o.status for label, o in found.items() if o.status != "ok"} == {"unlearn dies": "failed"}
    assert found["unlearn dies"].error == "its worker process died 3 times (out of memory?)"
    assert {s.key for s in pending(plan, Store(place.store))} == {found["unlearn dies"].key}


def test_processes_and_one_process_give_the_same_artefacts(setting, tmp_path):
    place, registry, plan_of = setting
    plan = plan_of()
    list(run_inline(plan.stages, place, registry))
    other = Place(store=tmp_path / "other", plugins=place.plugins)
    list(run_pool(plan.stages, other, jobs=2))
    for stage in plan.stages:
        assert Store(place.store).manifest(stage.key).digest == Store(other.store).manifest(stage.key).digest


def test_one_thread_is_used_inside_and_restored_after():
    import torch

    before = torch.get_num_threads()
    with single_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


PARENT = """
import sys, time
from pathlib import Path
from harness.context import Place
from harness.engine import _pool

if __name__ == "__main__":
    pool = _pool(Place(store=Path(sys.argv[1])), 1)
    print(next(iter(pool._processes)), flush=True)
    time.sleep(600)
"""


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "store")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = Path("/proc") / parent.stdout.readline().strip()
    assert worker.exists()

    parent.kill()
    parent.wait()

    deadline = time.monotonic() + 20
    while worker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists()
