import json
import os
import shutil

import numpy as np
import pytest

from harness.digests import digest_json
from harness.errors import StoreError
from harness.store import Store

SPEC = {"kind": "train", "seed": 1}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def write(store, spec=SPEC):
    arrays = {"weights": {"w": np.arange(3.0, dtype=np.float32)}, "signals": {"member": np.array([True, False])}}
    return store.write("train", "train original 0", spec, report={"accuracy": 0.5}, arrays=arrays,
                       measured={"seconds": 1.0})


def test_what_is_written_is_read_back(store):
    key = write(store).key

    assert store.has(key)
    assert list(store) == [key]
    assert store.manifest(key).report == {"accuracy": 0.5}
    np.testing.assert_array_equal(store.arrays(key, "weights")["w"], np.arange(3.0, dtype=np.float32))
    assert store.arrays(key, "signals")["member"].tolist() == [True, False]


def test_a_scalar_stays_a_scalar(store):
    manifest = store.write("train", "x", {}, report={}, arrays={"weights": {"steps": np.array(3)}}, measured={})

    assert store.arrays(manifest.key, "weights")["steps"].shape == ()


def test_the_digest_of_an_object_does_not_depend_on_what_it_cost(store, tmp_path):
    other = Store(tmp_path / "other").write(
        "train", "train original 0", SPEC, report={"accuracy": 0.5}, measured={"seconds": 99.0},
        arrays={"weights": {"w": np.arange(3.0, dtype=np.float32)}, "signals": {"member": np.array([True, False])}})
    assert write(store).digest == other.digest


def test_writing_an_object_again_leaves_the_first_one(store):
    first = write(store)
    write(store)
    assert store.manifest(first.key).measured == first.measured
    assert not list((store.root / "tmp").iterdir())


def test_a_missing_object_is_told(store):
    with pytest.raises(StoreError, match="has no object 000000000000"):
        store.manifest("0" * 64)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_a_changed_byte_anywhere_is_found(store, name):
    key = write(store).key
    path = store.path(key) / name
    content = bytearray(path.read_bytes())
    for place in range(len(content)):
        changed = content.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        if name == "manifest.json" and _same_json(changed, content):
            continue
        with pytest.raises(StoreError, match="damaged"):
            store.arrays(key, "weights")


def _same_json(left, right):
    try:
        return json.loads(left) == json.loads(right)
    except ValueError:
        return False


def test_a_truncated_object_is_found(store):
    key = write(store).key
    path = store.path(key) / "signals.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"signals.safetensors does not match its digest; remove .* computes it again"):
        store.arrays(key, "signals")


def test_an_object_under_a_wrong_key_is_found(store):
    key = write(store).key
    other = write(store, {"kind": "train", "seed": 2}).key
    (store.path(other) / "manifest.json").write_bytes((store.path(key) / "manifest.json").read_bytes())
    with pytest.raises(StoreError, match="damaged"):
        store.manifest(other)


def test_a_store_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"store .*file/store cannot be written: Not a directory; name another"):
        Store(tmp_path / "file" / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_store_is_told_in_one_line(tmp_path):
    root = Store(tmp_path / "store").root
    (root / "tmp").chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        Store(root)


def test_a_failed_write_leaves_nothing_behind(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; what it holds is whole"):
        write(store)
    assert list(store) == []
    assert not list((store.root / "tmp").iterdir())


def test_an_object_is_adopted_only_when_it_is_whole(store, tmp_path):
    key = write(Store(tmp_path / "other")).key
    folder = store.root / "tmp" / "arrived"

    def arrive():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(Store(tmp_path / "other").path(key), folder)

    arrive()
    (folder / "signals.safetensors").unlink()
    with pytest.raises(StoreError, match=r"not whole: it holds manifest.json, weights.safetensors instead of"):
        store.adopt(key, folder)
    arrive()
    (folder / "extra").touch()
    with pytest.raises(StoreError, match=r"not whole: it holds extra, manifest\.json"):
        store.adopt(key, folder)
    arrive()
    with pytest.raises(StoreError, match=r"not whole: manifest.json does not match its digest"):
        store.adopt("0" * 64, folder)
    assert list(store) == []

    store.adopt(key, folder)
    assert store.verify(key).report == {"accuracy": 0.5}


@pytest.mark.parametrize("change", [{"files": ["weights"]}, {"files": {"weights": 3}}, {"measured": {"seconds": "x"}},
                                    {"label": 3}, {"report": []}, {"surprise": 1}])
def test_a_manifest_of_another_shape_is_damaged_even_if_its_digest_is_right(store, change):
    key = write(store).key
    path = store.path(key) / "manifest.json"
    content = {**json.loads(path.read_text()), **change}
    del content["check"]
    path.write_text(json.dumps({**content, "check": digest_json(content)}))
    with pytest.raises(StoreError, match=r"manifest.json is unreadable \(TypeError\)"):
        store.manifest(key)
