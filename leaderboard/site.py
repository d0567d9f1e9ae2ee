"""The static site: a folder of files that works from a disk, without a server, and asks nobody for anything."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import field, frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.errors import HarnessError
from harness.rows import Row
from harness.settings import as_json
from leaderboard import formats
from leaderboard.board import Board
from leaderboard.catalog import Catalog
from leaderboard.charts import swarm
from leaderboard.exporting import export_files
from leaderboard.flags import Flag, find_flags
from leaderboard.glossary import TARGET, meaning
from leaderboard.names import kind_of, method_names, slug
from leaderboard.plots import cost_plot, privacy_plot, ranking_chart
from leaderboard.ranking import main_measure
from leaderboard.strips import make_scale, strip
from leaderboard.tables import Table, date_of, is_near, make_table, row_page

MARKER = "site.json"
STATIC = ("style.css", "board.js", "icon.svg")


@frozen(kw_only=True)
class SuitePage:
    """One suite in one access mode.

    Attributes:
        suite, access: which.
        href: its page, from the root of the site.
        rows: those that count.
        withdrawn: retracted rows.
        table: of the rows.
    """

    suite: str
    access: str
    href: str
    rows: tuple[Row, ...]
    withdrawn: tuple[Row, ...]
    table: Table


@frozen(kw_only=True)
class Site:
    """A board and everything that its pages share."""

    board: Board
    catalog: Catalog
    flags: Mapping[str, Sequence[Flag]]
    names: Mapping[str, str]
    pages: tuple[SuitePage, ...]
    environment: Environment = field(eq=False, repr=False)

    def render(self, template: str, root: str = "../", **values: Any) -> str:
        """Return one page; ``root`` is the way from it to the root of the site."""
        return self.environment.get_template(template).render(site=self, root=root, **values)


def build(board: Board, out: Path, catalog: Catalog) -> int:
    """Write the site of ``board`` to ``out`` and return the number of pages.

    Everything is written beside ``out`` first and then put in its place, so that a failure leaves the old site.

    Raises:
        HarnessError: if ``out`` holds something that is not a site built by this function, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).is_file())):
        raise HarnessError(f"{out} is not empty and holds no site of this leaderboard; name another folder with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            pages = _write(make_site(board, catalog), part)
            part.chmod(0o755)
            if out.exists():
                shutil.rmtree(out)
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise HarnessError(f"{out} cannot be written: {error.strerror}") from error
    return pages


def make_site(board: Board, catalog: Catalog) -> Site:
    """Return the site before it is written."""
    flags = find_flags(board.current)
    return Site(board=board, catalog=catalog, flags=flags, names=method_names(board.rows),
                pages=tuple(_suite_pages(board, catalog, flags)), environment=make_environment())


def make_environment() -> Environment:
    """Return the templates with their filters; whatever is not marked as markup is escaped."""
    environment = Environment(loader=PackageLoader("leaderboard"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=formats.number, interval=formats.interval, duration=formats.duration,
                               significant=formats.significant, meaning=meaning,
                               date=date_of, page=row_page, slug=slug,
                               json=lambda value: json.dumps(value, ensure_ascii=False))
    environment.globals.update(share=formats.share, seconds_of=formats.seconds_of, is_near=is_near, TARGET=TARGET)
    return environment


def _up(row: Row) -> str:
    """Return the address of a row's page from a page in another folder of the site."""
    return f"../{row_page(row)}"


def _suite_pages(board: Board, catalog: Catalog, flags: Mapping[str, Sequence[Flag]]) -> list[SuitePage]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in board.latest:
        groups.setdefault((row.suite.name, row.method.access), []).append(row)
    pages = []
    for (suite, access), rows in groups.items():
        counted = tuple(row for row in rows if not row.retracted)
        if counted:
            known = catalog.suite(counted[0])
            pages.append(SuitePage(
                suite=suite, access=access, href=f"suites/{slug(suite)}.{slug(access.replace('+', '-'))}.html",
                rows=counted, withdrawn=tuple(row for row in rows if row.retracted),
                table=make_table(counted, flags, _up, known.columns if known else ())))
    return pages


def _write(site: Site, out: Path) -> int:
    for folder in ("suites", "rows", "methods"):
        (out / folder).mkdir()
    static = files("leaderboard") / "static"
    for name in STATIC:
        (out / name).write_bytes((static / name).read_bytes())
    pages = {"index.html": site.render("index.html", "", suites=_by_suite(site)),
             "submit.html": site.render("submit.html", ""), "rules.html": site.render("rules.html", ""),
             "methods.html": site.render("methods.html", "", methods=_by_method(site)),
             **{page.href: suite_page(site, page) for page in site.pages},
             **{row_page(row): _row_page(site, row) for row in site.board.rows},
             **{f"methods/{slug(name)}.html": _method_page(site, name, rows)
                for name, rows in _by_method(site).items()}}
    for name, content in {**pages, **_data(site)}.items():
        (out / name).write_text(content, encoding="utf-8")
    return len(pages)


def _data(site: Site) -> dict[str, str]:
    """Return the data files by name: what the pages show, for programs."""
    rows = site.board.rows
    wanted = ("rows.jsonl", "rows.csv", "forget_sets.csv", "row.schema.json", "croissant.json")
    files = export_files(rows)
    return {**{name: files[name] for name in wanted},
            MARKER: json.dumps({"site": "unlearning-harness leaderboard", "rows": len(rows)}) + "\n"}


def _by_suite(site: Site) -> dict[str, list[tuple[SuitePage, Markup]]]:
    suites: dict[str, list[tuple[SuitePage, Markup]]] = {}
    for index, page in enumerate(site.pages):
        chart = Markup(ranking_chart(f"chart-{index}", page.rows, row_page))
        suites.setdefault(page.suite, []).append((page, chart))
    return suites


def _by_method(site: Site) -> dict[str, list[Row]]:
    methods: dict[str, list[Row]] = {}
    for row in site.board.latest:
        if kind_of(row) != "oracle":
            methods.setdefault(site.names[row.method.name], []).append(row)
    return dict(sorted(methods.items()))


def _method_page(site: Site, name: str, rows: Sequence[Row]) -> str:
    wanted = {row.id for row in rows}
    lines = [(page, line, page.table.measure.read(line.row) if page.table.measure else None)
             for page in site.pages for line in page.table.lines if line.row.id in wanted]
    return site.render("method.html", name=name, rows=rows, lines=lines)


def suite_page(site: Site, page: SuitePage) -> str:
    """Return the page of one suite in one access mode."""
    siblings = [other for other in site.pages if other.suite == page.suite]
    # The oracle's row counts oracles as its runs.
    return site.render("suite.html", page=page, siblings=siblings, table=page.table, first=page.rows[0],
                       suite=site.catalog.suite(page.rows[0]), relatives=site.catalog.relatives(page.rows[0]),
                       run_command=f"unlearn run {page.suite} --plugin mine.py", cost_plot=Markup(cost_plot(page.rows, _up)),
                       privacy_plot=Markup(privacy_plot(page.rows, _up)))


def _row_page(site: Site, row: Row) -> str:
    page = next((p for p in site.pages if p.suite == row.suite.name and p.access == row.method.access), None)
    return site.render(
        "row.html", row=row, page=page, history=site.board.history(row), flags=site.flags.get(row.id, ()),
        commands=site.catalog.commands(row), summary=site.catalog.summary(row.method.name),
        measure=main_measure([row]), method_page=f"methods/{slug(site.names[row.method.name])}.html",
        strips=[Markup(strip(score, make_scale([score]), near=is_near(row, score))) for score in row.scores],
        swarms=[Markup(swarm(f"swarm-{index}", score)) for index, score in enumerate(row.scores)],
        content=json.dumps(as_json(row), indent=1, ensure_ascii=False))
