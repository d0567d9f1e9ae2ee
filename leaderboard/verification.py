"""The verdict on a submission or a file of rows: every problem at once, and what could not be checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from harness.context import Context, Place, load_dataset
from harness.data import Dataset
from harness.errors import HarnessError, RowError
from harness.plugins import Registry
from harness.record import RunRecord
from harness.rows import Row, parse_row
from harness.settings import as_json, structure
from harness.store import Store
from harness.suite import Suite
from harness.summary import make_rows
from leaderboard.archive import MANIFEST, RECORD, ROWS, SIGNATURE, BundleError, read_json, unpack
from leaderboard.board import Board, board_problems
from leaderboard.copies import copy_flags
from leaderboard.differences import differences
from leaderboard.evidence import Evidence, artefact_problems, data_problems
from leaderboard.flags import Flag
from leaderboard.grids import full_name
from leaderboard.recompute import Recomputation
from leaderboard.record_checks import record_problems
from leaderboard.signing import BadSignature, check_signature

# What a submitter may say of a row and the record does not know.
FREE = ("id", "evaluator", "supersedes")
MOST_SHOWN = 200
MOST_OF_ROW = 8


@frozen(kw_only=True)
class Verdict:
    """What is known of rows after checking.

    Attributes:
        rows: those that are valid, as they were given.
        problems: everything that is wrong.
        notes: what was checked and what could not be.
        flags: what models of a submission have in common with others, by the row's id.
        recomputed: ids of the rows of which every score was recomputed from logits.
    """

    rows: tuple[Row, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    flags: dict[str, list[Flag]] = field(factory=dict)
    recomputed: frozenset[str] = frozenset()


def verify_rows(path: Path) -> Verdict:
    """Return the verdict on a file of rows: each valid, its figures those of its values, no id twice."""
    rows, problems = _read_rows(path)
    problems += board_problems(Board(rows=tuple(rows)))
    return Verdict(rows=tuple(rows), problems=tuple(problems),
                   notes=(f"{len(rows)} rows: schema, ids, and figures against their values",))


def verify_bundle(path: Path, registry: Registry, *, data_root: Path | None = None,
                  trusted: Path | None = None) -> Verdict:
    """Return the verdict on a submission.

    Args:
        path: the bundle.
        registry: whose data sets, suites and built-in auditors are used.
        data_root: folder of the data sets.
        trusted: public key that must have signed it.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "bundle"
        place.mkdir()
        try:
            manifest = unpack(path, place)
            record = structure(read_json(place / RECORD, path), RunRecord, RECORD)
        except BundleError as error:
            return Verdict(problems=tuple(error.problems))
        except HarnessError as error:
            return Verdict(problems=(str(error),))
        return _verdict(place, manifest, record, registry, data_root, trusted)


def _verdict(place: Path, manifest: dict[str, Any], record: RunRecord, registry: Registry, data_root: Path | None,
             trusted: Path | None) -> Verdict:
    problems, notes = _signature(place, trusted)
    rows, row_problems = _read_rows(place / ROWS)
    problems += [*row_problems, *board_problems(Board(rows=tuple(rows)))]
    wrong = [*record_problems(record, registry), *_about_problems(manifest, record)]
    if wrong:
        return Verdict(rows=tuple(rows), problems=(*problems, *wrong), notes=tuple(notes))
    problems += _against_record(rows, record)
    notes.append(f"{len(rows)} rows recomputed from {len(record.cells)} audited models of the record")
    evidence = Evidence(record, structure(record.suite, Suite, "suite"), Store(place, create=False))
    problems += artefact_problems(evidence)
    recomputed: frozenset[str] = frozenset()
    if not problems:
        recomputed = _recompute(evidence, rows, registry, data_root, problems, notes)
    return Verdict(rows=tuple(rows), problems=tuple(_cut(problems)), notes=tuple(notes), recomputed=recomputed,
                   flags=copy_flags(evidence, rows))


def _cut(problems: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(problems))
    return unique if len(unique) <= MOST_SHOWN else [*unique[:MOST_SHOWN], f"and {len(unique) - MOST_SHOWN} more"]


def _signature(place: Path, trusted: Path | None) -> tuple[list[str], list[str]]:
    """Return (problems, notes) about who signed."""
    envelope = place / SIGNATURE
    if not envelope.is_file():
        return (["it is not signed, but a key was given that must have signed it"] if trusted else []), ["not signed"]
    try:
        signed = check_signature(envelope.read_bytes(), (place / MANIFEST).read_bytes(), trusted)
    except BadSignature as error:
        return [str(error)], []
    except HarnessError as error:
        return ([str(error)], []) if trusted else ([], [f"signed, not checked: {error}"])
    whose = "the trusted key" if signed.trusted else "a key that nobody vouches for"
    return [], [f"signed by {signed.fingerprint[:16]}, {whose}"]


def _read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """Return the valid rows of a file, and what is wrong with the others."""
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{path.name} cannot be read: {error}"]
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        try:
            rows += [parse_row(line, f"{path.name}:{number}")] if line.strip() else []
        except (RowError, RecursionError) as error:
            problems.append(str(error))
    return rows, problems if rows or problems else [f"{path.name} holds no rows"]


def _about_problems(manifest: dict[str, Any], record: RunRecord) -> Iterator[str]:
    about = manifest.get("about")
    right = {"suite": record.name, "protocol": record.protocol}
    if not isinstance(about, dict) or {key: about.get(key) for key in right} != right:
        yield f"manifest.json is about {about!r}, the record about {right}"


def _against_record(rows: Sequence[Row], record: RunRecord) -> list[str]:
    """Return where rows differ from those that the record gives."""
    try:
        right = {(row.method.title, row.method.access): row for row in make_rows(record)}
    # A record of valid parts may still be one that no run has written.
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        return [f"no rows can be made from the record: {type(error).__name__}: {error}"]
    given = {(row.method.title, row.method.access): row for row in rows}
    problems = [f"{title} ({access}): the record gives a row, there is none" for title, access in right.keys() - given]
    problems += [f"{title} ({access}): the record gives no such row" for title, access in given.keys() - right]
    for key in given.keys() & right.keys():
        found = list(differences(_comparable(given[key]), _comparable(right[key])))
        problems += [f"{key[0]} ({key[1]}): {line}" for line in found[:MOST_OF_ROW]]
        if len(found) > MOST_OF_ROW:
            problems.append(f"{key[0]} ({key[1]}): and {len(found) - MOST_OF_ROW} more differences to the record")
    return sorted(problems)


def _comparable(row: Row) -> dict[str, Any]:
    """Return what the record decides of a row, scores by name."""
    content = {name: value for name, value in as_json(row).items() if name not in FREE}
    return {**content, "scores": dict(zip(map(full_name, row.scores), content["scores"], strict=True)),
            "order of scores": [full_name(score) for score in row.scores]}


def _recompute(evidence: Evidence, rows: Sequence[Row], registry: Registry, data_root: Path | None,
               problems: list[str], notes: list[str]) -> frozenset[str]:
    """Add to problems and notes what the logits say, and return the ids of the rows that they confirm entirely."""
    context = Context(Place(store=evidence.store.root, data_root=data_root), registry)
    data = _dataset(evidence, context, notes)
    if data is None:
        return frozenset()
    problems += data_problems(evidence, data)
    if problems or not evidence.encloses("signals"):
        notes.append("scores were not recomputed" + ("" if problems else ": the bundle holds no logits"))
        return frozenset()
    recomputation = Recomputation(evidence, context)
    problems += recomputation.problems()
    notes.append(f"{recomputation.compared} scores recomputed from the logits")
    notes += [f"not recomputed: {title}: {reason}" for title, reason in recomputation.unchecked.items()]
    notes += [f"{title}: its source here is another than that of the run" for title in recomputation.sources_differ()]
    if problems:
        return frozenset()
    unchecked = set(recomputation.unchecked)
    return frozenset(row.id for row in rows if row.scores and not unchecked & {s.auditor for s in row.scores})


def _dataset(evidence: Evidence, context: Context, notes: list[str]) -> Dataset | None:
    spec = evidence.suite.data
    if spec.name not in context.registry.datasets.entries:
        # Also a name with a path: a bundle has no say in which files are read here.
        notes.append(f"scores were not recomputed: '{spec.name}' is no data set of this installation")
        return None
    try:
        return load_dataset(context.registry, spec, context.place)
    except HarnessError as error:
        notes.append(f"scores were not recomputed: {error}")
        return None
