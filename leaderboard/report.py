"""The report of one run: everything about it in one HTML file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from attrs import frozen
from markupsafe import Markup

from harness.context import Place, load_dataset
from harness.data import Dataset
from harness.errors import HarnessError
from harness.plan import ORACLE
from harness.plugins import Registry
from harness.record import RunRecord, read_record
from harness.rows import Row
from harness.settings import structure
from harness.store import Store
from harness.suite import Suite
from harness.summary import make_rows
from leaderboard.bundle import record_file, store_of
from leaderboard.flags import Flag, find_flags
from leaderboard.histograms import Curve, histogram, roc
from leaderboard.names import NOTHING, kind_of
from leaderboard.plots import cost_plot, privacy_plot
from leaderboard.samples import Groups, Samples, edges
from leaderboard.site import make_environment
from leaderboard.steps import steps_plot
from leaderboard.tables import Table, make_table


@frozen(kw_only=True)
class Mode:
    """One access mode of a run: its table and its plots."""

    access: str
    table: Table
    cost: Markup
    privacy: Markup
    steps: Markup


@frozen(kw_only=True)
class Gallery:
    """Histograms of one kind of value: before, after and of the oracle, method by method.

    Attributes:
        kind: what is shown.
        panels: (title, picture, number of models) of the original and of the oracle.
        methods: the same of each method.
        curve: of the attack that takes the value for its score, where it is one.
    """

    kind: str
    panels: tuple[tuple[str, Markup, int], ...]
    methods: tuple[tuple[str, Markup, int], ...]
    curve: Markup


def write_report(run: Path, out: Path, registry: Registry, *, store: Path | None = None,
                 data_root: Path | None = None) -> None:
    """Write the report of a run.

    Args:
        run: its folder or its record.json.
        out: the HTML file.
        registry: whose data sets are used for confidences.
        store: where the artefacts are; the one that the run lies in when None. Without it there are no histograms.
        data_root: folder of the data sets.

    Raises:
        HarnessError: if the record cannot be read or the file not be written.
    """
    record = read_record(record_file(run))
    html = make_report(record, _samples(record, store or store_of(run), registry, data_root))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{out}: cannot be written: {error.strerror}") from error


def make_report(record: RunRecord, samples: Samples | None) -> str:
    """Return the report of a run as HTML; histograms only with ``samples``."""
    rows = make_rows(record)
    flags = find_flags(rows)
    shown = tuple(record.suite.get("columns", ()))
    titles = [row.method.title for row in rows if kind_of(row) == "method"]
    modes = tuple(_mode(access, [row for row in rows if row.method.access == access], flags, shown, titles)
                  for access in dict.fromkeys(row.method.access for row in rows))
    static = files("leaderboard") / "static"
    style, script = ((static / name).read_text(encoding="utf-8") for name in ("style.css", "board.js"))
    return make_environment().get_template("report.html").render(
        record=record, rows=rows, first=rows[0], modes=modes, flags=flags, root="", style=Markup(style),
        script=Markup(script), style_digest=_digest(style), script_digest=_digest(script), failures=_failures(record),
        galleries=list(_galleries(samples, modes)) if samples else [], anchor=_anchor,
        figures=[(figure, _embedded(figure.png)) for figure in samples.figures()] if samples else [])


def _samples(record: RunRecord, place: Path, registry: Registry, data_root: Path | None) -> Samples | None:
    if not (place / "objects").is_dir():
        return None
    return Samples(record, Store(place, create=False), _dataset(record, registry, place, data_root))


def _dataset(record: RunRecord, registry: Registry, store: Path, data_root: Path | None) -> Dataset | None:
    """Return the data set of a run, or None if it is not here or is another one now."""
    try:
        spec = structure(record.suite, Suite, "suite").data
        data = load_dataset(registry, spec, Place(store=store, data_root=data_root))
    except HarnessError:
        return None
    return data if data.digest == record.data["digest"] else None


def _mode(access: str, rows: Sequence[Row], flags: Mapping[str, Sequence[Flag]], shown: Sequence[str],
          titles: Sequence[str]) -> Mode:
    name = access.replace("+", "-")
    return Mode(access=access, table=make_table(rows, flags, _anchor, shown),
                cost=Markup(cost_plot(rows, _anchor, f"cost-{name}")),
                privacy=Markup(privacy_plot(rows, _anchor, f"privacy-{name}")),
                steps=Markup(steps_plot(rows, _anchor, f"steps-{name}", titles)))


def _anchor(row: Row) -> str:
    return f"#row-{row.id[:16]}"


def _digest(text: str) -> str:
    """Return what the security policy of a page calls an inline file."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(png: bytes) -> str:
    """Return the address of a picture that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _failures(record: RunRecord) -> list[tuple[str, str]]:
    """Return (what, why) of every model and every audit without a result."""
    found = []
    for cell in record.cells:
        what = f"{cell.method} {cell.access or ''} original {cell.original} forget set {cell.request} run {cell.run}"
        if cell.status != "ok":
            found.append((what, f"{cell.status}: {cell.error}"))
        found += [(f"{title} of {what}", error) for title, error in cell.audit_errors.items()]
    return found


def _galleries(samples: Samples, modes: Sequence[Mode]) -> Iterator[Gallery]:
    for number, kind in enumerate(samples.kinds):
        oracle = samples.groups(kind, ORACLE, None)
        found: dict[str, Groups] = {}
        for mode in modes:
            for line in mode.table.lines:
                groups = samples.groups(kind, line.row.method.title, mode.access)
                if groups is not None:
                    found[_named(line.row, len(modes))] = groups
        before = next((groups for name, groups in found.items() if name.startswith(NOTHING)), None)
        if oracle is None or not found:
            continue
        bins = edges([oracle, *found.values()])
        panels = [("before: the original", before), ("aim: the oracle", oracle)]
        yield Gallery(
            kind=kind,
            panels=tuple((title, Markup(histogram(f"p{number}-{i}", f"{kind}, {title}", groups, bins)), groups.models)
                         for i, (title, groups) in enumerate(panels) if groups is not None),
            methods=tuple((name, Markup(histogram(f"h{number}-{i}", f"{kind} after {name}", groups, bins)),
                           groups.models) for i, (name, groups) in enumerate(found.items())
                          if not name.startswith(NOTHING)),
            curve=Markup(_curves(number, kind, oracle, before, found)))


def _named(row: Row, modes: int) -> str:
    return f"{row.method.title}, {row.method.access}" if modes > 1 else row.method.title


def _curves(number: int, kind: str, oracle: Groups, before: Groups | None, found: dict[str, Groups]) -> str:
    drawn = [("original", "control", before), *((name, "method", groups) for name, groups in found.items()
                                                if not name.startswith(NOTHING)), ("oracle", "oracle", oracle)]
    return roc(f"roc-{number}", f"Forget set against test set by {kind}: true and false positives",
               [Curve(label=label, kind=style, positive=groups.forget, negative=groups.test)
                for label, style, groups in drawn if groups is not None])
