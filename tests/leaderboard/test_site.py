import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import attrs
import pytest

from harness.errors import HarnessError
from harness.rows import with_id
from harness.summary import make_rows
from leaderboard.board import Board, retraction
from leaderboard.catalog import Catalog, make_catalog
from leaderboard.exports import row_schema
from leaderboard.site import build
from tests.leaderboard.conftest import make_record, named, with_cells

EVIL = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>'


class Links(HTMLParser):
    """Collects what a page refers to, and whatever its own policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.refused: list[str] = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src"):
                self.targets.append(value or "")
            if name == "id":
                self.anchors.add(value or "")
            if name == "style" or name.startswith("on"):
                self.refused.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in dict(attributes)):
            self.refused.append(tag)


def parsed(path):
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


@pytest.fixture(scope="module")
def board():
    """Return a board with two modes, a failed row, a retraction and a hostile name."""
    rows = make_rows(with_cells(make_record(access=("retain+forget", "forget-only")), "far", status="failed",
                                error="ValueError: <b>diverged</b>", scores={}))
    near = named(rows, "near")
    evil = with_id(attrs.evolve(near, method=attrs.evolve(
        near.method, title=EVIL, name=EVIL, note=EVIL, settings={EVIL: EVIL}), evaluator=EVIL))
    return Board(rows=(*rows, evil, retraction(named(rows, "perturb"), EVIL)))


@pytest.fixture(scope="module")
def site(board, tmp_path_factory):
    """Return the folder of its site."""
    out = tmp_path_factory.mktemp("site") / "out"
    build(board, out, Catalog())
    return out


@pytest.fixture(scope="module")
def pages(site):
    """Return what every page of it holds."""
    return {path: parsed(path) for path in site.rglob("*.html")}


def test_there_is_a_page_for_every_row_method_suite_and_mode(board, site):
    names = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}

    assert {f"rows/{row.id[:16]}.html" for row in board.rows} <= names
    assert {"index.html", "methods.html", "submit.html", "rules.html", "suites/toy-v1.retain-forget.html",
            "suites/toy-v1.forget-only.html", "methods/near.html"} <= names


def test_every_link_leads_to_a_file_of_the_site(pages):
    for path, links in pages.items():
        for target in links.targets:
            file, anchor = urldefrag(target)
            there = (path.parent / unquote(file)).resolve() if file else path
            assert there.is_file(), f"{path.name}: {target}"
            assert not anchor or anchor in parsed(there).anchors


def test_nothing_refers_to_another_place(site):
    for path in site.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            text = path.read_text(encoding="utf-8")
            assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}|@import|url\(", text), path.name


def test_every_page_forbids_what_it_does_not_need(pages):
    for path, links in pages.items():
        assert "default-src 'none'" in path.read_text(encoding="utf-8")
        assert links.refused == []


def test_what_a_submitter_writes_is_text(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "<b>diverged" not in text


def test_a_failed_row_is_shown_with_its_reason(site):
    text = (site / "suites/toy-v1.retain-forget.html").read_text(encoding="utf-8")

    assert "failed: 18 of 18: ValueError: &lt;b&gt;diverged&lt;/b&gt;" in text


def test_a_retracted_row_leaves_the_table_and_keeps_its_page(board, site):
    text = (site / "suites/toy-v1.retain-forget.html").read_text(encoding="utf-8")
    withdrawn = board.latest[-1]

    assert "Withdrawn" in text
    assert f'<th scope="row" class="method"><a href="../rows/{withdrawn.id[:16]}.html">' not in text
    assert "Retracted." in (site / f"rows/{withdrawn.id[:16]}.html").read_text(encoding="utf-8")
    assert "later version" in (site / f"rows/{withdrawn.supersedes[:16]}.html").read_text(encoding="utf-8")


def test_the_data_of_the_site_are_the_rows(board, site):
    lines = (site / "rows.jsonl").read_text(encoding="utf-8").splitlines()

    assert [json.loads(line)["id"] for line in lines] == [row.id for row in board.rows]
    assert json.loads((site / "row.schema.json").read_text(encoding="utf-8")) == row_schema()


def test_building_twice_gives_the_same_bytes(board, site, tmp_path):
    build(board, tmp_path / "again", Catalog())

    for path in site.rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(site)).read_bytes() == path.read_bytes()


def test_an_old_site_is_replaced_and_a_foreign_folder_is_not(rows, tmp_path):
    out = tmp_path / "site"
    build(Board(rows=tuple(rows)), out, Catalog())
    build(Board(rows=tuple(rows[:2])), out, Catalog())
    assert len(list((out / "rows").iterdir())) == 2

    foreign = tmp_path / "home"
    foreign.mkdir()
    (foreign / "thesis.tex").touch()
    with pytest.raises(HarnessError, match="is not empty and holds no site"):
        build(Board(rows=tuple(rows)), foreign, Catalog())
    assert (foreign / "thesis.tex").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "site"]


def test_an_empty_board_has_a_site(tmp_path):
    build(Board(rows=()), tmp_path / "site", Catalog())

    assert "No rows yet" in (tmp_path / "site/index.html").read_text(encoding="utf-8")


def test_the_script_stays_small():
    script = Path(__file__).parents[2] / "leaderboard/static/board.js"

    assert script.stat().st_size < 3500


def test_the_command_that_repeats_a_row_names_what_differs_from_the_defaults(rows):
    near = named(rows, "near")
    other = attrs.evolve(near, method=attrs.evolve(near.method, owner={"distribution": "mine", "version": "2.0"}))
    oracle = named(rows, "oracle")

    assert Catalog().commands(near) == ["unlearn run toy-v1 --method near --set near.lr=0.1 --set near.steps=5"]
    assert Catalog().commands(other)[0] == "pip install mine==2.0"
    assert Catalog().commands(oracle) == ["unlearn run toy-v1"]


def test_settings_that_the_suite_gives_anyway_are_not_repeated(rows):
    from harness.plugins import load_registry

    catalog = make_catalog(load_registry(installed=False))
    row = named(rows, "near")
    ft = attrs.evolve(row, method=attrs.evolve(row.method, title="ft", name="ft", settings=dict(
        catalog._usual(attrs.evolve(row, method=attrs.evolve(row.method, name="ft", title="ft"))), lr=0.5)))

    assert catalog.commands(ft) == ["unlearn run toy-v1 --method ft --set ft.lr=0.5"]


def test_a_suites_page_says_what_its_rows_may_be_compared_with_and_how_to_join_them(tiny, tmp_path):
    suite = attrs.evolve(tiny, name="toy-v1", comparable="Table 9 of a paper, but for its <split>.")
    catalog = Catalog(suites={"toy-v1": suite, "toy-all-v1": attrs.evolve(suite, name="toy-all-v1")})
    rows = [with_id(attrs.evolve(row, protocol=suite.protocol)) for row in make_rows(make_record(oracles=4))]

    build(Board(rows=tuple(rows)), tmp_path / "site", catalog)

    page = (tmp_path / "site/suites/toy-v1.retain-forget.html").read_text(encoding="utf-8")
    assert f"protocol <code class=\"digest\" title=\"{suite.protocol}\">" in page
    assert "also of toy-all-v1" in page
    assert "Table 9 of a paper, but for its &lt;split&gt;." in page
    assert "unlearn run toy-v1 --plugin mine.py" in page
    # The page counts the runs of methods, not the oracles that stand in for them in the oracle's row.
    runs = named(rows, "near").seeds["runs"]
    assert f"forget sets × {runs} runs" in page
