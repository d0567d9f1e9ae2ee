"""Strips, axes and plots: where things are drawn, and that they are well-formed and escaped."""

from xml.etree import ElementTree

import attrs
import pytest

from leaderboard.axes import focused_axis, linear_axis, time_axis, usual_reach
from leaderboard.charts import swarm
from leaderboard.plots import cost_plot, privacy_plot, ranking_chart
from leaderboard.strips import make_scale, strip
from leaderboard.svg import element, text_of
from leaderboard.tables import row_page
from tests.leaderboard.conftest import named


def scores(rows, name):
    return [row.score(name) for row in rows]


def test_the_oracle_is_in_the_middle_of_every_strip(rows):
    scale = make_scale(scores(rows, "FT AUC"))

    assert scale.x(scale.oracle) == pytest.approx(44.0)


def test_a_score_to_be_minimised_begins_at_the_left(rows):
    scale = make_scale(scores(rows, "Avg Gap"))

    assert scale.low == 0.0


def test_a_hollow_dot_says_that_the_gap_is_within_the_noise(rows):
    score = named(rows, "near").score("TA")
    scale = make_scale([score])

    assert 'class="dot near"' in strip(score, scale, near=True)
    assert 'class="dot"' in strip(score, scale)


def test_what_lies_outside_of_a_strip_is_an_arrow_at_its_edge(rows):
    score = named(rows, "original").score("FT AUC")
    scale = attrs.evolve(make_scale([score]), low=0.50, high=0.52, oracle=0.51)

    assert "circle" not in strip(score, scale)


def test_one_far_outlier_does_not_flatten_the_others():
    assert usual_reach([0.1, 0.2, 0.3, 0.2, 50.0], 0.0) == pytest.approx(0.9)
    assert usual_reach([0.1, 0.2, 0.3, 0.2, 0.5], 0.0) == 0.5


def test_a_scale_of_equal_values_is_not_empty():
    axis = linear_axis([3.0, 3.0], 0.0, 100.0)

    assert axis.at(3.0) == pytest.approx(50.0)


def test_ticks_are_round_numbers_inside_the_axis():
    axis = linear_axis([0.0, 8.3], 0.0, 100.0, from_zero=True)

    assert [label for _, label in axis.ticks] == ["0", "2", "4", "6", "8"]
    assert all(axis.low <= value <= axis.high for value, _ in axis.ticks)


def test_a_time_axis_has_readable_ticks():
    assert [label for _, label in time_axis([0.0005, 30.0], 0, 1).ticks] == ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]


def test_a_focused_axis_keeps_its_centre_and_leaves_outliers_outside():
    axis = focused_axis([97.0, 97.2, 96.9, 97.1, 60.0], 97.0, 0.1, 0.0, 1.0)

    assert axis.low > 60.0
    assert axis.low < 97.0 < axis.high


def test_markup_is_escaped():
    assert text_of(element("text", "<b>&", title='"')) == '<text title="&quot;">&lt;b&gt;&amp;</text>'


@pytest.mark.parametrize("draw", [cost_plot, privacy_plot])
def test_a_plot_links_every_row_and_says_its_figures(rows, draw):
    root = ElementTree.fromstring(draw(rows, row_page))

    links = root.findall("a")
    assert [link.get("href") for link in links] == [f"rows/{row.id[:16]}.html" for row in rows[1:]]
    assert all("[" in link.findtext("title") for link in links)
    assert root.find("title") is not None
    assert root.find("desc") is not None


def test_labels_do_not_cover_each_other(rows):
    same_place = [attrs.evolve(named(rows, "near"), id=f"{i:064x}") for i in range(30)]

    root = ElementTree.fromstring(privacy_plot(same_place, row_page))

    places = [(label.get("x"), label.get("y")) for label in root.iter("text") if label.get("class") == "label"]
    assert 1 <= len(places) == len(set(places)) < 30


def test_rows_without_scores_have_no_plots(rows):
    bare = [attrs.evolve(row, scores=()) for row in rows]

    assert cost_plot(bare, row_page) == privacy_plot(bare, row_page) == ranking_chart("c", bare, row_page) == ""


def test_the_ranking_chart_is_in_order_and_leaves_the_oracle_out(rows):
    root = ElementTree.fromstring(ranking_chart("c", rows, row_page))

    names = [text.text for text in root.iter("text") if text.get("class") == "name"]
    assert names[:3] == ["retrain", "near", "far"]
    assert set(names[3:]) == {"original", "perturb"}


def test_every_model_has_a_dot_and_every_oracle_a_line(rows):
    score = named(rows, "near").score("FT AUC")

    root = ElementTree.fromstring(swarm("s", score))

    assert len(root.findall("circle")) == score.n == 18
    assert len([path for path in root.findall("path") if path.get("class") == "oracle"]) == 9


def test_a_failed_model_has_no_dot(rows):
    score = named(rows, "near").score("FT AUC")
    holed = attrs.evolve(score, values=(((None, *score.values[0][0][1:]), *score.values[0][1:]), *score.values[1:]))

    assert swarm("s", holed).count("<circle") == 17
