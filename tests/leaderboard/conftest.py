"""Runs that nobody computed: records with scores of known distance to the oracle, and the rows made from them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import pytest

from harness.audits import Score
from harness.context import Place, load_dataset
from harness.digests import digest_json
from harness.plan import make_plan
from harness.plugins import load_registry
from harness.record import CellRecord, MethodRecord, RequestRecord, RunRecord, SkippedRecord, write_record
from harness.rows import Row
from harness.run import run
from harness.settings import as_json, structure
from harness.suite import Suite
from harness.summary import make_rows
from tests.conftest import TINY

# Distance to the oracle: 0 is retrained, 1 has forgotten nothing.
METHODS = {"original": 1.0, "retrain": 0.0, "perturb": -1.0, "near": 0.15, "far": 0.7}


def fake_digest(*parts: object) -> str:
    """Return a digest that stands for an artefact which was never made."""
    return digest_json([str(part) for part in parts])


def make_record(methods: Mapping[str, float] = METHODS, *, suite: str = "toy-v1",
                access: tuple[str, ...] = ("retain+forget",), originals: int = 3, requests: int = 3, runs: int = 2,
                oracles: int = 3, seed: int = 0) -> RunRecord:
    """Return the record of a run in which each method has its distance to the oracle, plus a little noise."""
    rng = np.random.default_rng(seed)
    spec = structure({
        "name": suite, "description": "a toy", "data": {"name": "digits"}, "model": {"name": "mlp"},
        "recipe": {"epochs": 3}, "requests": {"size": 0.1, "count": requests}, "access": list(access),
        "originals": originals, "oracles": oracles, "runs": runs, "references": {"count": 4, "block": 2},
        "unlearners": [{"name": name} for name in methods],
        "auditors": [{"name": name} for name in ("accuracy", "rmia", "average-gap")], "seed": seed,
    }, Suite, "suite")
    cells = [_cell("oracle", None, None, r, k, 0.0, rng) for r in range(requests) for k in range(oracles)]
    cells += [_cell(name, mode, i, r, k, distance, rng) for name, distance in methods.items() for mode in access
              for i in range(originals) for r in range(requests) for k in range(runs)]
    return RunRecord(
        suite=as_json(spec), suite_digest=spec.digest, protocol=spec.protocol,
        data={"name": "digits", "version": "1", "digest": fake_digest("data"), "source": "invented", "train": 900,
              "test": 897, "classes": 10},
        requests=tuple(RequestRecord(name=f"random-{r}", digest=fake_digest("request", r), scope="sample", classes=(),
                                     forget=90, train=900) for r in range(requests)),
        methods=tuple(_method(name, mode, runs) for name in methods for mode in access),
        auditors={name: {"name": name, "version": "1", "source": fake_digest(name), "settings": {}}
                  for name in ("accuracy", "rmia", "average-gap")},
        cells=tuple(cells),
        skipped=(SkippedRecord(kind="unlearner", title="picky", access=None, reason="needs input_gradients"),),
        originals=tuple(fake_digest("original", i) for i in range(originals)), references=(fake_digest("block"),),
        stages={"planned": 9, "computed": 9, "stored": 0, "failed": 0},
        measured={"seconds": 12.5, "stage_seconds": {"train": 4.0, "unlearn": 2.5}},
        environment={"python": "3.11", "platform": "nowhere", "machine": "abacus", "device": "cpu",
                     "packages": {"numpy": "2"}, "revision": "", "dirty": False})


def _method(name: str, access: str, runs: int) -> MethodRecord:
    return MethodRecord(title=name, name=name, version="1", aliases=(), access=access,  # type: ignore[arg-type]
                        settings={"lr": 0.1, "steps": 5}, source=fake_digest("source", name),
                        owner={"distribution": "unlearning-harness", "version": "0.1.0"}, runs=runs)


def _cell(method: str, access: str | None, original: int | None, request: int, run: int, distance: float,
          rng: np.random.Generator) -> CellRecord:
    noise = rng.normal(0, 1, 4)
    forget = min(95.0 + 4.5 * max(distance, 0) + 0.4 * noise[0], 100.0)
    test = 97.0 + 12 * min(distance, 0) + 0.2 * noise[1]
    auc = 0.51 + 0.12 * distance + 0.004 * noise[2]
    gap = abs(2 * distance) + 0.1 * abs(noise[3])
    key = fake_digest(method, access, original, request, run)
    return CellRecord(
        method=method, access=access, original=original, request=request, run=run,  # type: ignore[arg-type]
        status="ok", model=fake_digest("model", key), key=key,
        scores={"accuracy": (Score(name="UA", value=forget, n=90, unit="%"),
                             Score(name="TA", value=test, n=897, unit="%")),
                "rmia": (Score(name="FT AUC", value=auc, n=90, unit="auc", chance=0.5),),
                "average-gap": (Score(name="Avg Gap", value=gap, n=3, unit="points", target="lower"),)},
        measured={"seconds": 1.0 if method in ("oracle", "retrain") else 0.2, "peak_memory_mb": 100.0})


def with_cells(record: RunRecord, method: str, **changes: object) -> RunRecord:
    """Return the record with every cell of one method changed."""
    return attrs.evolve(record, cells=tuple(attrs.evolve(cell, **changes) if cell.method == method else cell
                                            for cell in record.cells))


def named(rows: list[Row], title: str) -> Row:
    """Return the row of one method."""
    return next(row for row in rows if row.method.title == title)


@pytest.fixture(scope="session")
def record() -> RunRecord:
    """Return the record of a toy run."""
    return make_record()


@pytest.fixture(scope="session")
def rows(record: RunRecord) -> list[Row]:
    """Return the rows of the toy run."""
    return make_rows(record)


def execute(content, store, registry, plugins=()):
    """Run a suite and return the folder of the run."""
    suite = structure(content, Suite, "suite")
    place = Place(store=store, plugins=plugins)
    record = run(make_plan(suite, load_dataset(registry, suite.data, place), registry), place, registry, jobs=0)
    write_record(record, store / "runs" / suite.name / "record.json")
    return store / "runs" / suite.name


@pytest.fixture(scope="session")
def registry():
    """Return the built-in plugins."""
    return load_registry(installed=False)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, registry):
    """Return the folder of a real run of a tiny suite."""
    return execute(TINY, tmp_path_factory.mktemp("store"), registry)
