"""What a suite is, in words: its protocol, its cost, and what its rows may be compared with; no data is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from harness.audits import Auditor
from harness.errors import HarnessError
from harness.forget_sets import needs_memorisation
from harness.models import FitOptions
from harness.plugins import Registry
from harness.settings import Settings, as_json, configure
from harness.suite import Suite

Fact = tuple[str, str]


def suite_facts(suite: Suite, registry: Registry) -> list[Fact]:
    """Return (heading, text) of everything about a suite.

    Args:
        suite: any, of an installation or not.
        registry: where its parts are looked up; a part that is not there is named all the same.
    """
    return [("source", suite.source or "not said"), *comparison_facts(suite, registry), *_protocol(suite, registry),
            *_cost(suite, registry), ("digest", suite.digest)]


def comparison_facts(suite: Suite, registry: Registry) -> list[Fact]:
    """Return what rows of a suite may be compared with: other rows, and published figures."""
    same = [name for name in registry.suites if name != suite.name and registry.suites[name].protocol == suite.protocol]
    also = f", which {', '.join(same)} {'has' if len(same) == 1 else 'have'} too" if same else ""
    return [("rows", f"comparable where the protocol is {suite.protocol[:12]}{also}; `unlearn compare` refuses others"),
            ("papers", suite.comparable or "no published figure was made by this protocol")]


def examples_of(suite: Suite, registry: Registry) -> tuple[int | None, int | None]:
    """Return the number of training and of test examples, None where only the files can tell."""
    data = suite.data
    try:
        known = getattr(registry.dataset(data.name), "sizes", None) or (None, None)
    except HarnessError:
        known = (None, None)
    train, test = data.train or known[0], data.test or known[1]
    if data.held_out and train:
        test = round(data.held_out * train)
        train -= test
    return train, test


def _protocol(suite: Suite, registry: Registry) -> Iterator[Fact]:
    train, test = examples_of(suite, registry)
    sizes = f"{train:,} to train, {test:,} to test" if train and test else "as many examples as there are"
    yield "data", f"{suite.data.name}: {sizes}{_poison(suite)}"
    yield "model", f"{suite.model.name}{_settings(suite.model.settings)}"
    yield "training", _training(suite.recipe)
    yield "forget sets", _forget_sets(suite, train)
    yield "access", ", ".join(suite.access)
    yield "models", _models(suite)
    yield "methods", ", ".join(f"{spec.title}{_settings(spec.settings)}" for spec in suite.unlearners)
    yield "audits", ", ".join(f"{spec.title}{_settings(spec.settings)}" for spec in suite.auditors)
    yield "table", ", ".join(suite.columns) or "every score"


def _poison(suite: Suite) -> str:
    poison = suite.data.poison
    return f"; some poisoned ({poison.kind})" if poison else ""


def _settings(settings: Settings) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in settings.items())})" if settings else ""


def _training(recipe: FitOptions) -> str:
    known = attrs.fields_dict(FitOptions)
    words = (f"{name.replace('_', ' ')} {'+'.join(map(str, value)) if isinstance(value, list) else value}"
             for name, value in as_json(recipe).items()
             if name in ("optimizer", "lr", "batch_size") or (value and value != known[name].default))
    return ", ".join((f"{recipe.epochs} epochs", *(one for one in words if not one.startswith("epochs"))))


def _forget_sets(suite: Suite, train: int | None) -> str:
    spec = suite.requests
    if spec.generator == "class":
        chosen = spec.classes or range(spec.count)
        return f"{spec.count}, every example of class {', '.join(map(str, chosen))}"
    if spec.generator == "poisoned":
        return f"{spec.count}, the groups of poisoned examples"
    size = _forgotten(suite, train)
    share = f"{size:,} of {train:,}" if size and train else f"{spec.size:g} of the training set"
    seal = suite.seal
    hidden = "" if seal is None else ", revealed" if seal.seeds else f", sealed until revealed ({seal.digest[:12]})"
    return f"{spec.count} of {share}, {spec.generator}{hidden}"


def _forgotten(suite: Suite, train: int | None) -> int | None:
    size = suite.requests.size
    if suite.requests.scope == "class" or suite.requests.generator == "poisoned":
        return None
    return int(size) if size >= 1 else round(size * train) if train else None


def _models(suite: Suite) -> str:
    parts = [f"{suite.originals} originals", f"{suite.oracles} oracles a forget set",
             f"{suite.runs} unlearning runs of each with each forget set"]
    if suite.references.count:
        epochs = f" of {suite.references.epochs} epochs" if suite.references.epochs else ""
        parts.append(f"{suite.references.count} references{epochs}")
    if suite.shadows.count:
        parts.append(f"{suite.shadows.count} shadows a side")
    return ", ".join(parts)


def _cost(suite: Suite, registry: Registry) -> Iterator[Fact]:
    train, test = examples_of(suite, registry)
    auditors = _auditors(suite, registry)
    fleets = list(_fleets(suite, auditors, train, test))
    models = sum(count for _, count, _ in fleets)
    text = f"{models:,} models trained ({', '.join(f'{count:,} {what}' for what, count, _ in fleets)})"
    if train and test:
        passes = sum(count * one for _, count, one in fleets)
        text += f", {passes / 1e6:,.0f} million examples trained on" if passes >= 1e7 else f", {passes:,.0f} examples"
    yield "cost", (f"{text}; {_unlearned(suite, registry, auditors)}; `unlearn plan {suite.name}` says how long "
                   "that takes here")


def _auditors(suite: Suite, registry: Registry) -> list[Auditor]:
    found = []
    for spec in suite.auditors:
        try:
            found.append(configure(registry.auditors[spec.name], spec.settings, spec.title))
        except HarnessError:
            continue
    return found


def _fleets(suite: Suite, auditors: Sequence[Auditor], train: int | None,
            test: int | None) -> Iterator[tuple[str, int, float]]:
    """Yield what is trained, how many models, and on how many examples each, counted once for every epoch."""
    epochs, count = suite.recipe.epochs, suite.requests.count
    everything = float((train or 0) * epochs)
    retained = float(((train or 0) - (_forgotten(suite, train) or 0)) * epochs)
    yield "originals", suite.originals, everything
    yield "oracles", suite.oracles * count, retained
    if any(auditor.needs.references for auditor in auditors) or needs_memorisation(suite.requests):
        half = ((train or 0) + (test or 0)) / 2
        yield "references", suite.references.count, half * (suite.references.epochs or epochs)
    if any(auditor.needs.shadows for auditor in auditors):
        yield "shadows", suite.shadows.count, everything
        # Two sides where an oracle is audited: what unlearned ones are compared with, and the null.
        yield "retrained shadows", 2 * suite.shadows.count * count, retained


def _unlearned(suite: Suite, registry: Registry, auditors: Sequence[Auditor]) -> str:
    runs = cells = 0
    for spec in suite.unlearners:
        entry = registry.unlearners.entries.get(spec.name)
        for access in spec.access or suite.access:
            if entry is None or (access in entry.value.access and suite.requests.scope in entry.value.scopes):
                cells += 1
                runs += 1 if entry and getattr(entry.value, "deterministic", False) else suite.runs
    models = runs * suite.originals * suite.requests.count
    shadows = cells * suite.requests.count * suite.shadows.count if any(a.needs.shadows for a in auditors) else 0
    return f"{models:,} models unlearned" + (f" and {shadows:,} shadows" if shadows else "")
