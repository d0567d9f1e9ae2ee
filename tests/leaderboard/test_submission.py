"""A run goes through submit, verify, add and build, and whatever is wrong with a bundle is found."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from harness.cli import run_main
from harness.digests import canonical_json
from harness.errors import HarnessError, StoreError
from harness.plugins import load_registry
from harness.rows import row_id
from harness.settings import structure
from harness.store import Store
from leaderboard.archive import MANIFEST, RECORD, ROWS, BundleError, make_manifest, unpack, write_archive
from leaderboard.bundle import write_bundle
from leaderboard.verification import verify_bundle, verify_rows
from tests.conftest import TINY
from tests.leaderboard.conftest import execute


@pytest.fixture(scope="session")
def bundle(tiny_run, tmp_path_factory):
    """Return its submission."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.zip"
    write_bundle(tiny_run, path)
    return path


@pytest.fixture(scope="session")
def lean(tiny_run, tmp_path_factory):
    """Return its submission without logits."""
    path = tmp_path_factory.mktemp("lean") / "tiny.zip"
    write_bundle(tiny_run, path, signals=False)
    return path


@pytest.fixture
def forge(tmp_path):
    """Return a function that changes files of a bundle and seals it again as its author could."""
    def forge(source, change, about=None):
        with zipfile.ZipFile(source) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
            about = about or json.loads(archive.read(MANIFEST))["about"]
        change(files)
        files[MANIFEST] = make_manifest(files, about)
        path = tmp_path / "forged.zip"
        write_archive(files, path)
        return path
    return forge


@pytest.fixture(scope="session")
def board(lean, tmp_path_factory):
    """Return the folder of a board that holds the rows of an honest bundle."""
    folder = tmp_path_factory.mktemp("board")
    assert run_main(["leaderboard", "add", str(lean), "--rows", str(folder)]) == 0
    return folder


@pytest.fixture
def refused(board, registry, capsys):
    """Return a function that adds a bundle to the board and returns why it was refused: exit 2, nothing changed."""
    def refused(path):
        before = {file.name: file.read_bytes() for file in board.iterdir()}
        problems = verify_bundle(path, registry).problems
        capsys.readouterr()
        assert run_main(["leaderboard", "add", str(path), "--rows", str(board), "--supersede"]) == 2
        told = capsys.readouterr()
        assert problems
        assert all(" ".join(problem.split()) in told.err for problem in problems)
        assert told.out == ""
        assert {file.name: file.read_bytes() for file in board.iterdir()} == before
        return problems
    return refused


def edit(files, name, change):
    """Change the JSON of one file in place."""
    content = json.loads(files[name])
    change(content)
    files[name] = json.dumps(content).encode()


def edit_rows(files, change):
    """Change every row and give it the id that its content has."""
    lines = [json.loads(line) for line in files[ROWS].splitlines()]
    change(lines)
    for line in lines:
        line["id"] = row_id(line)
    files[ROWS] = b"".join(canonical_json(line) + b"\n" for line in lines)


def test_an_honest_bundle_is_confirmed_to_the_last_score(bundle, registry):
    verdict = verify_bundle(bundle, registry)

    assert verdict.problems == ()
    assert len(verdict.rows) == 8
    assert verdict.recomputed == {row.id for row in verdict.rows if row.scores}
    assert any("scores recomputed from the logits" in note for note in verdict.notes)


def test_the_same_run_gives_the_same_bytes(tiny_run, bundle, tmp_path):
    write_bundle(tiny_run, tmp_path / "again.zip")

    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_bundle_without_logits_is_valid_but_confirms_nothing(lean, registry):
    verdict = verify_bundle(lean, registry)

    assert verdict.problems == ()
    assert verdict.recomputed == frozenset()
    assert "scores were not recomputed: the bundle holds no logits" in verdict.notes


def test_from_a_run_to_a_page(tiny_run, tmp_path, capsys):
    zipped, rows, site = (str(tmp_path / name) for name in ("t.zip", "rows", "site"))
    (tmp_path / "rows").mkdir()

    assert run_main(["submit", str(tiny_run), "--out", zipped]) == 0
    assert run_main(["verify", zipped]) == 0
    assert run_main(["leaderboard", "add", zipped, "--rows", rows, "--evaluator", "a third party"]) == 0
    assert run_main(["leaderboard", "add", zipped, "--rows", rows]) == 0
    assert run_main(["leaderboard", "build", "--rows", rows, "--out", site]) == 0

    assert "left out" in capsys.readouterr().err
    page = (tmp_path / "site/suites/tiny-v1.retain-forget.html").read_text(encoding="utf-8")
    assert "checked" in page


def test_a_row_that_supersedes_takes_the_place_of_the_old_one(lean, bundle, tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    assert run_main(["leaderboard", "add", str(lean), "--rows", str(rows)]) == 0
    assert run_main(["leaderboard", "add", str(bundle), "--rows", str(rows), "--method", "ft", "--supersede"]) == 0

    lines = [json.loads(line) for line in (rows / "tiny-v1.jsonl").read_text(encoding="utf-8").splitlines()]
    new = [line for line in lines if line["supersedes"]]
    assert {(line["method"]["title"], line["tier"]) for line in new if line["scores"]} == {("ft", "checked")}


def test_a_store_that_has_changed_cannot_be_submitted(tiny_run, tmp_path):
    shutil.copytree(tiny_run.parents[1], tmp_path / "store")
    store = Store(tmp_path / "store")
    key = next(key for key in store if store.manifest(key).stage == "unlearn")
    shutil.rmtree(store.path(key))

    with pytest.raises(StoreError, match="has no object"):
        write_bundle(tmp_path / "store/runs/tiny-v1", tmp_path / "t.zip")
    assert not (tmp_path / "t.zip").exists()


@pytest.mark.parametrize(("which", "times"), [
    ("lean", 20), pytest.param("lean", 500, marks=pytest.mark.slow(reason="unpacks 500 archives")),
    pytest.param("bundle", 500, marks=pytest.mark.slow(reason="unpacks 500 archives with logits"))])
def test_any_flipped_byte_is_found(request, tmp_path, which, times):
    data = request.getfixturevalue(which).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.zip"
    for _ in range(times):
        place, bit = int(rng.integers(len(data))), int(rng.integers(8))
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        folder = tmp_path / "unpacked"
        folder.mkdir()
        with pytest.raises(BundleError):
            unpack(path, folder)
        shutil.rmtree(folder)


def test_a_flipped_byte_in_the_logits_is_found(bundle, registry, tmp_path):
    data = bytearray(bundle.read_bytes())
    data[data.index(b"safetensors") + 3000] ^= 1
    (tmp_path / "flipped.zip").write_bytes(data)

    assert verify_bundle(tmp_path / "flipped.zip", registry).problems


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(lean, refused, tmp_path, share):
    data = lean.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[:int(share * len(data))])

    assert refused(tmp_path / "cut.zip")


@pytest.mark.parametrize("name", [
    "../evil", "/etc/evil", "objects/../../evil", "objects\\..\\evil", "C:\\evil", "objects/aa/" + "b" * 62 + "/../x",
    "objects/aa/" + "b" * 62 + "/evil.py", "objects/aa/" + "b" * 62 + "/evil.pkl", "rows.jsonl/", "", "record.json\0x",
    "objects/AA/" + "b" * 62 + "/manifest.json", "setup.py", "é.safetensors"])
def test_a_name_that_has_no_place_is_refused_and_nothing_is_written(lean, refused, tmp_path, name):
    path = tmp_path / "in" / "evil.zip"
    path.parent.mkdir()
    shutil.copy(lean, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name or "."), b"evil")

    assert refused(path)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def compressed(path):
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("objects/aa/" + "b" * 62 + "/signals.safetensors", b"\0" * 50_000_000)


def twice(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(ROWS, b"")


def link(path):
    entry = zipfile.ZipInfo("objects/aa/" + "b" * 62 + "/signals.safetensors")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, b"/etc/passwd")


def comment(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"hello"


@pytest.mark.parametrize("change", [
    compressed, twice, link, comment,
    lambda path: path.write_bytes(b"#!/bin/sh\n" + path.read_bytes()),
    lambda path: path.write_bytes(path.read_bytes() + b"tail"),
    lambda path: path.write_bytes(b"PK\x03\x04"),
    lambda path: path.write_text("{}", encoding="utf-8"),
], ids=["zip bomb", "duplicate", "symlink", "comment", "leading bytes", "trailing bytes", "no directory", "no zip"])
def test_an_archive_that_is_more_than_its_files_is_refused(lean, refused, tmp_path, change):
    path = tmp_path / "odd.zip"
    shutil.copy(lean, path)
    change(path)

    assert refused(path)


@pytest.mark.parametrize(("change", "problem"), [
    (lambda m: m.update(schema=2), "schema 2"),
    (lambda m: m.update(kind="a cake"), "'a cake'"),
    (lambda m: m.update(check="0" * 64), "does not match its own digest"),
    (lambda m: m.update(files=[]), "lists no files"),
    (lambda m: m["files"].pop(RECORD), "record.json is not listed"),
    (lambda m: m["files"].update({"objects/x": {}}), "objects/x is listed but missing"),
    (lambda m: m["files"][ROWS].update(sha256="0" * 64), "rows.jsonl does not match its digest"),
    (lambda m: m["files"][ROWS].update(bytes=1), "rows.jsonl does not match its digest"),
    (lambda m: m["files"].update({ROWS: 3}), "lists no files"),
])
def test_a_wrong_manifest_is_refused(lean, refused, tmp_path, change, problem):
    with zipfile.ZipFile(lean) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files, MANIFEST, change)
    write_archive(files, tmp_path / "wrong.zip")

    assert any(problem in found for found in refused(tmp_path / "wrong.zip"))


@pytest.mark.parametrize("text", [
    b"", b"[]", b"3", b"{", b'{"schema": NaN}', b'{"a": 1e999}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff\xfe",
    b'{"schema": 1}', b"null"])
@pytest.mark.parametrize("name", [RECORD, ROWS])
def test_a_file_that_is_not_what_it_should_be_is_refused(lean, refused, forge, name, text):
    assert refused(forge(lean, lambda files: files.update({name: text})))


ROW_FIELDS = ["id", "suite", "protocol", "method", "data", "forget_sets", "originals", "oracles", "references", "seeds",
              "auditors", "status", "schema"]
RECORD_FIELDS = ["suite", "suite_digest", "protocol", "data", "requests", "methods", "auditors", "cells", "skipped",
                 "originals", "references", "stages", "measured", "environment"]


@pytest.mark.parametrize("value", ["missing", 3.5, None, {"x": []}])
@pytest.mark.parametrize("field", ROW_FIELDS)
def test_a_row_without_or_with_a_wrong_field_is_refused(lean, refused, forge, field, value):
    def change(files):
        lines = [json.loads(line) for line in files[ROWS].splitlines()]
        lines[1].pop(field)
        if value != "missing":
            lines[1][field] = value
        files[ROWS] = b"\n".join(json.dumps(line).encode() for line in lines)

    assert refused(forge(lean, change))


@pytest.mark.parametrize("value", ["missing", 3.5, None, [{"x": []}]])
@pytest.mark.parametrize("field", RECORD_FIELDS)
def test_a_record_without_or_with_a_wrong_field_is_refused(lean, refused, forge, field, value):
    def change(files):
        def without(content):
            content.pop(field)
            if value != "missing":
                content[field] = value
        edit(files, RECORD, without)

    assert refused(forge(lean, change))


def better(lines):
    score = lines[3]["scores"][0]
    score["value"] += 1


def much_better(lines):
    for line in lines:
        for score in line["scores"]:
            score["values"] = [[[value + 0.01 for value in run] for run in sets] for sets in score["values"]]
            score["value"] += 0.01
            score["low"] = score["high"] = score["gap_low"] = score["gap_high"] = None


@pytest.mark.parametrize(("change", "problem"), [
    (better, "its values give"),
    (much_better, "expected"),
    (lambda lines: lines[2].update(tier="reproduced"), "tier is 'reproduced', expected 'self-reported'"),
    (lambda lines: lines[2].update(status="failed"), "status is 'failed', expected 'ok'"),
    (lambda lines: lines[2].update(failures=1), "failures is 1, expected 0"),
    (lambda lines: lines[2]["method"]["settings"].update(lr=9), "settings.lr"),
    (lambda lines: lines[2].update(protocol="0" * 64), "appears with 2 protocols"),
    (lambda lines: lines[2]["suite"].update(name="cifar10-v1"), "suite.name is 'cifar10-v1'"),
    (lambda lines: lines[2]["measured"].update(seconds=0.0), "measured.seconds"),
    (lambda lines: lines[2].update(supersedes="0" * 64), "which is not on the board"),
    (lambda lines: lines[2].update(retracted="oops"), "is retracted but supersedes no row"),
    (lambda lines: lines.append(lines[2]), "is there 2 times"),
    (lambda lines: lines.pop(2), "the record gives a row, there is none"),
    (lambda lines: lines[2]["method"].update(title="mine"), "the record gives no such row"),
    (lambda lines: lines[2]["tuning"].update(track="deployable"), "tuning.track"),
    (lambda lines: lines[2].update(schema=2), "schema 2 is not known"),
    (lambda lines: lines[2].update(praise="best"), "no parameter is called 'praise'"),
])
def test_a_row_that_the_record_does_not_give_is_refused(lean, refused, forge, change, problem):
    found = refused(forge(lean, lambda files: edit_rows(files, change)))

    assert any(problem in line for line in found), found


def first_cell(method, **changes):
    def change(content):
        next(cell for cell in content["cells"] if cell["method"] == method).update(changes)
    return change


def inflate(content):
    for cell in content["cells"]:
        if cell["method"] == "ft":
            cell["scores"]["accuracy"][2]["value"] = 99.0


@pytest.mark.parametrize(("change", "problem"), [
    (lambda c: c.update(schema=2), "record.json has schema 2"),
    (lambda c: c["suite"].update(seed=7), "the suite has digest"),
    (lambda c: c["suite"].update(originals=10**9), "calls for some"),
    (lambda c: c["suite"]["data"].update(name="imagefolder:/etc"), "the suite has digest"),
    (lambda c: c["suite"].update(name="digits-v1"), "'digits-v1' is another suite here"),
    (lambda c: c["cells"].pop(0), "is missing"),
    (lambda c: c["cells"].append(c["cells"][0]), "is there 2 times"),
    (first_cell("ft", run=10**9), "is not of this run"),
    (first_cell("ft", original=-1), "is not of this run"),
    (first_cell("ft", scores={}), "has the audits none"),
    (first_cell("ft", key="0" * 64), "its artefact is not enclosed"),
    (first_cell("ft", model="0" * 64), "the record names 000000000000"),
    (lambda c: c["auditors"].pop("rmia"), "the record has the auditors"),
    (lambda c: c["originals"].pop(), "the record has 1 originals, the suite 2"),
    (lambda c: c["requests"].pop(), "the record has 1 forget sets, the suite 2"),
    (lambda c: c["methods"][0].update(runs=3), "has 3 runs, the suite 1"),
    (lambda c: c["methods"][0].update(title="mine"), "method 'mine' is not in the suite"),
    (lambda c: c["requests"][0].update(digest="0" * 64), "forget_sets"),
    (lambda c: c["methods"][2]["settings"].update(lr=5.0), "was made with method"),
    (lambda c: c["data"].update(digest="0" * 64), "was made with data"),
    (lambda c: c["references"].reverse(), "was made with seed"),
    (inflate, "expected"),
])
def test_a_changed_record_is_refused(lean, refused, forge, change, problem):
    found = refused(forge(lean, lambda files: edit(files, RECORD, change)))

    assert found
    assert any(problem in line for line in found), found


def with_rows(files):
    """Write the rows that the record in ``files`` gives, as its author would."""
    from harness.record import RunRecord
    from harness.settings import as_json
    from harness.summary import make_rows

    record = structure(json.loads(files[RECORD]), RunRecord, "record")
    files[ROWS] = b"".join(canonical_json(as_json(row)) + b"\n" for row in make_rows(record))


def test_scores_invented_in_record_and_rows_alike_are_found_by_the_logits(bundle, registry, forge):
    def change(files):
        edit(files, RECORD, inflate)
        with_rows(files)

    problems = verify_bundle(forge(bundle, change), registry).problems

    assert problems
    assert all("accuracy" in line or "TA" in line for line in problems)


def test_a_third_partys_auditor_is_not_run(bundle, registry, forge):
    """An auditor that this installation does not have cannot confirm anything, nor is its code looked for."""
    def change(files):
        def rename(content):
            content["auditors"]["rmia"]["name"] = "their-rmia"
        edit(files, RECORD, rename)
        with_rows(files)

    verdict = verify_bundle(forge(bundle, change), registry)

    assert verdict.problems == ()
    assert verdict.recomputed == frozenset()
    assert any("'their-rmia' is not an auditor" in note for note in verdict.notes)


def test_an_object_that_no_model_needs_is_refused(lean, bundle, registry, forge):
    with zipfile.ZipFile(bundle) as archive:
        name = next(name for name in archive.namelist() if name.endswith(MANIFEST) and name != MANIFEST)
        stray = json.loads(archive.read(name))

    def change(files):
        from harness.digests import digest_json

        content = {k: v for k, v in stray.items() if k != "check"}
        content["spec"]["seed"] = 5
        key = content["key"] = digest_json(content["spec"])
        sealed = {"check": digest_json(content), **content}
        files[f"objects/{key[:2]}/{key[2:]}/{MANIFEST}"] = json.dumps(sealed).encode()

    assert any("belongs to no part of the record" in line
               for line in verify_bundle(forge(lean, change), registry).problems)


def test_a_file_of_rows_is_checked_too(tiny_run, tmp_path, capsys):
    from harness.record import read_record
    from harness.rows import write_rows
    from harness.summary import make_rows

    rows = make_rows(read_record(tiny_run / RECORD))
    write_rows(rows, tmp_path / "rows.jsonl")
    assert run_main(["verify", str(tmp_path / "rows.jsonl")]) == 0
    assert verify_rows(tmp_path / "rows.jsonl").rows == tuple(rows)

    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\nnonsense\n")
    assert run_main(["verify", str(tmp_path / "rows.jsonl")]) == 2
    complaints = capsys.readouterr().err
    assert "rows.jsonl:9: schema None" in complaints
    assert "rows.jsonl:10: not JSON" in complaints


def test_a_refused_bundle_leaves_the_board_as_it_was(lean, bundle, forge, tmp_path, capsys):
    rows = tmp_path / "rows"
    rows.mkdir()
    run_main(["leaderboard", "add", str(lean), "--rows", str(rows)])
    before = (rows / "tiny-v1.jsonl").read_bytes()

    bad = forge(bundle, lambda files: edit_rows(files, better))

    assert run_main(["leaderboard", "add", str(bad), "--rows", str(rows), "--supersede"]) == 2
    assert (rows / "tiny-v1.jsonl").read_bytes() == before
    assert "its values give" in capsys.readouterr().err


IDLE = """
from attrs import frozen
from harness import hookimpl

@frozen(kw_only=True)
class Idle:
    name, version, requires = "idle", "1", frozenset()
    access, scopes = ("retain+forget", "forget-only"), ("sample", "class")

    def unlearn(self, task):
        return task.original

@hookimpl
def harness_unlearners():
    return [Idle]
"""


def test_a_strangers_method_is_verified_without_its_code_and_flagged_for_returning_the_original(tiny_run, registry,
                                                                                                tmp_path):
    plugin = tmp_path / "idle_plugin.py"
    plugin.write_text(IDLE, encoding="utf-8")
    run_folder = execute({**TINY, "name": "idle-v1", "unlearners": [{"name": "idle"}, {"name": "original"}]},
                         tiny_run.parents[1], load_registry((plugin,), installed=False), (plugin,))
    write_bundle(run_folder, tmp_path / "idle.zip")
    plugin.unlink()

    verdict = verify_bundle(tmp_path / "idle.zip", registry)

    assert verdict.problems == ()
    found = {row.method.title: [flag.code for flag in verdict.flags.get(row.id, ())] for row in verdict.rows}
    assert found["idle"] == ["returns-original"]
    assert found["original"] == found["oracle"] == []


def test_shadows_are_enclosed_and_their_audits_made_again(tiny_run, registry, tmp_path):
    folder = execute({**TINY, "name": "shadow-v1", "access": ["retain+forget"], "shadows": {"count": 4, "block": 2},
                      "auditors": [{"name": "accuracy"}, {"name": "u-lira"}],
                      "unlearners": [{"name": "ft", "settings": {"epochs": 1, "lr": 0.01}}]},
                     tiny_run.parents[1], registry)
    write_bundle(folder, tmp_path / "shadows.zip")

    verdict = verify_bundle(tmp_path / "shadows.zip", registry)

    assert verdict.problems == ()
    assert verdict.recomputed == {row.id for row in verdict.rows}
    assert any(score.auditor == "u-lira" for row in verdict.rows for score in row.scores)


def test_the_shadows_of_another_run_in_the_same_store_stay_there(tmp_path, registry):
    suite = {**TINY, "access": ["retain+forget"], "unlearners": [{"name": "ft", "settings": {"epochs": 1, "lr": 0.01}}]}
    run_folder = execute({**suite, "auditors": [{"name": "accuracy"}]}, tmp_path / "store", registry)
    execute({**suite, "name": "shadow-v1", "shadows": {"count": 4, "block": 2}, "auditors": [{"name": "u-lira"}]},
            tmp_path / "store", registry)
    write_bundle(run_folder, tmp_path / "plain.zip")

    assert verify_bundle(tmp_path / "plain.zip", registry).problems == ()


def test_an_unwritable_place_is_told(tiny_run, tmp_path):
    with pytest.raises(HarnessError, match="cannot be written"):
        write_bundle(tiny_run, tmp_path)
