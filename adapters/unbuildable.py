"""Adapters that open models and train none."""

from __future__ import annotations

from typing import NoReturn

from harness.errors import BadSetting


def refuse_to_build(adapter: str, what: str) -> NoReturn:
    """Raise BadSetting: ``adapter`` does ``what`` and has no models to train."""
    raise BadSetting(f"adapter '{adapter}' {what} and cannot train any; name a model of another adapter in the suite, "
                     f"and give `unlearn audit` {adapter}:LOCATION")
