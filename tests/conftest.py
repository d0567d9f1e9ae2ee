"""What several test folders share: a suite small enough to run inside a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.settings import structure
from harness.suite import Suite

TINY = {
    "name": "tiny-v1",
    "description": "a suite that runs in a second",
    "data": {"name": "digits", "train": 120, "test": 120},
    "model": {"name": "mlp", "settings": {"hidden": [16]}},
    "recipe": {"epochs": 3, "batch_size": 30, "lr": 0.1},
    "requests": {"generator": "random", "size": 0.1, "count": 2},
    "originals": 2,
    "oracles": 2,
    "runs": 1,
    "references": {"count": 4, "block": 2},
    "unlearners": [{"name": "original"}, {"name": "ft", "settings": {"epochs": 1, "lr": 0.01}},
                   {"name": "ga", "settings": {"epochs": 1, "lr": 0.001}}],
    "auditors": [{"name": "accuracy"}, {"name": "rmia"}, {"name": "average-gap"}],
}

SUITE_TOML = """
name = "tiny-v1"
description = "a suite that runs in a second"
originals = 2
oracles = 2
runs = 1
data = { name = "digits", train = 120, test = 120 }
model = { name = "mlp", settings = { hidden = [16] } }
recipe = { epochs = 3, batch_size = 30, lr = 0.1 }
requests = { generator = "random", size = 0.1, count = 2 }
references = { count = 4, block = 2 }
[[unlearners]]
name = "original"
[[unlearners]]
name = "ft"
settings = { epochs = 1, lr = 0.01 }
[[unlearners]]
name = "ga"
settings = { epochs = 1, lr = 0.001 }
[[auditors]]
name = "accuracy"
[[auditors]]
name = "rmia"
[[auditors]]
name = "average-gap"
"""


@pytest.fixture
def tiny() -> Suite:
    """Return a suite of two originals, two forget sets and three methods on 120 digits."""
    return structure(TINY, Suite, "tiny")


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    """Return the same suite as a TOML file."""
    path = tmp_path / "tiny-v1.toml"
    path.write_text(SUITE_TOML, encoding="utf-8")
    return path
