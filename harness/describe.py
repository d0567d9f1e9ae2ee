"""What names a configured plugin in keys and rows."""

from __future__ import annotations

from typing import Any

from harness.audits import Auditor
from harness.provenance import class_digest
from harness.settings import as_json
from harness.tasks import Unlearner


def describe(plugin: Unlearner | Auditor) -> dict[str, Any]:
    """Return what names a configured plugin in a key: name, version, source digest, settings as resolved.

    An auditor that calls another one has it as its attribute ``wrapped``, which is named too: a change of its source
    changes what the outer one finds.
    """
    wrapped: Auditor | None = getattr(plugin, "wrapped", None)
    return {"name": plugin.name, "version": plugin.version, "source": class_digest(type(plugin)),
            "settings": as_json(plugin), **({"wrapped": describe(wrapped)} if wrapped is not None else {})}
