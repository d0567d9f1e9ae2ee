import json

import attrs
import pytest

from harness.errors import RowError
from harness.record import MethodRecord, RequestRecord
from harness.rows import Row, RowScore, SuiteName, parse_row, read_rows, with_id, write_rows
from harness.settings import as_json

METHOD = MethodRecord(title="ft", name="ft", version="1", aliases=(), access="retain+forget", settings={"lr": 0.1},
                      source="", owner={"distribution": "x"}, runs=1)
SCORE = RowScore(auditor="accuracy", name="UA", unit="%", target="oracle", chance=10.0, value=95.0, low=94.0, high=96.0,
                 n=2, samples=90, oracle=94.0, oracle_low=None, oracle_high=None, gap=1.0, gap_low=0.5, gap_high=1.5,
                 gap_of_means=1.0, floor=0.2, values=(((95.0, None),),), oracle_values=((94.0, 94.0),))


@pytest.fixture
def row():
    return with_id(Row(
        id="0" * 64, suite=SuiteName(name="tiny-v1", digest="1" * 64), protocol="2" * 64, method=METHOD,
        data={"name": "digits"}, forget_sets=(RequestRecord(name="r", digest="3" * 64, scope="sample", classes=(),
                                                           forget=9, train=90),),
        originals=("a",), oracles=("b",), references=(), seeds={"root": 0}, auditors={}, status="ok", scores=(SCORE,),
        measured={"seconds": 1.5}))


def line(row, **changes):
    return json.dumps({**as_json(row), **changes})


def test_rows_are_read_back_as_they_were_written(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    write_rows([row, row], path)
    assert read_rows(path) == [row, row]


def test_the_id_of_a_row_ignores_what_it_cost(row):
    other = attrs.evolve(row, measured={"seconds": 99.0})
    assert with_id(other).id == row.id


@pytest.mark.parametrize("change", [{"failures": 1}, {"status": "partial"}, {"evaluator": "x"}, {"retracted": "why"}])
def test_the_id_of_a_row_depends_on_everything_else(row, change):
    assert with_id(attrs.evolve(row, **change)).id != row.id


@pytest.mark.parametrize(("changes", "message"), [
    ({"failures": 1}, "does not match the content"),
    ({"id": "xyz"}, "'id' must match regex"),
    ({"schema": 2}, "schema 2 is not known; this harness reads schema 1"),
    ({"colour": "red"}, "no parameter is called 'colour'"),
    ({"failures": -1}, "'failures' must be >= 0"),
    ({"failures": 1.5}, "failures: expected int, got 1.5"),
    ({"status": "great"}, "status: great not in literal"),
    ({"scores": [{"name": "UA"}]}, r"scores\[0\].*is missing"),
    ({"method": None}, "method"),
])
def test_a_row_that_does_not_fit_is_refused_with_its_reason(row, changes, message):
    with pytest.raises(RowError, match=message):
        parse_row(line(row, **changes), "rows.jsonl:1")


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not JSON"), ("[]", "expected an object, got list"), ('{"schema": NaN}', "NaN is no number"),
])
def test_what_is_no_row_at_all_is_refused(text, message):
    with pytest.raises(RowError, match=f"rows.jsonl:1: .*{message}"):
        parse_row(text, "rows.jsonl:1")


def test_every_bad_line_of_a_file_is_told_at_once(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([line(row), "{", line(row, schema=9)]))
    with pytest.raises(RowError, match=r"rows.jsonl:2: .*; .*rows.jsonl:3: "):
        read_rows(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(RowError, match=r"gone.jsonl: cannot be read"):
        read_rows(tmp_path / "gone.jsonl")


def test_a_row_with_a_wrong_id_is_not_written_and_the_file_stays(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    write_rows([row], path)
    with pytest.raises(RowError, match="row 2: id"):
        write_rows([row, attrs.evolve(row, failures=3)], path)
    assert read_rows(path) == [row]
