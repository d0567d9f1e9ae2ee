"""The trials of a search as a table, and the best settings as TOML for a suite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tabulate import tabulate

from harness.settings import Settings, as_json
from harness.tasks import Access
from harness.tuning.search import Trial, Tried


def trials_table(tried: Tried) -> str:
    """Return the trials of one method in one access mode, best first."""
    names = list(dict.fromkeys(name for trial in tried.trials for name in trial.parts))
    lines = [[*map(_shown, trial.point.values()), *(_number(trial, name) for name in names), trial.error]
             for trial in sorted(tried.trials, key=lambda trial: trial.value)]
    heads = [*tried.trials[0].point, *names, "error"]
    if not any(trial.error for trial in tried.trials):
        heads, lines = heads[:-1], [line[:-1] for line in lines]
    title = f"{tried.spec.title} ({tried.access}), {len(tried.trials)} trials"
    return f"{title}\n{tabulate(lines, headers=heads, disable_numparse=True, stralign='right')}"


def remarks(tried: Tried) -> list[str]:
    """Return what a reader must know of one search: that all trials failed, or that the best is at an end."""
    where = f"{tried.spec.title} ({tried.access})"
    if tried.best is None:
        return [f"{where}: every trial failed"]
    if tried.edge:
        return [f"{where}: the best {', '.join(tried.edge)} is the lowest or highest tried; a wider --space may hold "
                "a better one"]
    return []


def settings_toml(results: Sequence[Tried]) -> str:
    """Return the best settings as entries of a suite, one a method; a method whose every trial failed is left out."""
    titles = dict.fromkeys(tried.spec.title for tried in results)
    entries = [[tried for tried in results if tried.spec.title == title and tried.best] for title in titles]
    return "\n".join(_entry(entry) for entry in entries if entry)


def _entry(results: Sequence[Tried]) -> str:
    spec, best = results[0].spec, {tried.access: _settings(tried) for tried in results}
    first: Access = "retain+forget" if "retain+forget" in best else "forget-only"
    lines = ["[[unlearners]]", f"name = {toml(spec.name)}"]
    lines += [f"label = {toml(spec.label)}"] if spec.label and spec.label != spec.name else []
    lines.append(f"settings = {toml(best[first])}")
    others = {name: value for name, value in best.get("forget-only", {}).items() if value != best[first].get(name)}
    lines += [f"forget_only = {toml(others)}"] if others else []
    lines += [f"access = {toml(list(spec.access))}"] if spec.access else []
    lines.append(f"tuning = {toml({k: v for k, v in as_json(results[0].tuning).items() if v is not None})}")
    return "\n".join(lines) + "\n"


def _settings(tried: Tried) -> Settings:
    """Return the best settings of a method with those that were not searched."""
    point = tried.best.point if tried.best else {}
    fixed = {**tried.spec.settings, **(tried.spec.forget_only if tried.access == "forget-only" else {})}
    return {**fixed, **point}


def toml(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, dict):
        content = ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items())
        return f"{{ {content} }}" if content else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _number(trial: Trial, name: str) -> str:
    return f"{trial.parts[name]:.3f}" if name in trial.parts else "-"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_lines(results: Iterable[Tried]) -> list[dict[str, Any]]:
    """Return every trial as plain JSON."""
    return [{"method": tried.spec.title, "access": tried.access, "settings": dict(trial.point), **trial.parts,
             "error": trial.error} for tried in results for trial in tried.trials]
