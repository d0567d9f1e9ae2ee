"""The hooks of unlearning-harness.

A plugin is a module (or object) whose functions carry ``@harness.hookimpl``. Registration hooks return lists;
observers return nothing and change nothing. In one run they are called in this order::

    harness_unlearners, _auditors, _adapters, _datasets, _models, _training_aids, _suites, _commands
                                   once each, at start-up
    harness_run_started            once, after the plan is known
    harness_stage_finished         after every stage, in the order in which stages finish
    harness_run_finished           once, with the record
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from harness.audits import Auditor
    from harness.data import DatasetSource
    from harness.models import Adapter, Architecture
    from harness.plan import Plan
    from harness.record import RunRecord
    from harness.store import Store
    from harness.suite import Suite
    from harness.tasks import Unlearner
    from harness.training import TrainingAid

PROJECT = "unlearning_harness"
HARNESS_API = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def harness_unlearners() -> Sequence[type[Unlearner]]:  # type: ignore[empty-body]
    """Return unlearner classes. Called once when plugins are loaded; import nothing heavy at module level."""


@hookspec
def harness_auditors() -> Sequence[type[Auditor]]:  # type: ignore[empty-body]
    """Return auditor classes. Called once when plugins are loaded."""


@hookspec
def harness_adapters() -> Sequence[type[Adapter]]:  # type: ignore[empty-body]
    """Return adapter classes. Called once when plugins are loaded; the framework is imported when one is used."""


@hookspec
def harness_datasets() -> Sequence[DatasetSource]:  # type: ignore[empty-body]
    """Return data set sources. Called once when plugins are loaded."""


@hookspec
def harness_models() -> Sequence[Architecture]:  # type: ignore[empty-body]
    """Return architectures. Called once when plugins are loaded."""


@hookspec
def harness_training_aids() -> Sequence[type[TrainingAid]]:  # type: ignore[empty-body]
    """Return training aid classes. Called once when plugins are loaded; the framework is imported by ``attach``."""


@hookspec
def harness_suites() -> Sequence[Suite]:  # type: ignore[empty-body]
    """Return suites. Called once when plugins are loaded."""


@hookspec
def harness_commands() -> Sequence[click.Command]:  # type: ignore[empty-body]
    """Return commands to add to ``unlearn``. Called once at start-up."""


@hookspec
def harness_run_started(plan: Plan, store: Store) -> None:
    """Observe that a run begins: ``plan`` says what will be computed and what ``store`` holds already."""


@hookspec
def harness_stage_finished(stage: str, key: str, seconds: float, cached: bool) -> None:
    """Observe that a stage has finished. ``stage`` is its label; ``cached`` says that it was in the store."""


@hookspec
def harness_run_finished(record: RunRecord) -> None:
    """Observe that a run has ended."""
