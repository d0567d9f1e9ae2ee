"""Whether a record is one that a run could have written: its parts fit each other and nothing is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.errors import HarnessError
from harness.plan import ORACLE
from harness.plugins import Registry
from harness.record import SCHEMA, CellRecord, RunRecord
from harness.settings import configure, structure
from harness.suite import Suite

Place = tuple[str, str | None, int | None, int, int]


def record_problems(record: RunRecord, registry: Registry) -> list[str]:
    """Return everything that is wrong with a record.

    Args:
        record: as submitted.
        registry: whose suites a suite of the same name has to agree with.
    """
    if record.schema != SCHEMA:
        return [f"record.json has schema {record.schema!r}; this harness reads {SCHEMA}"]
    try:
        suite = structure(record.suite, Suite, "suite")
    except HarnessError as error:
        return [f"record.json: {error}"]
    return [*_suite_problems(record, suite, registry), *_part_problems(record, suite),
            *_cell_problems(record, suite, registry)]


def _suite_problems(record: RunRecord, suite: Suite, registry: Registry) -> Iterator[str]:
    if suite.digest != record.suite_digest:
        yield f"the suite has digest {suite.digest[:12]}, the record says {record.suite_digest[:12]}"
    if suite.protocol != record.protocol:
        yield f"the suite has protocol {suite.protocol[:12]}, the record says {record.protocol[:12]}"
    known = registry.suites.entries.get(suite.name)
    if known is not None and known.value.protocol != suite.protocol:
        yield (f"'{suite.name}' is another suite here: protocol {known.value.protocol[:12]}, submitted "
               f"{suite.protocol[:12]}; give a changed suite another name")


def _part_problems(record: RunRecord, suite: Suite) -> Iterator[str]:
    for what, given, right in (
            ("originals", len(record.originals), suite.originals),
            ("forget sets", len(record.requests), suite.requests.count)):
        if given != right:
            yield f"the record has {given} {what}, the suite {right}"
    skipped = {skip.title for skip in record.skipped if skip.kind == "auditor"}
    expected = {spec.title for spec in suite.auditors} - skipped
    if set(record.auditors) != expected:
        yield (f"the record has the auditors {', '.join(sorted(record.auditors))}; "
               f"the suite {', '.join(sorted(expected))}")
    titles = {spec.title for spec in suite.unlearners}
    yield from (f"method '{method.title}' is not in the suite" for method in record.methods
                if method.title not in titles)


def _cell_problems(record: RunRecord, suite: Suite, registry: Registry) -> Iterator[str]:
    # Counted before it is spelt out: a hostile suite may call for any number.
    wanted = suite.requests.count * (suite.oracles + len(record.methods) * suite.originals * suite.runs)
    if wanted > 2 * len(record.cells) + 1000:
        yield f"the suite calls for some {wanted} models, the record has {len(record.cells)}"
        return
    expected: set[Place] = {(ORACLE, None, None, r, k) for r in range(suite.requests.count)
                            for k in range(suite.oracles)}
    for method in record.methods:
        if method.runs not in (1, suite.runs):
            yield f"method '{method.title}' has {method.runs} runs, the suite {suite.runs}"
            continue
        expected |= {(method.title, method.access, i, r, k) for i in range(suite.originals)
                     for r in range(suite.requests.count) for k in range(method.runs)}
    given = Counter(_place(cell) for cell in record.cells)
    yield from (f"{_words(place)} is there {count} times" for place, count in given.items() if count > 1)
    yield from (f"{_words(place)} is missing" for place in sorted(expected - given.keys(), key=str))
    yield from (f"{_words(place)} is not of this run" for place in sorted(given.keys() - expected, key=str))
    yield from _audit_problems(record, _made_once(record, registry))


def _audit_problems(record: RunRecord, made_once: set[str]) -> Iterator[str]:
    for cell in record.cells:
        first = cell.method == ORACLE or (cell.original == 0 and cell.run == 0)
        expected = set(record.auditors) - (set() if first else made_once)
        audits = set(cell.scores) | set(cell.audit_errors)
        if cell.status == "ok" and audits != expected:
            yield (f"{_words(_place(cell))} has the audits {', '.join(sorted(audits)) or 'none'}; "
                   f"expected {', '.join(sorted(expected))}")


def _made_once(record: RunRecord, registry: Registry) -> set[str]:
    """Return the auditors that judge a method and not one model, or read the reports of one that does.

    Of an auditor that is not installed here, the record is believed if it leaves it out everywhere else.
    """
    later = [cell for cell in record.cells if cell.method != ORACLE and (cell.original or cell.run)]
    found: set[str] = set()
    for title, described in record.auditors.items():
        try:
            kind = registry.auditors.find(str(described.get("name"))).value
            needs = configure(kind, described.get("settings", {}), title).needs
        except HarnessError:
            if not any(title in cell.scores or title in cell.audit_errors for cell in later):
                found.add(title)
            continue
        if needs.method_level or found & set(needs.reports):
            found.add(title)
    return found


def _place(cell: CellRecord) -> Place:
    return cell.method, cell.access, cell.original, cell.request, cell.run


def _words(place: Place) -> str:
    method, access, original, request, run = place
    return f"{method} {access or ''} original {original} request {request} run {run}"
