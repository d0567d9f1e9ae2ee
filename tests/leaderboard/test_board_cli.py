import threading
import urllib.request

import pytest

from harness.cli import run_main
from harness.errors import BadSetting
from harness.rows import write_rows
from leaderboard.board import read_board
from leaderboard.preview import preview
from tests.leaderboard.conftest import named


@pytest.fixture
def place(rows, tmp_path):
    """Return a file of rows."""
    path = tmp_path / "toy.jsonl"
    write_rows(rows, path)
    return path


def test_check_counts_and_flags(place, capsys):
    assert run_main(["leaderboard", "check", "--rows", str(place)]) == 0

    assert capsys.readouterr().out == "6 rows are valid; 6 count, 0 are retracted; 1 suite\n"


def test_check_refuses_a_damaged_row_in_one_line(place, capsys):
    place.write_text(place.read_text(encoding="utf-8").replace('"failures":0', '"failures":1', 1), encoding="utf-8")

    assert run_main(["leaderboard", "check", "--rows", str(place)]) == 2
    assert "does not match the content" in capsys.readouterr().err


def test_build_names_the_first_page(place, tmp_path, capsys):
    assert run_main(["leaderboard", "build", "--rows", str(place), "--out", str(tmp_path / "site")]) == 0

    assert capsys.readouterr().out.strip().endswith(str(tmp_path / "site/index.html"))
    assert (tmp_path / "site/index.html").is_file()


def test_retract_adds_a_row_and_removes_none(rows, place, capsys):
    old = named(rows, "far")

    assert run_main(["leaderboard", "retract", old.id[:12], "--reason", "wrong data", "--rows", str(place)]) == 0

    board = read_board(place)
    assert board.rows[:-1] == tuple(rows)
    assert board.rows[-1].retracted == "wrong data"
    assert board.rows[-1].supersedes == old.id


def test_the_preview_serves_this_machine_only(tmp_path):
    (tmp_path / "index.html").write_text("hello", encoding="utf-8")
    with preview(tmp_path, 0) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()

        answer = urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/index.html", timeout=10).read()

        assert answer == b"hello"
        assert server.server_address[0] == "127.0.0.1"
        with pytest.raises(BadSetting, match="choose another"):
            preview(tmp_path, server.server_port)
