"""Errors that a user of the command line can fix; each is printed as one line and ends with exit code 2.

    HarnessError
    ├── UnknownName       a name that nothing is registered under
    ├── BadSetting        a suite, flag or hyper-parameter that does not fit
    ├── PluginError       a plugin that cannot be loaded or clashes with another
    ├── DataError         a data set that is missing or malformed
    ├── StoreError        a store that cannot be read or written
    └── RowError          a row that does not validate
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HarnessError(Exception):
    """A mistake that the user can mend; its message is one line."""


class BadSetting(HarnessError):
    """A suite, flag or hyper-parameter that does not fit."""


class PluginError(HarnessError):
    """A plugin that cannot be loaded, or that clashes with another."""


class DataError(HarnessError):
    """A data set that is missing or malformed."""


class StoreError(HarnessError):
    """A store that cannot be read or written."""


class RowError(HarnessError):
    """A row that does not validate."""


class UnknownName(HarnessError):
    """A name that nothing is registered under; the message suggests the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(set(known))
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        article = "an" if kind[0] in "aeiou" else "a"
        super().__init__(f"'{name}' is not {article} {kind}; {hint}known: {', '.join(names) or 'none'}")
