import numpy as np
import pytest

from harness.audits import Score
from harness.record import CellRecord, MethodRecord, RequestRecord, RunRecord
from harness.summary import make_rows
from harness.table import results_table


def score(value):
    return {"accuracy": (Score(name="UA", value=value, n=90, unit="%"),)}


def cell(method, original, request, run, value, **changes):
    access = None if method == "oracle" else "retain+forget"
    content = {"status": "ok", "scores": score(value), "model": f"{method}{original}{request}{run}", **changes}
    return CellRecord(method=method, access=access, original=original, request=request, run=run, **content)


def record(cells):
    method = MethodRecord(title="ft", name="ft", version="1", aliases=(), access="retain+forget", settings={},
                          source="", owner={}, runs=2)
    requests = tuple(RequestRecord(name=f"r{r}", digest="3" * 64, scope="sample", classes=(), forget=9, train=90)
                     for r in range(2))
    suite = {"name": "tiny-v1", "seed": 0, "originals": 1, "oracles": 2, "runs": 2, "access": ["retain+forget"],
             "references": {"count": 0}, "unlearners": [{"name": "ft", "label": "", "settings": {}, "forget_only": {}}]}
    return RunRecord(suite=suite, suite_digest="1" * 64, protocol="2" * 64, data={}, requests=requests,
                     methods=(method,), auditors={"accuracy": {}}, cells=tuple(cells), skipped=(), originals=("o",),
                     references=(), stages={}, measured={}, environment={})


ORACLES = [cell("oracle", None, 0, 0, 94.0), cell("oracle", None, 0, 1, 96.0),
           cell("oracle", None, 1, 0, 90.0), cell("oracle", None, 1, 1, 91.0)]
UNLEARNED = [cell("ft", 0, 0, 0, 97.0), cell("ft", 0, 0, 1, 93.0), cell("ft", 0, 1, 0, 91.0), cell("ft", 0, 1, 1, 91.0)]


def test_a_score_is_compared_with_the_oracles_of_its_own_forget_set():
    found = make_rows(record([*ORACLES, *UNLEARNED]))[1].score("UA")

    # |97-95|, |93-95|, |91-90.5|, |91-90.5|
    assert found.gap == pytest.approx((2 + 2 + 0.5 + 0.5) / 4)
    assert found.value == pytest.approx(93.0)
    assert found.oracle == pytest.approx(92.75)


def test_the_gap_of_means_lets_errors_cancel_as_papers_do():
    found = make_rows(record([*ORACLES, *UNLEARNED]))[1].score("UA")
    assert found.gap_of_means == pytest.approx(0.25)
    assert found.gap > found.gap_of_means


def test_the_noise_floor_is_the_gap_between_an_oracle_and_the_others():
    rows = make_rows(record([*ORACLES, *UNLEARNED]))
    assert rows[0].method.title == "oracle"
    assert rows[0].score("UA").floor == pytest.approx((2 + 2 + 1 + 1) / 4)
    assert rows[0].score("UA").gap == pytest.approx(rows[0].score("UA").floor)


def test_every_value_is_kept_with_null_where_a_model_failed():
    cells = [*UNLEARNED[:3], cell("ft", 0, 1, 1, 0.0, status="failed", error="boom", scores={})]
    row = make_rows(record([*ORACLES, *cells]))[1]
    assert row.score("UA").values == (((97.0, 93.0), (91.0, None)),)
    assert (row.status, row.reason, row.failures) == ("partial", "1 of 4: boom", 1)


def test_a_method_whose_every_model_failed_is_a_failed_row_and_not_a_missing_one():
    cells = [cell("ft", 0, r, k, 0.0, status="failed", error="boom", scores={}) for r in range(2) for k in range(2)]
    row = make_rows(record([*ORACLES, *cells]))[1]
    assert (row.status, row.scores) == ("failed", ())
    assert "ft" in results_table([*make_rows(record([*ORACLES, *cells]))])


def test_a_method_that_ran_out_of_time_says_so():
    cells = [cell("ft", 0, 0, 0, 0.0, status="timeout", error="stopped after 1 s", scores={})]
    assert make_rows(record([*ORACLES, *cells]))[1].status == "timeout"


def test_a_failed_audit_is_told_and_the_others_stay():
    cells = [*UNLEARNED[:3], cell("ft", 0, 1, 1, 91.0, audit_errors={"rmia": "no references"})]
    row = make_rows(record([*ORACLES, *cells]))[1]
    assert (row.status, row.reason) == ("partial", "1 of 4: rmia: no references")
    assert row.score("UA").n == 4


def test_intervals_stay_within_what_the_unit_allows():
    cells = [cell("ft", 0, r, k, value) for (r, k), value in np.ndenumerate(np.array([[100.0, 100.0], [99.0, 80.0]]))]
    found = make_rows(record([*ORACLES, *cells]))[1].score("UA")
    assert found.high == 100.0
    assert found.gap_low >= 0


def test_rows_are_the_same_every_time():
    assert make_rows(record([*ORACLES, *UNLEARNED])) == make_rows(record([*ORACLES, *UNLEARNED]))


def test_the_floor_of_a_score_that_is_a_gap_itself_is_the_oracles_own_value():
    def gap(value):
        return {"accuracy": (Score(name="Avg Gap", value=value, n=4, unit="points", target="lower"),)}

    oracles = [cell("oracle", None, 0, k, 0.0, scores=gap(value)) for k, value in enumerate((0.5, 0.7))]
    row = make_rows(record([*oracles, cell("ft", 0, 0, 0, 0.0, scores=gap(2.0))]))[1]
    assert row.score("Avg Gap").floor == pytest.approx(0.6)
