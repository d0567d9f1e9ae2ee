import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from adapters.torch_fleet import TorchFactory
from harness import fleets
from harness.context import Context, Place, load_dataset
from harness.engine import Outcome, run_inline, run_pool, single_thread
from harness.engine.queue import StageQueue
from harness.engine.worker import execute_stage
from harness.plan import Stage, make_plan
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
class Hungry(Common):
    marker: str
    times: int
    name: ClassVar[str] = "hungry"
    def unlearn(self, task):
        with open(self.marker, "a") as file:
            file.write("x")
        if os.path.getsize(self.marker) <= self.times:
            raise MemoryError("no room for 3 GB")
        return task.original

@frozen(kw_only=True)
class Spoils(Common):
    name: ClassVar[str] = "spoils"
    def unlearn(self, task):
        parameters = {k: v + float("nan") if v.dtype.kind == "f" else v for k, v in task.original.parameters().items()}
        return task.original.with_parameters(parameters)

@hookimpl
def harness_unlearners():
    return [Raises, Hangs, Dies, DiesOnce, Returns, Hungry, Spoils]
"""


@pytest.fixture
def setting(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN, encoding="utf-8")
    place = Place(store=tmp_path / "store", plugins=(path,))
    registry = load_registry([path], installed=False)

    def plan(*methods, **changes):
        content = {**TINY, "originals": 1, "requests": {"count": 1}, "access": ["retain+forget"], "auditors": [],
                   "unlearn_seconds": 0.5, "unlearners": [{"name": "original"}, *methods], **changes}
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


def stage(name, *inputs):
    return Stage(kind="audit", label=name, spec={"name": name}, inputs=tuple(one.key for one in inputs))


def test_a_stage_is_given_out_once_its_inputs_are_there_in_the_order_of_the_plan():
    a, b = stage("a"), stage("b")
    c, d = stage("c", a, b), stage("d", a)
    queue = StageQueue([a, b, c, d])

    assert [queue.next(idle=False), queue.next(idle=False), queue.next(idle=False)] == [a, b, None]
    list(queue.finish(a, Outcome(key=a.key, status="ok")))
    assert queue.next(idle=False) == d
    list(queue.finish(b, Outcome(key=b.key, status="ok")))
    assert queue.next(idle=False) == c


def test_stages_that_read_from_a_failed_one_fail_with_that_reason_however_far_down():
    a = stage("a")
    b = stage("b", a)
    c = stage("c", b)
    queue = StageQueue([a, b, c])

    ended = list(queue.finish(a, Outcome(key=a.key, status="failed", error="no")))

    assert [o.key for o in ended] == [a.key, b.key, c.key]
    assert [o.error for o in ended[1:]] == ["a stage that it reads from has failed"] * 2
    assert not queue


def test_a_stage_whose_worker_died_waits_until_it_can_run_alone():
    a, b = stage("a"), stage("b")
    queue = StageQueue([a, b])
    queue.next(idle=True)

    assert list(queue.lost(a)) == []
    assert queue.next(idle=False) is None
    assert queue.next(idle=True) == a


def test_a_killed_worker_costs_one_try_and_no_result(setting, tmp_path):
    place, _, plan_of = setting
    plan = plan_of({"name": "dies-once", "settings": {"marker": str(tmp_path / "died")}}, {"name": "dies"},
                   unlearn_seconds=60)

    found = outcomes(plan, run_pool(plan.stages, place, jobs=2))

    assert (tmp_path / "died").exists()
    assert {label: o.status for label, o in found.items() if o.status != "ok"} == {"unlearn dies": "failed"}
    assert found["unlearn dies"].error == "its worker process died whenever it was tried; out of memory?"
    assert {s.key for s in pending(plan, Store(place.store))} == {found["unlearn dies"].key}


@pytest.mark.parametrize(("times", "status", "tries"), [(1, "ok", 2), (9, "failed", 2)])
def test_a_stage_that_runs_out_of_memory_is_tried_once_more(setting, tmp_path, times, status, tries):
    place, registry, plan_of = setting
    marker = tmp_path / "tries"
    plan = plan_of({"name": "hungry", "settings": {"marker": str(marker), "times": times}})

    found = outcomes(plan, run_inline(plan.stages, place, registry))["unlearn hungry"]

    assert found.status == status
    assert found.error == ("" if status == "ok" else "MemoryError: no room for 3 GB")
    assert marker.stat().st_size == tries


def test_a_fleet_too_large_for_memory_is_trained_in_smaller_parts_to_the_same_models(setting, monkeypatch):
    place, registry, plan_of = setting
    plan = plan_of(auditors=[{"name": "rmia"}], references={"count": 8, "block": 8})
    block = next(s for s in plan.stages if s.kind == "reference")
    assert execute_stage(block, Context(place, registry)).status == "ok"
    sizes = []

    def short_of_memory(factory, models, *rest):
        sizes.append(len(models))
        if len(models) > 4:
            raise MemoryError
        return fit_many(factory, models, *rest)

    fit_many = TorchFactory.fit_many
    monkeypatch.setattr(TorchFactory, "fit_many", short_of_memory)
    other = attrs.evolve(place, store=place.store.parent / "other")
    assert execute_stage(block, Context(other, registry)).status == "ok"

    assert sizes == [8, 4, 4]
    manifest = Store(other.store).manifest(block.key)
    assert manifest.digest == Store(place.store).manifest(block.key).digest
    assert manifest.measured["models_at_once"] == 4


def test_a_fleet_takes_no_more_than_its_share_of_the_free_memory(setting, monkeypatch):
    place, registry, plan_of = setting
    spec = plan_of().stages[0].spec
    context = Context(place, registry)
    factory = context.factory(spec["model"], context.dataset(spec["data"]))
    size = sum(array.nbytes for array in factory.build(0).parameters().values())

    monkeypatch.setattr(fleets, "available_memory", lambda: 10 * size * fleets.FLEET_COPIES / fleets.FLEET_SHARE)
    assert fleets.models_at_once(factory, 64) == 10
    assert fleets.models_at_once(factory, 64, thrift=2) == 5
    monkeypatch.setattr(fleets, "available_memory", lambda: 1)
    assert fleets.models_at_once(factory, 64, thrift=2) == 1
    monkeypatch.setattr(fleets, "available_memory", lambda: None)
    assert fleets.models_at_once(factory, 64) == 64


def test_a_stage_that_another_run_has_computed_meanwhile_is_not_computed_again(setting):
    place, registry, plan_of = setting
    plan = plan_of()
    first = list(run_inline(plan.stages, place, registry))
    again = list(run_inline(plan.stages, place, registry))
    assert all(outcome.seconds > 0 for outcome in first)
    assert {outcome.seconds for outcome in again} == {0.0}


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
from harness.engine.local import start_pool

if __name__ == "__main__":
    pool = start_pool(1)
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
