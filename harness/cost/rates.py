"""What one unit of each kind of work costs on this machine: measured once, kept in the store, refined by every run.

Stages that do the same to more data share a rate: the training of one recipe on one network, one method, one audit.
Units are chosen so that seconds grow in proportion to them.
"""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from harness.digests import digest_json
from harness.errors import BadSetting
from harness.fleets import DATA_COPIES, FLEET_SHARE
from harness.memory import available_memory
from harness.plan import Plan, Stage
from harness.settings import as_json, structure

SCHEMA = 1
ALONE, FLEETS = ("train", "retrain"), ("reference", "shadow", "shadow-retrain")
UNLEARN = ("unlearn", "shadow-unlearn")
# Logits of an example against one step of training on it: a forward pass, without a backward pass and an update.
LOGITS_SHARE = 0.3
# Of a recipe, what decides how long a run through the data takes; the rest decides how many, or nothing.
_COSTLY = ("batch_size", "optimizer", "augmentation", "clip_gradient", "lipschitz", "l1")
WRITE = "write"
Source = Literal["calibration", "run"]


@frozen(kw_only=True)
class Rate:
    """What was measured of one kind of work.

    Attributes:
        what: in words.
        fixed: seconds of each stage, however small.
        per_unit: seconds of each unit beside.
        memory_mb: peak of the process, less the arrays of the data and the logits.
        source: a short calibration, or runs.
    """

    what: str
    fixed: float = 0.0
    per_unit: float = 0.0
    memory_mb: float = 0.0
    source: Source = "calibration"

    def seconds(self, units: float) -> float:
        """Return the seconds of one stage."""
        return self.fixed + self.per_unit * units


@frozen(kw_only=True)
class Load:
    """How much work a stage is, and what it holds in memory.

    Attributes:
        name: of the rate that it is charged at.
        what: that, in words.
        units: of work.
        held_mb: arrays that grow with the data and with the number of models.
    """

    name: str
    what: str
    units: float
    held_mb: float


class Loads:
    """The loads of the stages of one plan."""

    def __init__(self, plan: Plan) -> None:
        """Prepare for ``plan``."""
        data = plan.data
        self._pool = int(data["train"]) + int(data["test"])
        self._classes = int(data["classes"])
        self._input_size = math.prod(plan.input_shape)
        self._models = {stage.key: int(stage.spec["models"]) for stage in plan.stages if "models" in stage.spec}

    def of(self, stage: Stage) -> Load:
        """Return the load of a stage."""
        spec = stage.spec
        models = int(spec.get("models", 1) or 1) if stage.kind != "audit" else self._models_read(stage)
        name, what = _name(stage)
        return Load(name=digest_json(name), what=what, units=self._units(stage, models),
                    held_mb=self._held_mb(1 if stage.kind == "unlearn" else models)
                    + (self._own_data_mb(models) if stage.kind == "shadow-unlearn" else 0.0))

    def _models_read(self, stage: Stage) -> int:
        return max(1, sum(self._models.get(key, 0) for key in stage.inputs))

    def _units(self, stage: Stage, models: int) -> float:
        if stage.kind in ALONE + FLEETS:
            return stage.work + LOGITS_SHARE * models * self._pool
        passes = 1
        if stage.kind in UNLEARN and "epochs" not in stage.spec["method"]["settings"]:
            # It may train by the recipe; if it does not, it is cheap beside one that does.
            passes = max(1, int(stage.spec["recipe"]["epochs"]))
        return float(models * self._pool * passes)

    def _held_mb(self, models: int) -> float:
        # The data as read, joined and as tensors; the logits as made, as stored and on their way to the file.
        return 3 * 4e-6 * self._pool * (self._input_size + models * self._classes)

    def _own_data_mb(self, models: int) -> float:
        # What each model is unlearned with, of as many models as `harness.fleets.models_at_once` lets be there.
        wanted, free = DATA_COPIES * 4e-6 * models * self._pool * self._input_size, available_memory()
        return wanted if free is None else min(wanted, 1e-6 * FLEET_SHARE * free)


def _name(stage: Stage) -> tuple[list[Any], str]:
    spec = stage.spec
    if stage.kind in ALONE + FLEETS:
        recipe = {name: spec["recipe"][name] for name in _COSTLY}
        way = "fleet" if stage.kind in FLEETS else "alone"
        name = f"training of {spec['model']['architecture']}, {'as a fleet' if way == 'fleet' else 'one alone'}"
        return ["train", way, spec["data"]["name"], spec["model"], recipe], name
    if stage.kind in UNLEARN:
        method = spec["method"]
        # Shadows may be unlearned many at once.
        where = " on shadows" if stage.kind == "shadow-unlearn" else ""
        return ([stage.kind, spec["data"]["name"], spec["model"], method, spec["access"]],
                f"method {method['name']}{where}")
    if stage.kind == "audit":
        return ["audit", spec["data"]["name"], spec["auditor"], spec["model"]], f"audit {spec['auditor']['name']}"
    return [stage.kind, spec["data"]["name"]], stage.kind


class Rates:
    """The rates of this machine, read from a store and written back."""

    def __init__(self, root: Path, machine: str | None = None) -> None:
        """Read what the store at ``root`` has of ``machine``, this one by default; a damaged file counts as none."""
        self.machine = machine or platform.node() or "unknown"
        self._path = root / "calibration" / f"{re.sub(r'[^A-Za-z0-9.-]', '_', self.machine)}.json"
        self._rates: dict[str, Rate] = {}
        # A cache: what cannot be read is measured again.
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, BadSetting):
            content = json.loads(self._path.read_text(encoding="utf-8"))
            if content["schema"] == SCHEMA:
                self._rates = {name: structure(rate, Rate, name) for name, rate in content["rates"].items()}

    def get(self, name: str) -> Rate | None:
        """Return a rate by the name of a `Load`, or None when it has not been measured."""
        return self._rates.get(name)

    def set(self, name: str, rate: Rate) -> None:
        """Take over a measurement."""
        self._rates[name] = rate

    def learn(self, measured: Iterable[Measured]) -> None:
        """Take over what the stages of a run have cost that were executed on this machine."""
        by_name: dict[str, list[Measured]] = {}
        for one in measured:
            by_name.setdefault(one.load.name, []).append(one)
        for name, some in by_name.items():
            known = self.get(name)
            mean = sum(one.seconds for one in some) / len(some)
            units = sum(one.load.units for one in some) / len(some)
            # Stages of one run are of one size: how much of their time is fixed, a calibration had better say.
            fixed = min(known.fixed if known else 0.0, mean)
            self.set(name, Rate(what=some[0].load.what, fixed=fixed, per_unit=(mean - fixed) / units,
                                memory_mb=max(one.memory_mb for one in some), source="run"))

    def save(self) -> None:
        """Write the rates to the store; a store that cannot be written keeps what it has."""
        content = {"schema": SCHEMA, "machine": self.machine,
                   "rates": {name: as_json(rate) for name, rate in sorted(self._rates.items())}}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            part.replace(self._path)


@frozen(kw_only=True)
class Measured:
    """What one stage has cost, and what it had to do for it.

    Attributes:
        load: what it had to do.
        seconds: that it took.
        peak_mb: of the process.
    """

    load: Load
    seconds: float
    peak_mb: float

    @property
    def memory_mb(self) -> float:
        """The peak, less what grows with the data and the number of models."""
        return round(max(0.0, self.peak_mb - self.load.held_mb), 1)


def fitted(measured: Sequence[Measured], most: float = math.inf) -> Rate:
    """Return the rate through the last two of ``measured``, which differ in units; through the origin when only one is.

    Neither part is negative: what noise makes of it is called fixed.

    Args:
        measured: of one kind of work, the smallest first.
        most: seconds that a unit can cost; what is measured beyond that of a few examples is fixed.
    """
    last = measured[-1]
    per_unit = min(most, last.seconds / last.load.units)
    if len(measured) > 1:
        before = measured[-2]
        slope = (last.seconds - before.seconds) / (last.load.units - before.load.units)
        per_unit = min(per_unit, max(0.0, slope))
    return Rate(what=last.load.what, fixed=last.seconds - per_unit * last.load.units, per_unit=per_unit,
                memory_mb=last.memory_mb)
