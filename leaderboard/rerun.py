"""A row again: the same method, settings and seeds in a store of its own, held against what the row says.

On the same kind of machine with the same library versions the figures are equal. Elsewhere rounding takes another
course through training, so that models differ as models of other seeds do; therefore a score counts as reproduced
when it comes out within the row's noise floor, the distance of one oracle to the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from attrs import frozen

from harness.choice import choose
from harness.context import Place, load_dataset
from harness.errors import BadSetting, RowError
from harness.plan import ORACLE, make_plan
from harness.plugins import Registry
from harness.rows import Row
from harness.run import run
from harness.suite import Suite
from harness.summary import make_rows
from leaderboard.grids import full_name

# Figures of equal computations may differ in the last digits of a sum.
EQUAL = 1e-9


@frozen(kw_only=True)
class Repeated:
    """One score of a row, and what it came out as.

    Attributes:
        name: of the score; ``unit`` is its unit.
        given, found: the row's value and the repetition's; None where it has no such score.
        floor: how far apart they may be.
    """

    name: str
    unit: str
    given: float
    found: float | None
    floor: float

    @property
    def holds(self) -> bool:
        """Whether the score is reproduced."""
        return self.found is not None and abs(self.found - self.given) <= max(self.floor, EQUAL)


def rerun(row: Row, suite: Suite, registry: Registry, place: Place, *, jobs: int | None = None) -> list[Repeated]:
    """Return how each score of a row comes out when it is run again.

    Args:
        row: with scores.
        suite: the one that it was run in.
        registry: has its method; no code comes from the row.
        place: store and data. Nothing is repeated that the store holds.
        jobs: worker processes.

    Raises:
        RowError: if the suite is not that of the row, or its method is another version here.
    """
    if suite.protocol != row.protocol:
        raise RowError(f"row {row.id[:12]} has protocol {row.protocol[:12]}, '{suite.name}' here has "
                       f"{suite.protocol[:12]}: it cannot be run again with this version")
    chosen = _chosen(row, suite, registry)
    record = run(make_plan(chosen, load_dataset(registry, chosen.data, place), registry, place.device), place, registry,
                 jobs=jobs)
    again = next((other for other in make_rows(record)
                  if (other.method.title, other.method.access) == (row.method.title, row.method.access)), None)
    if again is None:
        raise RowError(f"{row.method.title} ({row.method.access}) cannot run here")
    return compare_rows(row, again)


def compare_rows(row: Row, again: Row) -> list[Repeated]:
    """Return the scores of ``row`` beside those of its repetition."""
    found = []
    for score in row.scores:
        other = again.score(full_name(score))
        found.append(Repeated(name=score.name, unit=score.unit, given=score.value, floor=score.floor,
                              found=None if other is None else other.value))
    return found


def _chosen(row: Row, suite: Suite, registry: Registry) -> Suite:
    """Return the suite with the row's method alone, in its access mode and with its settings."""
    method = row.method
    if method.name == ORACLE:
        return attrs.evolve(suite, unlearners=())
    kind = registry.unlearners[method.name]
    if kind.version != method.version:
        raise RowError(f"row {row.id[:12]} is of version {method.version} of '{method.name}'; "
                       f"here it has version {kind.version}")
    try:
        chosen = choose(suite, registry, methods=[_title(row, suite.unlearners)],
                        settings=[(_title(row, suite.unlearners), name, value)
                                  for name, value in method.settings.items()])
    except BadSetting as error:
        raise RowError(f"row {row.id[:12]}: {error}") from error
    (spec,) = chosen.unlearners
    return attrs.evolve(chosen, unlearners=(attrs.evolve(spec, label=method.title, access=(method.access,)),))


def _title(row: Row, known: Sequence[object]) -> str:
    titles = [getattr(spec, "title", "") for spec in known]
    return row.method.title if row.method.title in titles else row.method.name
