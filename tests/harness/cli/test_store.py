import json

import numpy as np
import pytest

from harness.cli import run_main
from harness.store import Store
from harness.store.upkeep import list_objects


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Store(tmp_path / "unlearn-store")
    weights = {"weights": {"w": np.zeros(3, dtype=np.float32)}}
    original = made.write("train", "train original 0", {"seed": 0}, report={}, arrays=weights,
                          measured={"seconds": 1.5})
    made.write("unlearn", "unlearn \x1b[31mamun", {"original": original.key}, report={}, arrays=weights,
               measured={"seconds": 0.5})
    return made


@pytest.fixture
def unlearn(capsys):
    def call(*arguments):
        code = run_main(["store", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return call


def key_of(store, stage):
    return next(key for key in store if store.manifest(key).stage == stage)


def test_ls_counts_by_stage_or_lists_one_by_one(store, unlearn):
    totals = json.loads(unlearn("ls", "--json")[1])
    assert [(line["stage"], line["objects"], line["seconds"]) for line in totals] == [
        ("train", 1, 1.5), ("unlearn", 1, 0.5)]
    assert "train original 0" in unlearn("ls", "--stage", "train")[1]


def test_explain_names_inputs_and_runs(store, unlearn):
    list_objects(store.root / "runs" / "digits-v1-abc", [key_of(store, "unlearn")])

    facts = json.loads(unlearn("explain", key_of(store, "unlearn")[:10], "--json")[1])

    assert facts["inputs"] == {key_of(store, "train"): "train original 0"}
    assert facts["runs"] == ["digits-v1-abc"]
    assert facts["spec"] == {"original": key_of(store, "train")}


def test_a_label_cannot_steer_the_terminal(store, unlearn):
    assert "\x1b" not in unlearn("ls", "--stage", "unlearn")[1]
    assert "\x1b" not in unlearn("explain", key_of(store, "unlearn")[:10])[1]


def test_a_pack_goes_out_and_in(store, unlearn, tmp_path):
    assert "pack.zip: 1 objects" in unlearn("pack", "pack.zip", "--stage", "train")[1]
    assert unlearn("import", "pack.zip", "--store", "other")[1] == (
        "pack.zip: 1 objects imported, 0 were there already\n")
    assert list(Store(tmp_path / "other")) == [key_of(store, "train")]


def test_gc_is_dry_unless_told_otherwise(store, unlearn):
    list_objects(store.root / "runs" / "digits-v1-abc", [key_of(store, "train")])
    assert "1 objects (0.0 MB) could be removed with --remove, 1 are needed" in unlearn("gc")[1]
    assert len(list(store)) == 2
    assert "1 objects (0.0 MB) removed, 1 are needed" in unlearn("gc", "--remove")[1]
    assert [store.manifest(key).stage for key in store] == ["train"]


def test_check_ends_with_1_when_an_object_is_damaged_and_can_remove_it(store, unlearn):
    assert unlearn("check")[:2] == (0, "2 objects, 0 damaged\n")
    (store.path(key_of(store, "train")) / "weights.safetensors").write_bytes(b"")

    code, out, _ = unlearn("check")
    assert code == 1
    assert "does not match its digest" in out
    assert "2 objects, 1 damaged, removed" in unlearn("check", "--remove")[1]
    assert unlearn("check")[:2] == (0, "1 objects, 0 damaged\n")


@pytest.mark.parametrize(("arguments", "message"), [
    (["ls", "--store", "none"], "there is no store at none; name one with --store"),
    (["explain", "xyz"], "no object whose key begins with 'xyz'; see unlearn store ls"),
    (["explain", ""], "2 objects begin with ''"),
    (["import", "none.zip"], "none.zip: cannot be imported: No such file or directory"),
])
def test_mistakes_are_told_in_one_line(store, unlearn, arguments, message):
    code, _, err = unlearn(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
