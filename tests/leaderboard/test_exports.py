import csv
import hashlib
import io
import json

import attrs
import pytest

from harness.cli import run_main
from harness.rows import write_rows
from leaderboard.exporting import export_files
from leaderboard.exports import csv_text, flat_rows, forget_sets_text, row_schema
from leaderboard.interchange import croissant, every_eval_ever, hub_results
from tests.leaderboard.conftest import named


def test_cells_that_a_spreadsheet_would_run_are_defused(rows):
    near = named(rows, "near")
    method = attrs.evolve(near.method, title="=cmd|' /C calc'!A0", version="+1")
    evil = attrs.evolve(near, method=method, evaluator="@x")

    row = next(csv.DictReader(io.StringIO(csv_text([evil]))))

    assert (row["method"], row["version"], row["evaluator"]) == ("'=cmd|' /C calc'!A0", "'+1", "'@x")
    assert float(row["rmia/FT AUC gap"]) == near.score("FT AUC").gap


def test_a_score_that_a_row_lacks_is_an_empty_cell(rows):
    bare = attrs.evolve(named(rows, "near"), scores=())

    row = list(csv.DictReader(io.StringIO(csv_text([*rows, bare]))))[-1]

    assert row["rmia/FT AUC value"] == ""


def test_flat_rows_have_one_value_a_column(rows):
    header, lines = flat_rows(rows)

    assert len(set(header)) == len(header)
    assert {len(line) for line in lines} == {len(header)}


def test_the_schema_accepts_rows_and_names_every_field(rows):
    schema = row_schema()

    assert set(schema["properties"]) == {field.name for field in attrs.fields(type(rows[0]))}
    assert schema["properties"]["id"] == {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    assert schema["properties"]["status"]["enum"] == ["ok", "partial", "failed", "timeout", "skipped"]


def test_a_score_whose_aim_is_the_oracle_goes_out_as_its_gap(rows):
    near = named(rows, "near")

    record = every_eval_ever(near)

    auc = next(r for r in record["evaluation_results"] if r["metric_config"]["metric_id"].endswith("rmia/FT AUC"))
    assert auc["score_details"]["score"] == near.score("FT AUC").gap
    assert auc["score_details"]["details"]["value"] == repr(near.score("FT AUC").value)
    assert auc["metric_config"]["lower_is_better"]
    assert (auc["metric_config"]["min_score"], auc["metric_config"]["max_score"]) == (0.0, 1.0)


def test_all_details_of_the_interchange_schema_are_text(rows):
    def details(value):
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("details", "additional_details"):
                    yield from item.values()
                yield from details(item)
        elif isinstance(value, list):
            for item in value:
                yield from details(item)

    found = list(details(every_eval_ever(named(rows, "near"))))

    assert found
    assert all(isinstance(item, str) for item in found)


def test_the_interchange_schema_is_told_how_the_model_was_deployed(rows):
    details = every_eval_ever(named(rows, "near"))["model_info"]["additional_details"]

    # Both are required by schema 0.3.0 and have closed lists of values.
    assert (details["deployment_type"], details["model_availability"]) == ("self_deployed", "unknown")


def test_a_known_day_is_given_in_seconds_and_an_unknown_one_is_zero(rows):
    near = named(rows, "near")
    dated = attrs.evolve(near, measured={"date": "1970-01-02T03:04:05+00:00"})

    assert every_eval_ever(dated)["retrieved_timestamp"] == "86400"
    assert every_eval_ever(near)["retrieved_timestamp"] == "0"


def test_results_for_the_hub_name_the_task_and_the_row(rows):
    near = named(rows, "near")

    entry = hub_results(near, "somebody/benchmark", "https://board.example/")[0]

    assert entry["dataset"]["id"] == "somebody/benchmark"
    assert entry["dataset"]["task_id"].startswith("toy-v1/retain+forget/")
    assert entry["source"]["url"].startswith("https://board.example/rows/")
    assert near.id[:16] in entry["notes"]


def test_the_hub_takes_no_source_without_an_address(rows):
    # huggingface_hub's parser: "If `source_name` [...] is provided, `source_url` must also be provided."
    assert all("source" not in entry for entry in hub_results(named(rows, "near"), "somebody/benchmark"))


@pytest.mark.parametrize(("place", "text"), [(0, csv_text), (1, forget_sets_text)])
def test_croissant_describes_every_column_of_the_very_files(rows, place, text):
    described = croissant(rows)

    names = [field["name"] for field in described["recordSet"][place]["field"]]
    assert names == next(csv.reader(io.StringIO(text(rows))))
    assert described["distribution"][place]["sha256"] == hashlib.sha256(text(rows).encode()).hexdigest()


def test_forget_sets_are_listed_once_with_the_digest_of_their_indices(rows):
    listed = list(csv.DictReader(io.StringIO(forget_sets_text(rows))))

    expected = {(row.suite.name, one.name, one.digest) for row in rows for one in row.forget_sets}
    assert [(line["suite"], line["name"], line["digest"]) for line in listed] == sorted(expected)
    assert {line["forget"] for line in listed} == {str(one.forget) for one in rows[0].forget_sets}


def test_every_export_is_json_or_csv_and_none_is_for_the_hub_unless_asked(rows):
    files = export_files(rows)

    assert not [name for name in files if name.startswith("eval_results")]
    for name, content in files.items():
        if name.endswith((".json", ".yaml")):
            json.loads(content)
    assert len([name for name in export_files(rows, "a/b") if name.startswith("eval_results")]) == len(rows)


@pytest.mark.parametrize("arguments", [[], ["--hub-dataset", "a/b"]])
def test_the_command_names_what_it_wrote(rows, tmp_path, capsys, arguments):
    write_rows(rows, tmp_path / "toy.jsonl")

    assert run_main(["leaderboard", "export", "--rows", str(tmp_path), "--out", str(tmp_path / "out"), *arguments]) == 0

    printed = capsys.readouterr().out.split()
    assert str(tmp_path / "out/croissant.json") in printed
    assert (tmp_path / "out/rows.jsonl").read_text(encoding="utf-8").count("\n") == len(rows)
