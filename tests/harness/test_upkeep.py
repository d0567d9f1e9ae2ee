import subprocess
import sys

import numpy as np
import pytest

from harness.errors import StoreError
from harness.store import Store
from harness.store.locks import alone, in_use
from harness.store.upkeep import (
    check_objects,
    clear_leftovers,
    collect_garbage,
    find_garbage,
    list_objects,
    remove_object,
    runs_with,
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def write(store, seed):
    return store.write("train", "train", {"seed": seed}, report={}, measured={"seconds": 1.0},
                       arrays={"weights": {"w": np.zeros(3, dtype=np.float32)}}).key


def test_objects_that_no_run_rests_on_are_garbage(store):
    a, b, c = (write(store, seed) for seed in range(3))
    list_objects(store.root / "runs" / "first", [a])
    list_objects(store.root / "runs" / "second", [a, b, "0" * 64])

    found = find_garbage(store)

    assert (found.keys, found.kept) == ((c,), 2)
    assert found.bytes == sum(path.stat().st_size for path in store.files(c))
    assert store.has(c)
    assert collect_garbage(store) == found
    assert set(store) == {a, b}
    assert not list((store.root / "tmp").iterdir())
    assert runs_with(store, a) == ["first", "second"]


def test_a_run_that_does_not_say_what_it_rests_on_stops_the_collection(store):
    key = write(store, 0)
    (store.root / "runs" / "old").mkdir()
    with pytest.raises(StoreError, match=r"run old does not say which objects it rests on .* or remove"):
        collect_garbage(store)
    assert store.has(key)


def test_garbage_is_not_collected_while_a_run_is_under_way(store):
    key = write(store, 0)
    with in_use(store.root), pytest.raises(StoreError, match="is in use by a run"):
        collect_garbage(store)
    assert store.has(key)
    assert len(collect_garbage(store).keys) == 1


def test_runs_share_a_store_and_one_that_tidies_up_wants_it_for_itself(store):
    with in_use(store.root), in_use(store.root), alone(store.root) as sole:
        assert not sole
    with alone(store.root) as sole:
        assert sole


HOLDER = """
import sys, time
from pathlib import Path
from harness.store.locks import in_use
with in_use(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_run_is_gone(store):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(store.root)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with alone(store.root) as sole:
        assert not sole

    holder.kill()
    holder.wait()

    with alone(store.root) as sole:
        assert sole


def test_leftovers_of_killed_runs_go_and_those_of_a_run_under_way_stay(store):
    half = store.root / "tmp" / "0123-99-abc"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    with in_use(store.root):
        clear_leftovers(store)
        assert half.exists()
    clear_leftovers(store)
    assert not list((store.root / "tmp").iterdir())


def test_a_damaged_object_is_found_and_can_be_removed(store):
    good, bad = write(store, 0), write(store, 1)
    (store.path(bad) / "weights.safetensors").write_bytes(b"")

    (damaged,) = check_objects(store)

    assert damaged[0] == bad
    assert "weights.safetensors does not match its digest" in damaged[1]
    remove_object(store, bad)
    assert list(store) == [good]


def test_an_object_that_lost_its_manifest_can_be_removed_and_written_again(store):
    key = write(store, 0)
    (store.path(key) / "manifest.json").unlink()
    assert [found for found, _ in check_objects(store)] == [key]
    remove_object(store, key)
    assert write(store, 0) == key
    assert list(check_objects(store)) == []
