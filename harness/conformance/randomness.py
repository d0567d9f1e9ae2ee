"""The global random generators, which plugins leave alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from harness.conformance.outcomes import require


@contextmanager
def untouched_generators(advice: str) -> Iterator[None]:
    """Fail if the block draws from or seeds a global generator, which is put back in any case.

    Args:
        advice: where the plugin's randomness should come from.
    """
    before = _states()
    try:
        yield
        after = _states()
    finally:
        _restore(before)
    used = [library for library in before if not _equal(before[library], after[library])]
    require(not used, f"the global random generator of {' and '.join(used)} was used; {advice}")


@contextmanager
def other_generators(seed: int) -> Iterator[None]:
    """Run the block with the global generators seeded, and put them back."""
    before = _states()
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        _restore(before)


def _states() -> dict[str, tuple[Any, ...]]:
    # NumPy's whole state, position included: its key array alone changes once in 624 draws.
    found: dict[str, tuple[Any, ...]] = {"Python": random.getstate(), "NumPy": tuple(np.random.get_state())}
    torch = sys.modules.get("torch")
    if torch:
        found["PyTorch"] = (torch.random.get_rng_state(),)
    return found


def _restore(states: dict[str, tuple[Any, ...]]) -> None:
    random.setstate(states["Python"])
    np.random.set_state(states["NumPy"])
    if "PyTorch" in states:
        sys.modules["torch"].random.set_rng_state(*states["PyTorch"])


def _equal(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))
