"""The hooks, which is where the entry point leads; what they return imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Adapter, Architecture, hookimpl
from harness.audits import Auditor
from harness.tasks import Unlearner
from unlearning_example.adapter import FOURIER, FourierAdapter
from unlearning_example.auditor import MarginAuc
from unlearning_example.unlearner import AscendRepair


@hookimpl
def harness_unlearners() -> Sequence[type[Unlearner]]:
    """Return the unlearner."""
    return [AscendRepair]


@hookimpl
def harness_auditors() -> Sequence[type[Auditor]]:
    """Return the auditor."""
    return [MarginAuc]


@hookimpl
def harness_adapters() -> Sequence[type[Adapter]]:
    """Return the adapter."""
    return [FourierAdapter]


@hookimpl
def harness_models() -> Sequence[Architecture]:
    """Return what the adapter can build."""
    return [FOURIER]
