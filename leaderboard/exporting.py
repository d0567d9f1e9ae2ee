"""All exports of a board in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.digests import canonical_json
from harness.errors import HarnessError
from harness.rows import Row
from harness.settings import as_json
from leaderboard.exports import csv_text, flat_rows, forget_sets_text, row_schema
from leaderboard.interchange import croissant, every_eval_ever, hub_results


def export_files(rows: Sequence[Row], hub_dataset: str = "", site: str = "") -> dict[str, str]:
    """Return the contents of all text exports by file name.

    Args:
        rows: of a board.
        hub_dataset: id of the benchmark's data set on the Hugging Face hub; without it no results for the hub.
        site: address of the published board, to which these point.
    """
    found = {
        "rows.jsonl": "".join(canonical_json(as_json(row)).decode() + "\n" for row in rows),
        "rows.csv": csv_text(rows), "forget_sets.csv": forget_sets_text(rows),
        "row.schema.json": _json(row_schema()), "croissant.json": _json(croissant(rows)),
    }
    for row in rows:
        if row.scores:
            found[f"every_eval_ever/{row.id[:16]}.json"] = _json(every_eval_ever(row))
            if hub_dataset:
                found[f"eval_results/{row.id[:16]}.yaml"] = _json(hub_results(row, hub_dataset, site))
    return found


def write_exports(rows: Sequence[Row], out: Path, hub_dataset: str = "", site: str = "") -> list[Path]:
    """Write all exports below ``out`` and return their paths; Parquet only where pyarrow is installed.

    Raises:
        HarnessError: if a file cannot be written.
    """
    written = []
    try:
        for name, content in export_files(rows, hub_dataset, site).items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            written.append(path)
        written += _write_parquet(rows, out / "rows.parquet")
    except OSError as error:
        raise HarnessError(f"{out}: cannot be written: {error.strerror}") from error
    return written


def _write_parquet(rows: Sequence[Row], path: Path) -> list[Path]:
    try:
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return []
    header, lines = flat_rows(rows)
    columns = {name: [line[i] for line in lines] for i, name in enumerate(header)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return [path]


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
