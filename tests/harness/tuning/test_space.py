"""Spaces of hyper-parameters, and the points that are tried in them."""

from typing import ClassVar, Literal

import pytest
from attrs import frozen

from harness.errors import BadSetting
from harness.tuning.space import Choices, Interval, at_edge, default_space, parse_space, points, read_space


@frozen(kw_only=True)
class Method:
    """A method with one hyper-parameter of each kind."""

    name: ClassVar[str] = "method"
    lr: float = 0.01
    alpha: float = 0.5
    epochs: int | None = 10
    labels: Literal["fixed", "redrawn"] = "fixed"


def read(**texts):
    return read_space(Method, texts)


def test_a_logarithmic_interval_is_an_even_grid_of_the_logarithm():
    found = [point["lr"] for point in points(read(lr="1e-4:1:log"), 4, seed=0)]
    assert found == [0.00032, 0.0032, 0.032, 0.32]


def test_whole_numbers_stay_whole_and_other_numbers_do_not():
    assert [p["epochs"] for p in points(read(epochs="1:9"), 4, seed=0)] == [2, 4, 6, 8]
    assert [p["alpha"] for p in points(read(alpha="0:1"), 2, seed=0)] == [0.25, 0.75]


def test_lists_that_fit_are_tried_in_every_combination():
    found = points(read(labels="fixed,redrawn", lr="0.1,0.2,0.3"), 6, seed=0)
    assert len(found) == 6
    assert {(p["labels"], p["lr"]) for p in found} == {(a, b) for a in ("fixed", "redrawn") for b in (0.1, 0.2, 0.3)}


def test_each_slice_of_each_dimension_is_tried_once():
    found = points(read(lr="1e-4:1:log", alpha="0:1"), 10, seed=3)
    assert len({p["lr"] for p in found}) == len({p["alpha"] for p in found}) == 10
    assert [p["alpha"] for p in found] != sorted(p["alpha"] for p in found)


def test_the_same_seed_tries_the_same_points():
    space = read(lr="1e-4:1:log", labels="fixed,redrawn")
    assert points(space, 7, seed=1) == points(space, 7, seed=1)


def test_a_short_list_beside_an_interval_is_tried_evenly():
    found = [p["labels"] for p in points(read(lr="1e-4:1:log", labels="fixed,redrawn"), 10, seed=0)]
    assert found.count("fixed") == found.count("redrawn") == 5


def test_equal_points_are_tried_once():
    assert len(points(read(epochs="1:3"), 10, seed=0)) == 3


def test_words_and_numbers_of_a_list_keep_their_types():
    assert read(labels="fixed, redrawn")["labels"] == Choices(("fixed", "redrawn"))
    assert read(epochs="5,10")["epochs"] == Choices((5, 10))


def test_the_default_is_two_decades_around_the_learning_rate():
    assert default_space(Method) == {"lr": "0.0001:1:log"}


def test_a_method_may_state_its_space_or_that_it_has_none():
    class Stated(Method):
        space: ClassVar = {"alpha": "0.0:1.0"}

    class Control(Method):
        space: ClassVar = {}

    assert default_space(Stated) == {"alpha": "0.0:1.0"}
    assert default_space(Control) == {}


def test_an_end_of_what_was_tried_is_told():
    space = read(lr="1e-4:1:log", labels="fixed,redrawn")
    tried = points(space, 4, seed=0)
    assert at_edge(space, tried[-1], tried) == ["lr"]
    assert at_edge(space, tried[1], tried) == []


@pytest.mark.parametrize(("texts", "message"), [
    ({"rate": "0:1"}, "space of 'method': no parameter is called 'rate'; known: lr, alpha, epochs, labels"),
    ({"lr": "0:1:log"}, "lr=0:1:log: a logarithmic interval begins above zero"),
    ({"lr": "1:0.1"}, "expected a lower and a higher end"),
    ({"lr": "a:b"}, "the ends of an interval are numbers"),
    ({"lr": "0.1:1:linear"}, "expected LOW:HIGH, LOW:HIGH:log or A,B,C"),
    ({"lr": "0.1:inf"}, "expected a lower and a higher end"),
])
def test_a_space_that_does_not_fit_is_refused(texts, message):
    with pytest.raises(BadSetting, match=message):
        read(**texts)


@pytest.mark.parametrize("text", ["lr", "=1:2", "lr="])
def test_an_option_of_another_form_is_refused(text):
    with pytest.raises(BadSetting, match="expected PARAM=LOW:HIGH"):
        parse_space(text)


def test_an_interval_rounds_to_two_digits():
    assert Interval(0.0, 1.0).at(1 / 3) == 0.33
