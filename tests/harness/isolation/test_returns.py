"""What a child hands back is read with suspicion."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from adapters.linear_model import LinearModel
from harness.isolation.launching import tray, workplace
from harness.isolation.returns import Tray
from harness.outputs import BadResult

ORIGINAL = LinearModel(np.zeros((3, 4), dtype=np.float32), np.zeros(3, dtype=np.float32))


@pytest.fixture
def place() -> Iterator[Path]:
    with workplace() as folder:
        yield folder


@pytest.fixture
def opened(place: Path) -> Iterator[Tray]:
    with tray(place) as found:
        yield found


def hand_back(place: Path, **changes: object) -> None:
    arrays = {name: value + 1 for name, value in ORIGINAL.parameters().items()}
    save_file({**arrays, **changes}, place / "out" / "weights.safetensors")


def test_weights_and_facts_make_a_model(place: Path, opened: Tray) -> None:
    hand_back(place)
    (place / "out" / "facts.json").write_text(json.dumps({"steps": 3}), encoding="utf-8")

    unlearned = opened.unlearned(ORIGINAL)

    assert unlearned.model.parameters()["output.bias"].tolist() == [1, 1, 1]  # type: ignore[attr-defined]
    assert unlearned.facts == {"steps": 3.0}


@pytest.mark.parametrize(("changes", "message"), [
    ({"output.bias": np.zeros(4, dtype=np.float32)}, r"'output.bias' is float32 of shape \(4,\), the original's is"),
    ({"output.bias": np.zeros(3, dtype=np.float64)}, "is float64 of shape"),
    ({"output.bias": np.full(3, np.inf, dtype=np.float32)}, "contains NaN or infinity"),
    ({"extra": np.zeros(1, dtype=np.float32)}, "has besides extra"),
])
def test_weights_in_another_shape_are_refused(place: Path, opened: Tray, changes: dict[str, object],
                                              message: str) -> None:
    hand_back(place, **changes)

    with pytest.raises(BadResult, match=message):
        opened.unlearned(ORIGINAL)


@pytest.mark.parametrize("facts", ['{"a": "many"}', '{"a": NaN}', '{"a": true}', "[1]", "{", '{"a": [[1]]}'])
def test_facts_that_are_no_numbers_are_refused(place: Path, opened: Tray, facts: str) -> None:
    hand_back(place)
    (place / "out" / "facts.json").write_text(facts, encoding="utf-8")

    with pytest.raises(BadResult):
        opened.unlearned(ORIGINAL)


def test_a_link_is_not_followed(place: Path, opened: Tray, tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("hidden", encoding="ascii")
    (place / "out" / "facts.json").symlink_to(tmp_path / "hidden")

    with pytest.raises(BadResult, match=r"left a link in place of facts\.json"):
        opened.read("facts.json", 100)


def test_another_name_of_a_hidden_file_is_not_read(place: Path, opened: Tray) -> None:
    (place / "hidden").write_text("hidden", encoding="ascii")
    os.link(place / "hidden", place / "out" / "facts.json")

    with pytest.raises(BadResult, match="special file or a link"):
        opened.read("facts.json", 100)


def test_a_pipe_is_not_waited_for(place: Path, opened: Tray) -> None:
    os.mkfifo(place / "out" / "facts.json")

    with pytest.raises(BadResult, match="special file"):
        opened.read("facts.json", 100)


def test_a_long_file_is_not_read(place: Path, opened: Tray) -> None:
    (place / "out" / "facts.json").write_bytes(bytes(101))

    with pytest.raises(BadResult, match=r"left 101 bytes in facts\.json; at most 100"):
        opened.read("facts.json", 100)


def test_a_folder_put_in_the_place_of_the_first_is_not_looked_into(place: Path, opened: Tray) -> None:
    (place / "out").rename(place / "moved")
    (place / "out").mkdir()
    (place / "out" / "facts.json").write_text("{}", encoding="utf-8")

    assert opened.read("facts.json", 100) is None


def test_an_error_is_told_in_the_child_s_words_but_not_at_any_length(place: Path, opened: Tray) -> None:
    (place / "out" / "error.json").write_text(json.dumps({"error": "x" * 10_000}), encoding="utf-8")

    assert opened.error() == "x" * 4000
