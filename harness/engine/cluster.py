"""The cluster engine: the same stages as tasks of Dask, on this machine or on many that share the store's folder.

Nothing travels but stages, places and outcomes, which are small and plain; models, data and results are read and
written by the workers in the store. Dask unpickles what its peers send, so a cluster is to be trusted like one's
own account: a scheduler started here listens on the loopback address only.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from harness.context import Place
from harness.engine.outcome import Outcome
from harness.engine.queue import hand_out
from harness.engine.worker import work
from harness.environment import environment
from harness.errors import HarnessError
from harness.plan import Stage
from harness.plugins import load_registry
from harness.provenance import class_digest, source_digest
from harness.store import Store

if TYPE_CHECKING:
    from distributed import Client, Worker

WAIT_SECONDS = 30


def run_dask(stages: Sequence[Stage], place: Place, jobs: int, address: str = "") -> Iterator[Outcome]:
    """Yield outcomes in the order in which stages finish, executed by the workers of a Dask cluster.

    Args:
        stages: what to do.
        place: store, data and plugins; every worker must see them under the same paths.
        jobs: worker processes, when the cluster is started here.
        address: of a running scheduler (``tcp://host:8786``), or the path of its scheduler file; when empty, workers
            are started on this machine.

    Raises:
        HarnessError: if Dask is not installed, the cluster cannot be reached or its workers differ from this process
            in what decides numbers; or of a stage, since it concerns the whole run.
    """
    place = attrs.evolve(place, store=place.store.resolve(), plugins=tuple(path.resolve() for path in place.plugins),
                         data_root=place.data_root and place.data_root.resolve())
    with _client(address, jobs) as client:
        on_gpu = _check_workers(client, place)
        try:
            yield from hand_out(stages, _DaskWorkers(client, place, on_gpu))
        except CancelledError as error:
            raise HarnessError("the Dask scheduler has gone; what was computed is stored, the same command continues "
                               "from there") from error


class _DaskWorkers:
    """The workers of a cluster, as many as it has at the time."""

    # Enough to keep a large cluster busy and to let an adaptive one see that it should grow.
    slots = 256

    def __init__(self, client: Client, place: Place, on_gpu: bool) -> None:
        from distributed.scheduler import KilledWorker

        self.lost: tuple[type[BaseException], ...] = (KilledWorker,)
        self._place = place
        # Not pure: a stage that is tried again would get the answer of the first try.
        self._executor = client.get_executor(pure=False, **({"resources": {"GPU": 1}} if on_gpu else {}))

    def submit(self, stage: Stage, tries: int) -> Future[Outcome]:
        """Hand out a stage."""
        future: Future[Outcome] = self._executor.submit(work, stage, self._place, tries)
        return future


@contextmanager
def _client(address: str, jobs: int) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise HarnessError("--engine dask needs Dask: pip install 'unlearning-harness[cluster]'") from error
    if address:
        where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
        try:
            client = Client(**where, timeout=WAIT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise HarnessError(f"--engine dask:{address}: no scheduler answers there: {error}") from error
        with client:
            yield client
        return
    # A task is charged for its worker's death at once, and tried again alone; Dask would try it four times beside
    # others, which may then be charged too.
    with (dask.config.set({"distributed.scheduler.allowed-failures": 0}),
          LocalCluster(n_workers=jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                       memory_limit=0, silence_logs="ERROR") as cluster,
          Client(cluster, set_as_default=False) as client):
        yield client


def _check_workers(client: Client, place: Place) -> bool:
    """Return whether workers offer GPUs; raise unless each sees the store and would compute what this process would."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError as error:
        raise HarnessError(f"the Dask cluster has no worker after {WAIT_SECONDS} s") from error
    probe = Store(place.store).root / "tmp" / f"probe-{uuid.uuid4().hex}"
    probe.touch()
    try:
        answers = client.run(describe_worker, place, probe, on_error="return")
    finally:
        probe.unlink(missing_ok=True)
    mine = describe_worker(place, probe)
    for worker, answer in answers.items():
        if isinstance(answer, BaseException):
            raise HarnessError(f"Dask worker {worker} cannot work: {type(answer).__name__}: {answer}") from answer
        _compare(worker, mine, answer, place.store)
    return place.device != "cpu" and any(answer["gpus"] for answer in answers.values())


def describe_worker(place: Place, probe: Path, dask_worker: Worker | None = None) -> dict[str, Any]:
    """Return what a process has: whether it sees the store, its threads and GPUs, versions and sources by name."""
    registry = load_registry(place.plugins)
    kinds = [names[name] for names in (registry.unlearners, registry.auditors, registry.adapters) for name in names]
    return {
        "store": probe.exists(),
        "threads": dask_worker.state.nthreads if dask_worker else 1,
        "gpus": dask_worker.state.total_resources.get("GPU", 0) if dask_worker else 0,
        "versions": {"python": ".".join(platform.python_version_tuple()[:2]), **environment(place.device)["packages"]},
        "sources": {"harness": source_digest("harness.stages"), **{kind.name: class_digest(kind) for kind in kinds}},
    }


def _compare(worker: str, mine: Mapping[str, Any], its: Mapping[str, Any], store: Path) -> None:
    if not its["store"]:
        raise HarnessError(f"Dask worker {worker} does not see the store {store}; name a folder that all machines "
                           "share with --store")
    if its["threads"] != 1:
        raise HarnessError(f"Dask worker {worker} has {its['threads']} threads, but a stage needs a process for "
                           "itself; start workers with --nthreads 1 and with --nworkers as many as there are cores")
    for what in ("versions", "sources"):
        here, there = mine[what], its[what]
        different = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
        if different:
            more = f" and {len(different) - 3} more" if len(different) > 3 else ""
            raise HarnessError(f"Dask worker {worker} has other {what} of {', '.join(different[:3])}{more}; install "
                               "the same there, or rows would mix the two")
