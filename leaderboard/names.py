"""One name per method: aliases, controls, and names that are safe in files and links."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.digests import digest_bytes
from harness.plan import ORACLE
from harness.rows import Row

# Renamed between papers: TRW (dissertation), TREW and RWFT (drafts); CMIA (ICML 2026) is MIA-NN.
RENAMED = {"trew": "trw", "rwft": "trw", "cmia": "mia-nn"}

# What every table needs for scale: do nothing, retrain with another seed, damage at random.
NOTHING = "original"
CONTROLS = frozenset({NOTHING, "retrain", "perturb"})


def kind_of(row: Row) -> str:
    """Return ``oracle``, ``control`` or ``method``."""
    if row.method.name == ORACLE:
        return "oracle"
    return "control" if row.method.name in CONTROLS else "method"


def method_names(rows: Iterable[Row]) -> dict[str, str]:
    """Return the name under which each name or alias in ``rows`` is listed.

    An alias that rows declare counts as the name that they declare it for.
    """
    names: dict[str, str] = {}
    for row in rows:
        main = RENAMED.get(row.method.name.lower(), row.method.name)
        for alias in (row.method.name, *row.method.aliases):
            names.setdefault(alias, main)
    return {alias: names.get(main, main) for alias, main in names.items()}


def slug(text: str) -> str:
    """Return a name for a file or a link: different for different texts, and never a path."""
    plain = re.sub(r"[^a-z0-9.+_-]+", "-", text.lower()).strip("-.")[:60]
    return plain if plain == text else f"{plain or 'x'}-{digest_bytes(text.encode())[:8]}"
