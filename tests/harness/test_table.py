import attrs
import numpy as np

from harness.calibration import calibrate
from harness.summary import make_rows
from harness.table import notes, results_table
from harness.utility_gate import is_gated, utility_lost
from tests.harness.records import cells, merged, record

SPREAD = np.array([[-0.01, 0.0, 0.01]] * 2)


def run(accuracy_lost=0.0, second="lira"):
    """Return the record of a run with test accuracies and two scores, in points of per cent and AUC."""
    one = np.full((1, 2, 1), 1.0)
    made = record(merged(
        cells("oracle", 95 + 100 * SPREAD, name="TA", auditor="accuracy", unit="%", target="higher"),
        cells("oracle", 0.5 + SPREAD), cells("oracle", 0.4 + SPREAD, auditor=second),
        cells("ft", (95 - accuracy_lost) * one, name="TA", auditor="accuracy", unit="%", target="higher"),
        cells("ft", 0.5 * one), cells("ft", 0.4 * one, auditor=second)))
    return attrs.evolve(made, calibration=calibrate(made))


def lines_of(made, method, **options):
    table = results_table(make_rows(made), calibration=made.calibration, **options)
    return [line for line in table.splitlines() if line.startswith(method)]


def test_a_model_that_has_lost_its_use_is_marked_beside_every_score_but_utility():
    made = run(accuracy_lost=6.0)
    row = make_rows(made)[1]
    assert utility_lost(row) == 6.0
    assert [is_gated(row, score) for score in row.scores] == [False, True, True]
    assert lines_of(made, "ft")[0].count("!") == 2
    assert [line for line in notes(made, make_rows(made)) if line.startswith("!")] == [
        "! its TA is more than 5 points below the oracle's, so its other scores say nothing: ft (retain+forget) by 6.0"]


def test_a_model_within_the_gate_is_not_marked():
    made = run(accuracy_lost=4.0)
    assert "!" not in results_table(make_rows(made))
    assert not [line for line in notes(made, make_rows(made)) if line.startswith("!")]


def test_two_auditors_scores_of_one_name_are_both_shown():
    heading = lines_of(run(), "method")[0]
    assert "  FT AUC" in heading
    assert "lira/FT AUC" in heading


def test_a_suite_can_name_the_auditor_of_a_column():
    made = run()
    assert "0.400" in lines_of(made, "ft", shown=["lira/FT AUC"])[0]
    assert "0.500" in lines_of(made, "ft", shown=["FT AUC"])[0]


def test_false_alarm_rate_and_power_of_every_shown_score_stand_under_the_table():
    made = run()
    lines = [line.split() for line in notes(made, make_rows(made))]
    assert ["rmia/FT", "AUC", "0/6", "0.00", "[0.00", "0.46]", "-"] in lines
    shown = attrs.evolve(made, suite={**made.suite, "columns": ["lira/FT AUC"]})
    assert "rmia/FT AUC" not in "\n".join(notes(shown, make_rows(shown)))


def test_a_score_that_cries_wolf_is_marked_in_the_heading_and_in_the_notes():
    values = 0.01 * np.random.default_rng(0).normal(size=(3, 60))
    values[:, ::11] += 0.5
    made = record(merged(cells("oracle", values), cells("ft", np.zeros((1, 3, 1)))))
    made = attrs.evolve(made, calibration=calibrate(made))
    assert "FT AUC*" in lines_of(made, "method")[0]
    assert "* the interval of its false-alarm rate leaves out the level" in notes(made, make_rows(made))


def test_the_null_at_the_number_of_shadows_stands_under_the_table():
    made = run(second="klom")
    made = attrs.evolve(made, auditors={"accuracy": {}, "rmia": {}, "klom": {"shadows": True}},
                        suite={**made.suite, "shadows": {"count": 16, "block": 16}})
    line = next(line for line in notes(made, make_rows(made)) if line.startswith("klom: 16 shadows a side"))
    assert line.endswith("the null at this number, retrained ones on both sides: FT AUC 0.400")


def test_a_note_of_an_auditor_is_printed():
    made = attrs.evolve(run(), auditors={"rmia": {"note": "a reconstruction"}, "lira": {"note": ""}, "accuracy": {}})
    assert "rmia: a reconstruction" in notes(made, make_rows(made))
    assert not [line for line in notes(made, make_rows(made)) if line.startswith("lira:")]


def test_a_column_that_an_oracle_lacks_is_left_out_and_the_oracles_row_says_why():
    made = run()
    first = made.cells[0]
    broken = attrs.evolve(first, scores={k: v for k, v in first.scores.items() if k != "lira"},
                          audit_errors={"lira": "ValueError: no references"})
    rows = make_rows(attrs.evolve(made, cells=(broken, *made.cells[1:])))
    assert [score.auditor for score in rows[1].scores] == ["accuracy", "rmia"]
    assert (rows[0].status, rows[0].reason) == ("partial", "1 of 6: lira: ValueError: no references")
