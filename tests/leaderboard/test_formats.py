import pytest

from leaderboard.formats import duration, interval, number, seconds_of, share, significant


@pytest.mark.parametrize(("value", "unit", "expected"), [
    (95.84, "%", "95.8"), (0.5138, "auc", "0.514"), (-11.1, "%", "−11.1"), (None, "%", "–"), (0.0, "%", "0.0"),
    (0.004, "%", "<0.1"), (-0.0001, "auc", ">−0.001"), (2.922, "points", "2.92"), (1.23456, "bits", "1.235"),
])
def test_a_number_has_the_digits_of_its_unit(value, unit, expected):
    assert number(value, unit) == expected


def test_an_unknown_interval_is_empty():
    assert interval(None, 1.0, "%") == ""
    assert interval(0.41, 0.553, "auc") == "0.410 to 0.553"


@pytest.mark.parametrize(("seconds", "expected"), [
    (0.000005, "5.0 µs"), (0.0032, "3.2 ms"), (0.107, "107 ms"), (1.5, "1.5 s"), (119, "119 s"), (120, "2.0 min"),
    (7200, "2.0 h"), (None, "–"), (float("nan"), "–"), (0.0, "0 µs"),
])
def test_a_time_span_has_a_readable_unit(seconds, expected):
    assert duration(seconds) == expected


def test_significant_digits_have_no_exponent():
    assert significant(19365.0, 3) == "19,365"
    assert significant(0.000567) == "0.00057"


def test_a_forget_set_is_given_as_part_and_whole():
    assert share(4500, 45000) == "4,500 of 45,000"


@pytest.mark.parametrize("measured", [{}, {"seconds": "3"}, {"seconds": True}, {"seconds": -1}])
def test_seconds_that_are_no_time_are_unknown(measured):
    assert seconds_of(measured) is None
