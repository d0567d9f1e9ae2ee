"""What a pull request is told about its bundles."""

import attrs
import pytest

from harness.cli import run_main
from leaderboard.board import Board, read_board
from leaderboard.bundle import write_bundle
from leaderboard.review import review, review_all


@pytest.fixture(scope="module")
def bundle(tiny_run, tmp_path_factory):
    """Return a good submission."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.zip"
    write_bundle(tiny_run, path)
    return path


def test_a_good_bundle_is_shown_beside_the_board(bundle, registry):
    found = review(bundle, Board(rows=()), registry)

    assert found.good
    assert "8 rows are valid" in found.text
    assert "to be added: " in found.text
    assert "rank" in found.text


def test_a_bundle_that_is_there_already_adds_nothing(bundle, registry, tmp_path):
    assert run_main(["leaderboard", "add", str(bundle), "--rows", str(tmp_path)]) == 0
    before = (tmp_path / "tiny-v1.jsonl").read_bytes()

    assert run_main(["leaderboard", "review", str(bundle), "--rows", str(tmp_path), "--out",
                     str(tmp_path / "review.md")]) == 0

    assert "to be added: nothing" in (tmp_path / "review.md").read_text(encoding="utf-8")
    assert (tmp_path / "tiny-v1.jsonl").read_bytes() == before
    assert review(bundle, read_board(tmp_path), registry).good


def test_a_bad_bundle_is_refused_with_its_problems_and_others_are_reviewed_all_the_same(bundle, registry, tmp_path):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(bundle.read_bytes()[:-100])

    found = review_all([bad, bundle], Board(rows=()), registry)

    assert not found.good
    assert "bad.zip: refused, " in found.text
    assert "tiny.zip: 8 rows are valid" in found.text


def test_rows_that_the_board_cannot_take_are_refused(bundle, registry, rows, tmp_path):
    suite = attrs.evolve(rows[0].suite, name="tiny-v1")
    foreign = Board(rows=tuple(attrs.evolve(row, suite=suite) for row in rows))

    found = review(bundle, foreign, registry)

    assert not found.good
    assert "cannot be added: " in found.text


def test_no_bundle_is_no_submission(tmp_path, capsys):
    assert run_main(["leaderboard", "review", "--rows", str(tmp_path)]) == 2

    assert "put one at submissions/NAME.zip" in capsys.readouterr().out


def test_control_characters_do_not_reach_the_reader(registry, tmp_path):
    evil = tmp_path / "a\x1b[2J\u202e.zip"
    evil.write_bytes(b"")

    assert review(evil, Board(rows=()), registry).text.isascii()
