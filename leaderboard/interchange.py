"""Rows in other people's formats: every_eval_ever, Croissant, and evaluation results of the Hugging Face hub.

Most scores here have no direction: their aim is the oracle's value. Formats that ask which way is better therefore get
the gap to the oracle, of which less is better, with the value among the details.
"""

from __future__ import annotations

import calendar
import csv
import io
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from harness.digests import digest_bytes
from harness.plugins import DISTRIBUTION
from harness.rows import Row, RowScore
from leaderboard.exports import csv_text, forget_sets_text
from leaderboard.glossary import meaning
from leaderboard.grids import full_name
from leaderboard.tables import date_of, row_page

EEE_SCHEMA = "0.3.0"
RELATION = {"reproduced": "third_party"}
_LIMITS = {"%": 100.0, "auc": 1.0}


def every_eval_ever(row: Row) -> dict[str, Any]:
    """Return a row as one record of the every_eval_ever schema.

    Source: github.com/evaleval/every_eval_ever, schema 0.3.0 (arXiv 2606.14516).
    """
    model = f"{row.method.owner.get('distribution') or DISTRIBUTION}/{row.method.title}"
    day = str(_epoch(date_of(row)))
    return {
        "schema_version": EEE_SCHEMA, "evaluation_id": f"{row.suite.name}/{model}/{row.id[:16]}",
        "evaluation_timestamp": day, "retrieved_timestamp": day,
        "source_metadata": {
            "source_name": "unlearning-harness leaderboard", "source_type": "evaluation_run",
            "source_organization_name": row.evaluator,
            "evaluator_relationship": RELATION.get(row.tier, "first_party"),
            "additional_details": {"tier": row.tier, "row": row.id, "protocol": row.protocol}},
        "eval_library": {"name": DISTRIBUTION, "version": version(DISTRIBUTION)},
        "model_info": {"name": row.method.title, "id": model, "additional_details": {
            # Required by the schema since 0.3.0. A row has digests of its models, not their weights.
            "deployment_type": "self_deployed", "model_availability": "unknown",
            "access": row.method.access, "version": row.method.version, "source": row.method.source}},
        "evaluation_results": [_result(row, score) for score in row.scores],
    }


def _result(row: Row, score: RowScore) -> dict[str, Any]:
    as_gap = score.target in ("oracle", "chance")
    value, low, high = ((score.gap, score.gap_low, score.gap_high) if as_gap
                        else (score.value, score.low, score.high))
    details: dict[str, Any] = {"score": value, "details": {
        "value": repr(score.value), "oracle": repr(score.oracle), "noise_floor": repr(score.floor),
        "models": str(score.n), "samples": str(score.samples)}}
    if low is not None and high is not None:
        details["uncertainty"] = {"num_samples": score.n, "confidence_interval": {
            "lower": low, "upper": high, "confidence_level": 0.95, "method": "hierarchical bootstrap"}}
    name = f"{score.name}, gap to the oracle" if as_gap else score.name
    return {
        "evaluation_name": f"{row.suite.name} {row.method.access}",
        "source_data": {"dataset_name": str(row.data["name"]), "source_type": "other",
                        "additional_details": {"digest": str(row.data["digest"]), "source": str(row.data["source"])}},
        "metric_config": {
            "evaluation_description": meaning(score), "metric_id": f"{DISTRIBUTION}.{full_name(score)}",
            "metric_name": name, "metric_unit": score.unit, "lower_is_better": score.target != "higher",
            "score_type": "continuous", "min_score": 0.0, "max_score": _LIMITS.get(score.unit, "Infinity")},
        "score_details": details}


def hub_results(row: Row, dataset: str, site: str = "") -> list[dict[str, Any]]:
    """Return a row as entries of a model's ``.eval_results`` on the Hugging Face hub; JSON is YAML.

    Args:
        row: the row.
        dataset: id of the benchmark's data set on the hub.
        site: address of the published board, whose page of the row is the source. The hub takes no source without one.
    """
    source = {"source": {"url": f"{site.rstrip('/')}/{row_page(row)}", "name": f"{DISTRIBUTION} leaderboard"}}
    date = {} if date_of(row) == "–" else {"date": date_of(row)}
    return [{"dataset": {"id": dataset, "task_id": f"{row.suite.name}/{row.method.access}/{full_name(score)}",
                         "revision": row.protocol},
             "value": score.value, **date, **(source if site else {}),
             "notes": f"gap to the oracle {score.gap:.6g}, noise floor {score.floor:.6g}, {row.tier}, row {row.id[:16]}"}
            for score in row.scores]


def croissant(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the Croissant 1.0 description of ``rows.csv`` and ``forget_sets.csv``: digests, and every column."""
    dates = [date_of(row) for row in rows if date_of(row) != "–"]
    files = {"rows.csv": csv_text(rows), "forget_sets.csv": forget_sets_text(rows)}
    return {
        "@context": _CONTEXT, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "unlearning-harness-leaderboard",
        "description": "Audits of machine-unlearning methods against models retrained without the forgotten samples.",
        **({"datePublished": max(dates)} if dates else {}),
        "distribution": [{"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name,
                          "encodingFormat": "text/csv", "sha256": digest_bytes(text.encode())}
                         for name, text in files.items()],
        "recordSet": [_record_set(name, text) for name, text in files.items()],
    }


def _record_set(file: str, text: str) -> dict[str, Any]:
    name = file.removesuffix(".csv")
    header = next(csv.reader(io.StringIO(text)))
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": [
        {"@type": "cr:Field", "@id": f"{name}/{i}", "name": column, "dataType": _croissant_type(column),
         "source": {"fileObject": {"@id": file}, "extract": {"column": column}}}
        for i, column in enumerate(header)]}


def _croissant_type(column: str) -> str:
    if column in ("forget", "train"):
        return "sc:Integer"
    return "sc:Float" if "/" in column or column in ("seconds", "peak_memory_mb") else "sc:Text"


_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}


def _epoch(day: str) -> int:
    """Return the seconds from 1970 to the beginning of a day, 0 when it is unknown."""
    try:
        return calendar.timegm(time.strptime(day, "%Y-%m-%d"))
    except ValueError:
        return 0
