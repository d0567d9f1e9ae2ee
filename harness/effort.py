"""Precision for time: a suite made cheaper until it fits a budget, or its fleet grown until the scores stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from harness.context import Place
from harness.cost import Rates, calibrate, estimate
from harness.cost.rates import Loads
from harness.data import Dataset
from harness.errors import BadSetting
from harness.plan import Plan, make_plan
from harness.plugins import Registry
from harness.record import RunRecord
from harness.rows import Row
from harness.run import pending
from harness.store import Store
from harness.suite import Suite
from harness.summary import make_rows

# As many as the papers use that use most.
MOST_REFERENCES = 128


@frozen(kw_only=True)
class Cheaper:
    """A suite that fits a budget.

    Attributes:
        suite: with fewer references, runs, originals, forget sets or oracles.
        changed: what was changed: [from, to] by name.
        seconds: that it is expected to take.
    """

    suite: Suite
    changed: Mapping[str, tuple[int, int]]
    seconds: float


def within_budget(plan: Plan, seconds: float, data: Dataset, place: Place, registry: Registry, jobs: int) -> Cheaper:
    """Return the most precise form of a plan's suite that is expected to take at most ``seconds`` here.

    What the store holds is free. What is not known of this machine is measured first.

    Raises:
        BadSetting: if even the least form takes longer.
    """
    store, rates = Store(place.store), Rates(place.store)
    calibrate(plan, pending(plan, store), data, place, registry, rates)
    least = 0.0
    for suite in cheaper_forms(plan):
        made = make_plan(suite, data, registry, place.device)
        least = estimate(pending(made, store), Loads(made), rates, jobs).seconds
        if least <= seconds:
            return Cheaper(suite=suite, changed=_changes(plan.suite, suite), seconds=least)
    raise BadSetting(f"--budget-seconds {seconds:g}: even the least form of '{plan.suite.name}' takes about "
                     f"{least:,.0f} s here; choose fewer methods or auditors")


def cheaper_forms(plan: Plan) -> Iterator[Suite]:
    """Yield a plan's suite, then ever cheaper forms: what costs least precision is given up first.

    References go first, by halves, since attacks with few are nearly as strong; then repetitions, whose number the
    intervals tell; then oracles, without which there is no noise floor.
    """
    suite = plan.suite
    yield suite
    block = suite.references.block
    wanted = max((auditor.needs.references for auditor in plan.auditors.values()), default=0)
    while suite.references.count // 2 >= max(block, wanted):
        count = suite.references.count // 2 // block * block
        suite = evolve(suite, references=evolve(suite.references, count=count))
        yield suite
    while suite.shadows.count > suite.shadows.block:
        count = max(1, suite.shadows.count // 2 // suite.shadows.block) * suite.shadows.block
        suite = evolve(suite, shadows=evolve(suite.shadows, count=count))
        yield suite
    for name in ("runs", "originals"):
        while getattr(suite, name) > 1:
            suite = evolve(suite, **{name: getattr(suite, name) - 1})
            yield suite
    while suite.requests.count > suite.requests.sequence:
        suite = evolve(suite, requests=evolve(suite.requests, count=suite.requests.count - suite.requests.sequence))
        yield suite
    fewest = 1 + max((auditor.needs.oracles for auditor in plan.auditors.values()), default=1)
    while suite.oracles > max(2, fewest):
        suite = evolve(suite, oracles=suite.oracles - 1)
        yield suite


def _changes(before: Suite, after: Suite) -> dict[str, tuple[int, int]]:
    numbers: dict[str, Callable[[Suite], int]] = {
        "references": lambda suite: suite.references.count, "shadows": lambda suite: suite.shadows.count,
        "runs": lambda suite: suite.runs, "originals": lambda suite: suite.originals,
        "forget_sets": lambda suite: suite.requests.count, "oracles": lambda suite: suite.oracles}
    return {name: (of(before), of(after)) for name, of in numbers.items() if of(before) != of(after)}


@frozen(kw_only=True)
class Settled:
    """The outcome of growing a fleet.

    Attributes:
        record: of the last run.
        tried: numbers of references.
        moves: by how much the scores moved at each growth, in half-widths of their intervals: the largest of all.
        settled: whether the last move was within the intervals.
    """

    record: RunRecord
    tried: tuple[int, ...]
    moves: tuple[float, ...]
    settled: bool


def settle_references(suite: Suite, run: Callable[[Suite], RunRecord]) -> Settled:
    """Run a suite with one block of references, then with twice as many each time, until its scores stay.

    They stay when no score of any row moves further than its own 95 % interval reaches to either side. Models of
    earlier runs are used again, so that the last run is all that is paid for, but for the audits.

    Args:
        suite: its blocks decide the steps.
        run: runs one form of it.
    """
    tried: list[int] = []
    moves: list[float] = []
    before: Sequence[Row] | None = None
    count = suite.references.block
    while True:
        record = run(evolve(suite, references=evolve(suite.references, count=count)))
        rows = make_rows(record)
        tried.append(count)
        if before is not None:
            moves.append(largest_move(before, rows))
        settled = bool(moves) and moves[-1] <= 1.0
        count *= 2
        if settled or not record.references or count > max(MOST_REFERENCES, suite.references.count):
            return Settled(record=record, tried=tuple(tried), moves=tuple(moves), settled=settled)
        before = rows


def largest_move(before: Sequence[Row], after: Sequence[Row]) -> float:
    """Return the largest change of a score between two runs, in half-widths of its interval afterwards.

    A score without an interval counts by whether it is the same: 0, else infinity.
    """
    old = {(row.method.title, row.method.access, score.auditor, score.name): score.value
           for row in before for score in row.scores}
    moves = [0.0]
    for row in after:
        for score in row.scores:
            value = old.get((row.method.title, row.method.access, score.auditor, score.name))
            if value is None or value == score.value:
                continue
            wide = 0.0 if score.low is None or score.high is None else (score.high - score.low) / 2
            moves.append(abs(score.value - value) / wide if wide else float("inf"))
    return max(moves)
