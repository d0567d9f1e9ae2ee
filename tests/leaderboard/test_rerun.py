import attrs
import pytest

from harness.context import Place
from harness.errors import RowError
from harness.record import read_record
from harness.settings import structure
from harness.suite import Suite
from harness.summary import make_rows
from leaderboard.rerun import compare_rows, rerun
from tests.conftest import TINY
from tests.leaderboard.conftest import named


@pytest.fixture(scope="module")
def row(tiny_run):
    """Return the row of fine-tuning in a real run."""
    return next(row for row in make_rows(read_record(tiny_run / "record.json")) if row.method.title == "ft")


@pytest.fixture(scope="module")
def suite():
    """Return its suite."""
    return structure(TINY, Suite, "tiny")


def test_a_row_comes_out_again_from_its_settings_and_seeds(row, suite, registry, tmp_path):
    found = rerun(row, suite, registry, Place(store=tmp_path), jobs=0)

    assert [one.name for one in found] == [score.name for score in row.scores]
    # The same machine and the same libraries: the same numbers, not only near ones.
    assert [one.found for one in found] == [one.given for one in found]


def test_other_settings_are_taken_from_the_row_and_not_from_the_suite(row, suite, registry, tmp_path):
    wilder = attrs.evolve(row, method=attrs.evolve(row.method, settings={**row.method.settings, "lr": 1.0}))

    found = rerun(wilder, suite, registry, Place(store=tmp_path), jobs=0)

    assert any(one.found != one.given for one in found)


def test_a_score_holds_within_the_noise_floor(rows):
    near = named(rows, "near")
    score = near.score("FT AUC")

    def moved(by):
        scores = tuple(attrs.evolve(s, value=s.value + by * s.floor) if s is score else s for s in near.scores)
        return next(one for one in compare_rows(near, attrs.evolve(near, scores=scores)) if one.name == "FT AUC")

    assert moved(0.9).holds
    assert not moved(1.1).holds
    assert not next(iter(compare_rows(near, attrs.evolve(near, scores=())))).holds


def test_a_row_of_another_protocol_cannot_be_run_again(row, suite, registry, tmp_path):
    with pytest.raises(RowError, match="it cannot be run again with this version"):
        rerun(row, attrs.evolve(suite, seed=9), registry, Place(store=tmp_path))


def test_a_method_of_another_version_cannot_be_run_again(row, suite, registry, tmp_path):
    old = attrs.evolve(row, method=attrs.evolve(row.method, version="0"))

    with pytest.raises(RowError, match="is of version 0 of 'ft'; here it has version"):
        rerun(old, suite, registry, Place(store=tmp_path))
