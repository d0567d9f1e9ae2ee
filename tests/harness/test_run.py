import shutil
import subprocess
import sys

import attrs
import pytest

from harness.choice import choose
from harness.context import Place, load_dataset
from harness.errors import BadSetting
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.rows import read_rows
from harness.run import pending, run
from harness.settings import as_json
from harness.store import Store
from harness.store.packs import import_pack, write_pack
from harness.store.upkeep import check_objects, collect_garbage
from harness.summary import make_rows

REGISTRY = load_registry(installed=False)


@pytest.fixture
def go(tiny, tmp_path):
    """Return a function that runs the tiny suite, or a change of it, and gives its record."""
    def go(store, suite=tiny, **options):
        place = Place(store=tmp_path / store)
        plan = make_plan(suite, load_dataset(REGISTRY, suite.data, place), REGISTRY)
        return run(plan, place, REGISTRY, jobs=0, **options)
    return go


def plain(row):
    return {name: value for name, value in as_json(row).items() if name != "measured"}


def rows(record):
    return [plain(row) for row in make_rows(record)]


def test_topping_up_a_fleet_trains_what_is_missing_and_no_more(go, tiny, tmp_path):
    go("store")
    before = set(Store(tmp_path / "store"))

    record = go("store", choose(tiny, REGISTRY, references=8))

    new = [Store(tmp_path / "store").manifest(key) for key in set(Store(tmp_path / "store")) - before]
    trained = [m for m in new if m.stage in ("train", "retrain", "reference")]
    assert sorted(m.label for m in trained) == ["references 4-5", "references 6-7"]
    assert sum(m.report["models"] for m in trained) == 4
    assert len(record.references) == 4


def test_a_store_copied_elsewhere_is_used_and_nothing_is_trained_again(go, tmp_path):
    first = go("store")
    shutil.copytree(tmp_path / "store", tmp_path / "copied")

    second = go("copied")

    assert second.stages["computed"] == 0
    assert rows(second) == rows(first)


def test_a_pack_of_what_methods_share_leaves_only_the_methods_to_compute(go, tmp_path):
    first = go("store")
    store = Store(tmp_path / "store")
    shared = [key for key in store if store.manifest(key).stage in ("train", "retrain", "reference")]
    write_pack(store, shared, tmp_path / "shared.zip")
    import_pack(Store(tmp_path / "other"), tmp_path / "shared.zip")

    second = go("other")

    assert second.stages["stored"] == len(shared)
    assert rows(second) == rows(first)


def test_what_a_run_rests_on_is_no_garbage_and_what_only_another_one_needed_is(go, tiny, tmp_path):
    go("store")
    fewer = attrs.evolve(tiny, unlearners=tiny.unlearners[:1])
    go("store", fewer)
    assert collect_garbage(Store(tmp_path / "store")).keys == ()

    shutil.rmtree(next(path for path in (tmp_path / "store" / "runs").iterdir()
                       if not path.name.endswith(fewer.digest[:12])))
    store = Store(tmp_path / "store")
    labels = [store.manifest(key).label for key in store]
    gone = collect_garbage(store).keys

    assert len(gone) == sum("ft" in label or " ga " in label for label in labels) > 0
    assert go("store", fewer).stages["computed"] == 0


RUN = "import sys; from harness.cli import run_main; sys.exit(run_main(sys.argv[1:]))"


def test_two_runs_that_share_a_store_at_one_time_give_the_rows_of_one(go, tmp_path, tiny_file):
    command = [sys.executable, "-c", RUN, "run", str(tiny_file), "--jobs", "0", "--store", str(tmp_path / "store"),
               "--rows"]
    both = [subprocess.Popen([*command, str(tmp_path / name)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for name in ("left", "right")]
    for process in both:
        assert process.wait() == 0, process.communicate()[1]

    alone = rows(go("other"))

    for name in ("left", "right"):
        assert [plain(row) for row in read_rows(tmp_path / name)] == alone
    assert list(check_objects(Store(tmp_path / "store"))) == []


FULL = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000)); {RUN}"


def test_a_full_disk_is_told_in_one_line_and_the_same_command_continues_later(tmp_path, tiny_file, tiny):
    arguments = ["run", str(tiny_file), "--jobs", "0", "--store", str(tmp_path / "store")]

    full = subprocess.run([sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, check=False)

    assert full.returncode == 2
    assert full.stderr.splitlines()[-1].endswith(
        "cannot be written: File too large; what it holds is whole, the same command continues from there")
    assert "Traceback" not in full.stderr
    store = Store(tmp_path / "store")
    done = set(store)
    assert done
    assert all(store.verify(key) for key in done)
    assert not list((store.root / "tmp").iterdir())
    place = Place(store=tmp_path / "store")
    plan = make_plan(tiny, load_dataset(REGISTRY, tiny.data, place), REGISTRY)
    assert len(pending(plan, store)) == len(plan.stages) - len(done)
    assert run(plan, place, REGISTRY, jobs=0).stages["stored"] == len(done)


@pytest.mark.parametrize("engine", ["ray", "local:8", ""])
def test_an_engine_that_is_not_there_is_told(go, engine):
    with pytest.raises(BadSetting, match=f"--engine {engine}: expected local, dask or dask:ADDRESS"):
        go("store", engine=engine)
