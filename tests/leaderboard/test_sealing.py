"""Hidden forget sets: sealed, revealed, run and verified; other seeds than those committed to are found."""

import json
import zipfile

import attrs
import pytest

from harness.cli import run_main
from harness.context import Place, load_dataset
from harness.errors import BadSetting
from harness.plugins import load_registry
from harness.seal import Seal, commitment, draw_seal
from harness.suite import load_suite
from harness.tuning.search import Search, search_suite
from leaderboard.archive import MANIFEST, make_manifest, write_archive
from leaderboard.sealing import reveal_suite
from leaderboard.verification import verify_bundle
from tests.conftest import SUITE_TOML

REGISTRY = load_registry(installed=False)


@pytest.fixture
def sealed(tmp_path):
    """Return the folder in which `hidden-v1` was sealed."""
    (tmp_path / "plain.toml").write_text(SUITE_TOML.replace("tiny-v1", "hidden-v1"), encoding="utf-8")
    assert run_main(["suite", "seal", str(tmp_path / "plain.toml"), "--out", str(tmp_path / "sealed.toml"),
                     "--secret", str(tmp_path / "secret.json")]) == 0
    return tmp_path


def reveal(folder, out="revealed.toml"):
    return run_main(["suite", "reveal", str(folder / "sealed.toml"), "--out", str(folder / out),
                     "--secret", str(folder / "secret.json")])


def test_revealing_changes_neither_digest_nor_protocol(sealed):
    assert reveal(sealed) == 0

    before, after = load_suite(sealed / "sealed.toml"), load_suite(sealed / "revealed.toml")
    assert (before.digest, before.protocol) == (after.digest, after.protocol)
    assert before.protocol != load_suite(sealed / "plain.toml").protocol
    assert before.seal.seeds == ()
    assert commitment(after.seal.salt, after.seal.seeds) == before.seal.digest


def test_a_sealed_file_tells_nothing_of_its_seeds_and_the_secret_is_its_owners(sealed):
    secret = json.loads((sealed / "secret.json").read_text(encoding="utf-8"))
    text = (sealed / "sealed.toml").read_text(encoding="utf-8")

    assert not any(str(word) in text for word in (secret["salt"], *secret["seeds"]))
    assert (sealed / "secret.json").stat().st_mode & 0o077 == 0


def test_two_seals_of_one_suite_hide_other_seeds():
    assert draw_seal(3).seeds != draw_seal(3).seeds


def test_a_sealed_suite_can_be_shown_but_not_run(sealed, capsys):
    assert run_main(["run", str(sealed / "sealed.toml"), "--store", str(sealed / "store")]) == 2

    assert "the forget sets of 'hidden-v1' are sealed" in capsys.readouterr().err


def test_a_revealed_suite_goes_from_run_to_verify_and_other_seeds_are_found(sealed, capsys):
    assert reveal(sealed) == 0
    store = sealed / "store"
    assert run_main(["run", str(sealed / "revealed.toml"), "--store", str(store), "--jobs", "0"]) == 0
    folder = next((store / "runs").iterdir())
    assert run_main(["submit", str(folder), "--out", str(sealed / "mine.zip")]) == 0
    assert run_main(["verify", str(sealed / "mine.zip")]) == 0

    with zipfile.ZipFile(sealed / "mine.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(files.pop(MANIFEST))["about"]
    record = json.loads(files["record.json"])
    record["suite"]["seal"]["seeds"][0] += 1
    files["record.json"] = json.dumps(record).encode()
    files[MANIFEST] = make_manifest(files, about)
    write_archive(files, sealed / "forged.zip")
    problems = verify_bundle(sealed / "forged.zip", REGISTRY).problems
    assert any("not the ones that were sealed" in problem for problem in problems)


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s.update(seeds=[1, 2]), "they are not the ones that were sealed"),
    (lambda s: s.update(salt="pepper"), "they are not the ones that were sealed"),
    (lambda s: s.update(attrs.asdict(draw_seal(2))), "committed to"),
    (lambda s: s.update(salt="", seeds=[]), "holds no seeds"),
    (lambda s: s.update(extra=1), "no parameter is called 'extra'"),
])
def test_another_secret_reveals_nothing(sealed, capsys, change, message):
    secret = json.loads((sealed / "secret.json").read_text(encoding="utf-8"))
    change(secret)
    (sealed / "secret.json").write_text(json.dumps(secret), encoding="utf-8")

    assert reveal(sealed) == 2
    assert message in capsys.readouterr().err
    assert not (sealed / "revealed.toml").exists()


def test_a_seal_in_the_middle_of_a_file_is_refused_without_leaving_one(sealed, capsys):
    text = (sealed / "sealed.toml").read_text(encoding="utf-8")
    (sealed / "sealed.toml").write_text(text + '[[auditors]]\nname = "mis"\n', encoding="utf-8")

    assert reveal(sealed) == 2
    assert "[seal] is not the last table of the file" in capsys.readouterr().err
    assert not (sealed / "revealed.toml").exists()


def test_nothing_is_overwritten_and_nothing_sealed_or_revealed_twice(sealed, capsys):
    again = ["suite", "seal", str(sealed / "sealed.toml"), "--out", str(sealed / "x.toml"),
             "--secret", str(sealed / "x.json")]
    assert run_main(again) == 2
    assert "is sealed already" in capsys.readouterr().err
    assert reveal(sealed) == 0
    assert reveal(sealed) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    (sealed / "revealed.toml").replace(sealed / "sealed.toml")
    assert reveal(sealed) == 2
    assert "revealed already" in capsys.readouterr().err


@pytest.mark.parametrize(("old", "new", "message"), [
    ('generator = "random"', 'generator = "lowest-loss"', "do not depend on a seed"),
    ('"hidden-v1"', '"digits-v1"', "give the sealed one another name"),
])
def test_what_cannot_be_hidden_is_refused(tmp_path, capsys, old, new, message):
    text = SUITE_TOML.replace("tiny-v1", "hidden-v1").replace(old, new)
    (tmp_path / "plain.toml").write_text(text, encoding="utf-8")

    assert run_main(["suite", "seal", str(tmp_path / "plain.toml"), "--out", str(tmp_path / "o.toml"), "--secret",
                     str(tmp_path / "s.json")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


def test_as_many_seeds_as_forget_sets(tiny):
    with pytest.raises(ValueError, match="3 seeds for 2 forget sets"):
        attrs.evolve(tiny, seal=draw_seal(3))
    with pytest.raises(ValueError, match="digest"):
        Seal(digest="short")


def test_a_sealed_suite_is_tuned_on_forget_sets_of_its_own(sealed):
    suite = load_suite(sealed / "sealed.toml")
    data = load_dataset(REGISTRY, suite.data, Place(store=sealed))
    found = search_suite(Search(suite=suite, track="oracle-tuned", trials=1), suite.unlearners, REGISTRY, data)
    assert found.seal is None


def test_a_suite_without_a_seal_keeps_its_digest(tiny):
    # What rows published before there were seals say of this suite.
    assert (tiny.digest[:12], tiny.protocol[:12]) == ("738471d1c98c", "5a908011e0e2")


def test_a_suite_without_a_seal_has_nothing_to_reveal(tiny_file, tmp_path):
    with pytest.raises(BadSetting, match="'tiny-v1' is not sealed"):
        reveal_suite(tiny_file, tmp_path / "x", tmp_path / "y")
