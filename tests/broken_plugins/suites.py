"""A sound suite, and variants with one mistake each; as a plugin, a data set that changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
from attrs import frozen

from harness import Dataset, DatasetSource, Examples, hookimpl
from harness.models import FitOptions
from harness.suite import AuditorSpec, DataSpec, MethodSpec, ModelSpec, ReferenceSpec, RequestSpec, Suite

COUNTER = itertools.count()


@frozen
class Unsorted:
    """A data set in whatever order a folder lists it."""

    name: str = "unsorted"
    description: str = "another order whenever it is read"

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        order = np.roll(np.arange(30), next(COUNTER))
        part = Examples(inputs=order[:, None] / 30, labels=order % 3)
        return Dataset(name=self.name, version="1", num_classes=3, train=part, test=part, source="made up")


@hookimpl
def harness_datasets() -> Sequence[DatasetSource]:
    return [Unsorted()]


SOUND = Suite(
    name="sound-v1", description="small", data=DataSpec(name="digits", train=120, test=120),
    model=ModelSpec(name="linear"), recipe=FitOptions(epochs=2), requests=RequestSpec(count=2),
    references=ReferenceSpec(count=4, block=2), oracles=2,
    unlearners=(MethodSpec(name="original"), MethodSpec(name="ft")),
    auditors=(AuditorSpec(name="accuracy"), AuditorSpec(name="rmia")))

BROKEN = [
    (attrs.evolve(SOUND, unlearners=(MethodSpec(name="original"), MethodSpec(name="ftt"))),
     "check_names_and_settings_fit", "did you mean 'ft'"),
    (attrs.evolve(SOUND, seed=True), "check_suite_survives_json", "expected int, got True"),
    (attrs.evolve(SOUND, unlearners=(MethodSpec(name="ft"),)), "check_original_is_among_the_methods", "original"),
    (attrs.evolve(SOUND, data=DataSpec(name="unsorted")), "check_data_set_is_always_the_same", "read again"),
    (attrs.evolve(SOUND, requests=RequestSpec(size=500.0)), "check_forget_sets_are_parts_of_the_training_set",
     "takes 500 of 120"),
    (attrs.evolve(SOUND, requests=RequestSpec(generator="class", count=2, classes=(1, 1))),
     "check_forget_sets_differ", "are the same samples"),
    (attrs.evolve(SOUND, references=ReferenceSpec(count=0)), "check_every_part_runs", "auditor rmia needs"),
]
