"""What this installation knows of suites and methods beyond their rows: descriptions, sources, defaults."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, frozen

from harness.errors import HarnessError
from harness.plan import ORACLE
from harness.plugins import DISTRIBUTION, Registry
from harness.rows import Row
from harness.settings import as_json, configure
from harness.suite import Suite


@frozen(kw_only=True)
class Catalog:
    """Descriptions by name; all empty when nothing is known.

    Attributes:
        suites: registered suites.
        methods: classes of unlearners.
    """

    suites: Mapping[str, Suite] = field(factory=dict)
    methods: Mapping[str, type[Any]] = field(factory=dict)

    def suite(self, row: Row) -> Suite | None:
        """Return the registered suite of a row, if its protocol is still that of the row."""
        suite = self.suites.get(row.suite.name)
        return suite if suite and suite.protocol == row.protocol else None

    def relatives(self, row: Row) -> list[str]:
        """Return the other registered suites with the protocol of a row."""
        return [name for name, suite in self.suites.items()
                if name != row.suite.name and suite.protocol == row.protocol]

    def summary(self, method: str) -> str:
        """Return the first line of a method's documentation."""
        kind = self.methods.get(method)
        return (inspect.getdoc(kind) or "").partition("\n")[0] if kind else ""

    def commands(self, row: Row) -> list[str]:
        """Return the commands that repeat a row: what to install, and one that runs it."""
        owner = row.method.owner
        lines = []
        if owner.get("distribution") not in (None, "", DISTRIBUTION) and not owner.get("file"):
            lines.append(shlex.join(["pip", "install", f"{owner['distribution']}=={owner['version']}"]))
        command = ["unlearn", "run", row.suite.name]
        if row.method.name != ORACLE:
            if owner.get("file"):
                command += ["--plugin", str(owner["file"])]
            command += ["--method", row.method.title]
            command += [word for setting in self._changed(row) for word in ("--set", setting)]
        return [*lines, shlex.join(command)]

    def _changed(self, row: Row) -> Iterator[str]:
        """Yield the settings that the suite and the method's defaults would not give."""
        known = self._usual(row)
        for name, value in row.method.settings.items():
            if value is not None and (name not in known or known[name] != value):
                yield f"{row.method.title}.{name}={json.dumps(value)}"

    def _usual(self, row: Row) -> dict[str, Any]:
        kind = self.methods.get(row.method.name)
        suite = self.suites.get(row.suite.name)
        if kind is None:
            return {}
        spec = next((s for s in suite.unlearners if s.title == row.method.title), None) if suite else None
        settings = spec.settings_for(row.method.access) if spec else {}
        try:
            return dict(as_json(configure(kind, settings, row.method.name)))
        except HarnessError:
            return {}


def make_catalog(registry: Registry) -> Catalog:
    """Return what the plugins of this installation say."""
    return Catalog(suites={name: registry.suites[name] for name in registry.suites},
                   methods={name: registry.unlearners[name] for name in registry.unlearners})
