"""Training aids: what happens beside the training primitive, such as clipping norms or a robust loss.

A recipe names its aids with their settings (``aids = { trades = { beta = 6.0 } }``; ``lipschitz = 1.0`` is short for
``aids = { fastclip = { limit = 1.0 } }``). Plugins bring them through ``harness_training_aids``; an adapter attaches
them to its native network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import attrs
from attrs import frozen

from harness.models import FitOptions
from harness.plugins import Names
from harness.provenance import class_digest
from harness.settings import configure


def _nothing() -> None:
    pass


@frozen(kw_only=True, eq=False)
class Attached:
    """What an aid does during one training run of one network.

    Attributes:
        after_step: called after each optimizer step, before anything that protects entries from change.
        after_epoch: called after the last step of each epoch.
        loss: the mean loss of (network, inputs, targets, weights) in place of the loop's own; None to keep that.
    """

    after_step: Callable[[], None] = _nothing
    after_epoch: Callable[[], None] = _nothing
    loss: Callable[..., Any] | None = None


@runtime_checkable
class TrainingAid(Protocol):
    """What ``harness_training_aids`` returns is its class: frozen attrs, its fields are its settings.

    Class attributes:
        name, version: as of an unlearner.
        framework: of the networks that it can attach to, e.g. ``torch``.
        constrains: whether a network trained with it must keep it while it is fine-tuned.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    framework: ClassVar[str]
    constrains: ClassVar[bool]

    def attach(self, network: Any, inputs: Any, seed: int) -> Attached:
        """Return what to call while ``network`` is trained; ``inputs`` (B, ...) are a few of its training inputs."""
        ...


def wanted_aids(options: FitOptions) -> dict[str, Any]:
    """Return the aids that ``options`` name, with their settings, the short form written out."""
    short = {} if options.lipschitz is None else {"fastclip": {"limit": options.lipschitz}}
    return {**short, **options.aids}


def with_aids(options: FitOptions, known: Names[type[TrainingAid]]) -> FitOptions:
    """Return ``options`` with every aid configured, ready for an adapter.

    Raises:
        UnknownName, BadSetting: if there is no such aid, or its settings do not fit.
    """
    aids = {name: settings if not isinstance(settings, Mapping) else
            configure(known[name], settings, f"training aid '{name}'")
            for name, settings in wanted_aids(options).items()}
    return attrs.evolve(options, aids=aids)


def describe_aids(options: FitOptions, known: Names[type[TrainingAid]]) -> dict[str, Any]:
    """Return version and source digest of every aid, so that a changed aid trains anew."""
    return {name: {"version": known[name].version, "source": class_digest(known[name])}
            for name in sorted(wanted_aids(options))}


def constraints(options: FitOptions) -> dict[str, Any]:
    """Return the configured aids that fine-tuning must keep."""
    return {name: aid for name, aid in options.aids.items() if getattr(aid, "constrains", False)}
