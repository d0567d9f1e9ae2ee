"""Values that the authors' own code gave: see vectors/README.md."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# A busy machine makes single examples slow; what these tests must decide does not depend on it.
settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")

VECTORS = json.loads((Path(__file__).parent / "vectors" / "published.json").read_text())


class Published:
    """Inputs and values of one published function; ``vector["name"]`` is an array, or a number."""

    def __init__(self, group: str) -> None:
        self._arrays = {**VECTORS[group]["inputs"], **VECTORS[group]["values"]}

    def __getitem__(self, name: str) -> Any:
        value = self._arrays[name]
        return np.array(value) if isinstance(value, list) else value


@pytest.fixture(scope="session")
def published() -> type[Published]:
    return Published
