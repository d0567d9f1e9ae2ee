"""The command line's choice of methods, auditors and hyper-parameters, applied to a suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from harness.errors import BadSetting, UnknownName
from harness.plugins import Registry
from harness.settings import configure
from harness.suite import AuditorSpec, MethodSpec, ReferenceSpec, Suite, Tuning


def choose(suite: Suite, registry: Registry, *, methods: Sequence[str] = (), auditors: Sequence[str] = (),
           references: int | None = None, settings: Sequence[tuple[str, str, Any]] = ()) -> Suite:
    """Return ``suite`` with the command line's choice of methods, auditors and hyper-parameters.

    Args:
        suite: as registered.
        registry: unlearners and auditors of single-file plugins run beside the suite's own when none is chosen.
        methods, auditors: titles in the suite, or registered names (which run with their defaults).
        references: number of reference models instead of the suite's.
        settings: (method, parameter, value) to override.

    Raises:
        UnknownName: for a name that is neither in the suite nor registered.
        BadSetting: for a number of references that the suite's blocks do not give.
    """
    chosen = _chosen_methods(suite, registry, methods)
    for title, parameter, value in settings:
        if title not in [spec.title for spec in chosen]:
            raise UnknownName("method of this run", title, [spec.title for spec in chosen])
        chosen = tuple(
            attrs.evolve(spec, settings={**spec.settings, parameter: value},
                         forget_only={k: v for k, v in spec.forget_only.items() if k != parameter},
                         tuning=Tuning(track="manual", saw="settings given on the command line"))
            if spec.title == title else spec for spec in chosen)
    return attrs.evolve(suite, unlearners=chosen, auditors=_chosen_auditors(suite, registry, auditors),
                        references=_chosen_references(suite.references, references))


def _chosen_references(spec: ReferenceSpec, count: int | None) -> ReferenceSpec:
    try:
        return spec if count is None else attrs.evolve(spec, count=count)
    except ValueError as error:
        raise BadSetting(f"--references {count}: {error}") from error


def _chosen_methods(suite: Suite, registry: Registry, names: Sequence[str]) -> tuple[MethodSpec, ...]:
    own = {spec.title: spec for spec in suite.unlearners}
    if not names:
        files = [name for name in registry.unlearners if registry.unlearners.find(name).owner.file]
        return (*suite.unlearners, *(MethodSpec(name=name) for name in files if name not in own))
    for name in names:
        if name not in own and name not in registry.unlearners.entries and name not in registry.unlearners.aliases:
            raise UnknownName("unlearner", name, [*own, *registry.unlearners])
    return tuple(own[name] if name in own else MethodSpec(name=registry.unlearners[name].name, label=name)
                 for name in dict.fromkeys(names))


def _chosen_auditors(suite: Suite, registry: Registry, names: Sequence[str]) -> tuple[AuditorSpec, ...]:
    own = {spec.title: spec for spec in suite.auditors}
    if not names:
        files = [name for name in registry.auditors if registry.auditors.find(name).owner.file]
        return (*suite.auditors, *(AuditorSpec(name=name) for name in files if name not in own))
    for name in names:
        if name not in own and name not in registry.auditors.entries and name not in registry.auditors.aliases:
            raise UnknownName("auditor", name, [*own, *registry.auditors])
    wanted = {name: own[name] if name in own else AuditorSpec(name=registry.auditors[name].name, label=name)
              for name in names}
    for name in names:
        needed = configure(registry.auditors[wanted[name].name], wanted[name].settings, f"auditor '{name}'").needs
        for report in needed.reports:
            if report not in wanted and report in own:
                wanted = {report: own[report], **wanted}
    return tuple(wanted.values())
