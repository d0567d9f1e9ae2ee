"""The door through which what is about training comes in; importing it loads no framework."""

from __future__ import annotations

from collections.abc import Sequence

import click

from harness import hookimpl
from harness.training import TrainingAid
from reference_methods.training.aids import FastClipAid, TradesAid
from reference_methods.training.spectrum_command import spectrum


@hookimpl
def harness_training_aids() -> Sequence[type[TrainingAid]]:
    """Return the training aids."""
    return [FastClipAid, TradesAid]


@hookimpl
def harness_commands() -> Sequence[click.Command]:
    """Return the commands about trained networks."""
    return [spectrum]
