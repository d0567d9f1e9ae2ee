import pytest

from harness.context import Place
from harness.engine import cluster, run_dask, run_inline
from harness.errors import HarnessError
from harness.run import pending
from harness.store import Store
from tests.harness.test_engine import outcomes, setting

distributed = pytest.importorskip("distributed", reason="Dask is not installed: unlearning-harness[cluster]")
__all__ = ["setting"]


def test_two_processes_of_a_cluster_give_the_artefacts_of_one_process_though_a_worker_is_killed(setting, tmp_path):
    place, registry, plan_of = setting
    plan = plan_of({"name": "dies-once", "settings": {"marker": str(tmp_path / "died")}}, {"name": "hangs"},
                   unlearn_seconds=3)

    found = outcomes(plan, run_dask(plan.stages, place, jobs=2))

    assert (tmp_path / "died").exists()
    assert {label: o.error for label, o in found.items() if o.status != "ok"} == {
        "unlearn hangs": "stopped after 3 s"}
    other = Place(store=tmp_path / "other", plugins=place.plugins)
    done = [stage for stage in plan.stages if stage not in pending(plan, Store(place.store))]
    list(run_inline(done, other, registry))
    assert [Store(other.store).manifest(stage.key).digest for stage in done] == [
        Store(place.store).manifest(stage.key).digest for stage in done]


def test_a_worker_of_several_threads_is_refused(setting):
    place, _, plan_of = setting
    with (distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as made,
          pytest.raises(HarnessError, match="has 2 threads, but a stage needs a process for itself")):
        list(run_dask(plan_of().stages, place, jobs=1, address=made.scheduler_address))


@pytest.mark.parametrize(("change", "message"), [
    ({"store": False}, "worker w does not see the store .*; name a folder that all machines share with --store"),
    ({"versions": {"torch": "1.0"}}, "other versions of attrs, numpy, .* and .* more; install the same there"),
    ({"sources": {"amun": "0"}}, "other sources of accuracy, .* and .* more; install"),
])
def test_a_worker_that_would_give_other_numbers_is_refused(setting, change, message):
    place = setting[0]
    probe = Store(place.store).root
    mine = cluster.describe_worker(place, probe)
    cluster._compare("w", mine, mine, place.store)
    with pytest.raises(HarnessError, match=message):
        cluster._compare("w", mine, {**mine, **change}, place.store)


def test_a_scheduler_that_does_not_answer_is_told(setting, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 0.2)
    with pytest.raises(HarnessError, match=r"--engine dask:tcp://127.0.0.1:1: no scheduler answers there"):
        list(run_dask(setting[2]().stages, setting[0], jobs=1, address="tcp://127.0.0.1:1"))

