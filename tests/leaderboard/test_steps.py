"""Line charts of sequences of requests."""

import itertools
from xml.etree import ElementTree

import attrs
import pytest

from harness.summary import make_rows
from leaderboard.glossary import meaning
from leaderboard.report import make_report
from leaderboard.steps import LABEL_HEIGHT, measure_by_step, steps_plot
from leaderboard.tables import make_columns, row_page
from tests.leaderboard.conftest import make_record


@pytest.fixture
def sequence():
    """Return the record of a run in which three forget sets are one sequence."""
    record = make_record()
    requests = {**record.suite["requests"], "sequence": 3}
    return attrs.evolve(record, suite={**record.suite, "requests": requests})


def test_a_line_leads_through_every_step_and_to_its_row(sequence):
    rows = make_rows(sequence)
    chart = ElementTree.fromstring(steps_plot(rows, row_page))
    lines = chart.findall("a")
    assert [line.get("href") for line in lines] == [row_page(row) for row in rows]
    assert {len(line.findall("circle")) for line in lines} == {3}


def test_what_is_higher_is_drawn_higher(sequence):
    rows = [row for row in make_rows(sequence) if row.method.title in ("original", "near")]
    chart = ElementTree.fromstring(steps_plot(rows, row_page))
    heights = {line.find("text").text: float(line.find("circle").get("cy")) for line in chart.findall("a")}
    values = {row.method.title: row.score("FT AUC step 1").value for row in rows}
    assert (heights["original"] < heights["near"]) == (values["original"] > values["near"])


def test_names_of_lines_do_not_cover_one_another(sequence):
    chart = ElementTree.fromstring(steps_plot(make_rows(sequence), row_page))
    places = sorted(float(line.find("text").get("y")) for line in chart.findall("a"))
    # Coordinates are written with two digits.
    assert all(below - above >= LABEL_HEIGHT - 0.02 for above, below in itertools.pairwise(places))


def test_without_a_sequence_there_is_no_chart():
    rows = make_rows(make_record())
    assert measure_by_step(rows) == steps_plot(rows, row_page) == ""


def test_the_report_of_a_sequence_shows_the_chart_and_that_of_another_run_does_not(sequence):
    assert "Request after request" in make_report(sequence, None)
    assert "Request after request" not in make_report(make_record(), None)


def test_a_method_has_one_colour_in_all_charts_of_a_page(sequence):
    rows = [row for row in make_rows(sequence) if row.method.title in ("near", "far")]
    styles = [ElementTree.fromstring(steps_plot(some, row_page, titles=["near", "far"])).findall("a")[-1].get("class")
              for some in (rows, rows[1:])]
    assert styles == ["track-1", "track-1"]


def test_a_step_is_a_column_only_where_the_suite_asks_for_it(sequence):
    rows = make_rows(sequence)
    names = [column.name for column in make_columns(rows, None, ["TA step 3"])]
    assert names[0] == "TA step 3"
    assert not [name for name in names[1:] if "step" in name]


def test_what_a_step_means_is_told_with_its_number(sequence):
    row = make_rows(sequence)[0]
    assert meaning(row.score("TA step 2")) == f"{meaning(row.score('TA'))}; after 2 of the requests"
