import io
import zipfile

import numpy as np
import pytest

from harness.errors import StoreError
from harness.store import Store
from harness.store.packs import import_pack, write_pack


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for seed in range(3):
        made.write("train", f"train original {seed}", {"seed": seed}, report={}, measured={"seconds": 1.0},
                   arrays={"weights": {"w": np.full(3, seed, dtype=np.float32)}})
    return made


@pytest.fixture
def other(tmp_path):
    return Store(tmp_path / "other")


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write the pack at ``path`` again with each (name, bytes) as ``change`` says."""
    with zipfile.ZipFile(path) as pack:
        entries = [(entry.filename, pack.read(entry)) for entry in pack.infolist()]
    with zipfile.ZipFile(path, "w", compression) as pack:
        for name, data in entries:
            pack.writestr(*change(name, data))


def test_a_pack_carries_objects_to_another_store(store, other, tmp_path):
    assert write_pack(store, store, tmp_path / "pack.zip") == 3

    done = import_pack(other, tmp_path / "pack.zip")

    assert (done.new, done.known) == (3, 0)
    assert [other.verify(key).digest for key in other] == [store.manifest(key).digest for key in store]
    again = import_pack(other, tmp_path / "pack.zip")
    assert (again.new, again.known) == (0, 3)


def test_equal_objects_give_an_equal_pack(store, tmp_path):
    write_pack(store, list(store), tmp_path / "a.zip")
    write_pack(store, reversed(list(store)), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_damaged_object_is_not_packed(store, tmp_path):
    key = next(iter(store))
    (store.path(key) / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(StoreError, match="does not match its digest"):
        write_pack(store, store, tmp_path / "pack.zip")
    assert not list(tmp_path.glob("pack.zip*"))


@pytest.mark.parametrize("name", [
    "../evil", "/etc/evil", "objects/../../evil", "objects/ab/../evil", "runs/evil/rows.jsonl", "objects\\ab\\evil",
    "objects/ab/" + "c" * 62 + "/evil.py", "objects/ab/" + "c" * 62 + "/../manifest.json"])
def test_a_name_that_has_no_place_in_a_pack_is_refused_before_anything_is_written(store, other, tmp_path, name):
    write_pack(store, store, tmp_path / "pack.zip")
    with zipfile.ZipFile(tmp_path / "pack.zip", "a") as pack:
        pack.writestr(name, b"evil")

    with pytest.raises(StoreError, match="has no place in a pack; nothing was imported"):
        import_pack(other, tmp_path / "pack.zip")

    assert list(other) == []
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("evil")]


@pytest.mark.parametrize("file", ["manifest.json", "weights.safetensors"])
def test_a_changed_byte_is_found_and_leaves_no_object(store, other, tmp_path, file):
    write_pack(store, list(store)[:1], tmp_path / "pack.zip")
    rewritten(tmp_path / "pack.zip", lambda name, data: (
        name, data.replace(b"0", b"1", 1) if name.endswith(file) else data))
    with pytest.raises(StoreError, match=r"pack.zip: object [0-9a-f]{12} is not whole"):
        import_pack(other, tmp_path / "pack.zip")
    assert list(other) == []
    assert not list((other.root / "tmp").iterdir())


def test_an_object_under_another_key_is_refused(store, other, tmp_path):
    write_pack(store, list(store)[:1], tmp_path / "pack.zip")
    rewritten(tmp_path / "pack.zip", lambda name, data: (f"objects/00/{'0' * 62}/{name.rpartition('/')[2]}", data))
    with pytest.raises(StoreError, match="object 000000000000 is not whole"):
        import_pack(other, tmp_path / "pack.zip")


def test_compressed_entries_are_refused_since_they_may_unpack_to_any_size(store, other, tmp_path):
    write_pack(store, store, tmp_path / "pack.zip")
    rewritten(tmp_path / "pack.zip", lambda name, data: (name, data), zipfile.ZIP_DEFLATED)
    with pytest.raises(StoreError, match="is compressed, which packs are not"):
        import_pack(other, tmp_path / "pack.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(store, other, tmp_path):
    write_pack(store, store, tmp_path / "pack.zip")
    with zipfile.ZipFile(tmp_path / "pack.zip", "a") as pack:
        pack.writestr(pack.namelist()[0], b"{}")
    with pytest.raises(StoreError, match="has a file twice"):
        import_pack(other, tmp_path / "pack.zip")


def test_a_pickle_inside_is_never_opened(store, other, tmp_path):
    write_pack(store, list(store)[:1], tmp_path / "pack.zip")
    payload = io.BytesIO()
    np.save(payload, np.array([print], dtype=object), allow_pickle=True)
    rewritten(tmp_path / "pack.zip", lambda name, data: (
        name, payload.getvalue() if name.endswith("weights.safetensors") else data))
    with pytest.raises(StoreError, match="does not match its digest"):
        import_pack(other, tmp_path / "pack.zip")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06"])
def test_a_file_that_is_no_pack_is_told_in_one_line(other, tmp_path, content):
    (tmp_path / "pack.zip").write_bytes(content)
    with pytest.raises(StoreError, match=r"pack.zip: cannot be imported: .*not a zip file"):
        import_pack(other, tmp_path / "pack.zip")


def test_a_missing_or_unwritable_file_is_told(store, tmp_path):
    with pytest.raises(StoreError, match=r"none.zip: cannot be imported: No such file or directory"):
        import_pack(store, tmp_path / "none.zip")
    with pytest.raises(StoreError, match=r"pack.zip: cannot be written: No such file or directory"):
        write_pack(store, store, tmp_path / "no" / "pack.zip")
