"""A suite on scikit-learn: originals, oracles, references, retraining, RMIA and LiRA without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from adapters.sklearn_model import SklearnModel
from harness.context import Context, Place, load_dataset
from harness.engine import run_inline
from harness.errors import StoreError
from harness.plan import Plan, make_plan
from harness.plugins import load_registry
from harness.settings import structure
from harness.stages import make_again
from harness.suite import Suite
from tests.conftest import TINY

FOREST = {**TINY, "model": {"name": "sklearn-random-forest", "settings": {"n_estimators": 5}}, "recipe": {"epochs": 1},
          "originals": 1, "requests": {"count": 1}, "access": ["retain+forget"],
          "unlearners": [{"name": "original"}, {"name": "retrain"}, {"name": "ft"}]}

PROGRAM = """
import json, sys
from pathlib import Path
from harness.cli import run_main
suite, store = sys.argv[1:]
code = run_main(["run", suite, "--store", store, "--jobs", "0", "--rows", store + "/rows.jsonl"])
frameworks = [name for name in ("torch", "torchvision", "onnxruntime", "jax", "sklearn") if name in sys.modules]
Path(store, "found.json").write_text(json.dumps([code, frameworks]))
"""

TOML = """
name = "forest-v1"
description = "a random forest on a hundred digits"
originals = 1
oracles = 2
runs = 1
access = ["retain+forget"]
data = { name = "digits", train = 120, test = 120 }
model = { name = "sklearn-random-forest", settings = { n_estimators = 20 } }
recipe = { epochs = 1 }
requests = { generator = "random", size = 0.2, count = 1 }
references = { count = 8, block = 4 }
unlearners = [{ name = "original" }, { name = "retrain" }, { name = "ft" }]
auditors = [{ name = "accuracy" }, { name = "rmia" }, { name = "lira" }, { name = "average-gap" }]
"""


@pytest.fixture
def run_forest(tmp_path: Path) -> tuple[Context, Plan]:
    """Return the context and the plan of a suite that has been run."""
    place, registry = Place(store=tmp_path / "store"), load_registry(installed=False)
    suite = structure(FOREST, Suite, "forest")
    plan = make_plan(suite, load_dataset(registry, suite.data, place), registry)
    assert {outcome.status for outcome in run_inline(plan.stages, place, registry)} == {"ok"}
    return Context(place, registry), plan


def test_a_suite_runs_without_importing_torch(tmp_path: Path) -> None:
    suite = tmp_path / "forest-v1.toml"
    suite.write_text(TOML, encoding="utf-8")

    subprocess.run([sys.executable, "-c", PROGRAM, str(suite), str(tmp_path / "store")], check=True,
                   capture_output=True, timeout=120)

    assert json.loads((tmp_path / "store" / "found.json").read_text()) == [0, ["sklearn"]]
    rows = [json.loads(line) for line in (tmp_path / "store" / "rows.jsonl").read_text().splitlines()]
    scores = {row["method"]["title"]: {score["name"]: score for score in row["scores"]} for row in rows}
    assert {row["method"]["title"]: row["status"] for row in rows} == {
        "oracle": "ok", "original": "ok", "retrain": "ok", "ft": "skipped"}
    # A forest knows its training set by heart; 24 forgotten samples give retraining a standard error of 0.06.
    assert scores["original"]["FT AUC"]["value"] > 0.75
    assert scores["retrain"]["FT AUC"]["value"] == pytest.approx(0.5, abs=0.2)
    assert scores["original"]["LiRA FT AUC"]["value"] > scores["retrain"]["LiRA FT AUC"]["value"] + 0.2


def test_a_model_without_weights_in_the_store_is_made_again(run_forest: tuple[Context, Plan]) -> None:
    context, plan = run_forest
    retrained = next(cell for cell in plan.cells if cell.method == "retrain")
    stages = {stage.key: stage for stage in plan.stages}
    data = context.dataset(stages[retrained.model].spec["data"])
    factory = context.factory(stages[retrained.model].spec["model"], data)

    for key in (*plan.originals, retrained.model):
        assert "weights.safetensors" not in context.store.manifest(key).files
        model = context.model(key, factory)
        assert isinstance(model, SklearnModel)
        np.testing.assert_array_equal(model.logits(data.test.inputs), context.signals(key).test)


def test_a_model_that_comes_out_differently_is_refused(run_forest: tuple[Context, Plan]) -> None:
    context, plan = run_forest
    manifest = context.store.manifest(plan.originals[0])
    changed: dict[str, Any] = {**manifest.spec, "seed": 12345}

    with pytest.raises(StoreError, match=r"train original 0: .* trained once more it gives other logits than before"):
        make_again(attrs.evolve(manifest, spec=changed), context)
