"""Suites as data: what is trained, forgotten and audited, and with what settings.

A suite is a TOML file; `load_suite` reads it strictly (unknown keys, wrong types and fractions of integers are
errors that name the key) and `Suite.digest` names its content.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen, validators

from harness.digests import digest_json
from harness.errors import BadSetting
from harness.models import FitOptions
from harness.seal import Seal
from harness.settings import LATER, Settings, as_json, structure
from harness.tasks import ACCESS, Access, Scope


@frozen(kw_only=True)
class PoisonSpec:
    """Training examples that are poisoned before anything is trained; see `harness.poison`.

    Attributes:
        kind: ``gaussian`` adds noise to inputs, ``swap`` exchanges the labels of pairs of classes, ``trigger`` marks
            images with a square and labels them as another class.
        size: examples in each group, or share of the training set when below 1.
        groups: of ``gaussian`` and ``trigger``: how many groups, one for each forget set.
        deviation: of ``gaussian``: standard deviation of the noise, in units of the inputs.
        pairs: of ``swap``: the pairs of classes, one for each forget set.
        seed: which examples, and the noise.
    """

    kind: str = field(validator=validators.in_(("gaussian", "swap", "trigger")))
    size: float = field(default=0.025, validator=validators.gt(0))
    groups: int = field(default=1, validator=validators.ge(1))
    deviation: float = field(default=0.5657, validator=validators.gt(0))
    pairs: tuple[tuple[int, int], ...] = ()
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        classes = [label for pair in self.pairs for label in pair]
        if self.kind == "swap" and (not classes or len(set(classes)) < len(classes)):
            raise ValueError(f"poison: 'swap' needs pairs of classes, no class twice, e.g. pairs = [[3, 5]]; got "
                             f"{[list(pair) for pair in self.pairs]}")


@frozen(kw_only=True)
class DataSpec:
    """Which data set, and how much of it.

    Attributes:
        name: as registered.
        train, test: take a random subset of this many examples, stratified by class; everything when None.
        held_out: share of the training set that takes the test set's place, which is then not used at all.
        seed: of the subset and of what is held out.
    """

    name: str
    train: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    test: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    held_out: float = field(default=0.0, validator=[validators.ge(0), validators.lt(1)])
    seed: int = 0
    poison: PoisonSpec | None = None


@frozen(kw_only=True)
class ModelSpec:
    """Which architecture with which settings, e.g. ``{hidden = [128]}``."""

    name: str
    settings: Settings = field(factory=dict)


@frozen(kw_only=True)
class RequestSpec:
    """How forget sets are made; ``count`` of them, each with a seed of its own.

    Attributes:
        generator: ``random``, ``class``, ``lowest-loss``, ``highest-loss``, ``most-memorised`` by the suite's
            references, or ``poisoned``: the groups of `DataSpec.poison`, one after the other.
        count: number of forget sets.
        size: samples to forget, or share of the training set when below 1; not for ``class`` and ``poisoned``.
        classes: for ``class``, one forget set per entry.
        sequence: how many forget sets in a row are put to one model, each to what the method made at the one before;
            with 1 every forget set is put to the original. ``count`` is a multiple of it, and the forget sets of one
            sequence have no example in common.
    """

    generator: str = field(default="random", validator=validators.in_(
        ("random", "class", "lowest-loss", "highest-loss", "most-memorised", "poisoned")))
    count: int = field(default=3, validator=validators.ge(1))
    size: float = field(default=0.1, validator=validators.gt(0))
    classes: tuple[int, ...] = ()
    sequence: int = field(default=1, validator=validators.ge(1), metadata=LATER)

    def __attrs_post_init__(self) -> None:
        if self.count % self.sequence:
            raise ValueError(f"requests: count {self.count} must be a multiple of the sequence, {self.sequence}")

    @property
    def scope(self) -> Scope:
        """``class`` for whole classes, otherwise ``sample``; of a sequence, that of its steps."""
        return "class" if self.generator == "class" else "sample"

    def step(self, index: int) -> int:
        """Return the place of forget set ``index`` in its sequence, counted from 0."""
        return index % self.sequence


@frozen(kw_only=True)
class ReferenceSpec:
    """The half-split reference models.

    Attributes:
        count: how many; a multiple of ``block``.
        block: models trained as one stage; every example is in half of each block.
        epochs: of their training; the recipe's when None.
    """

    count: int = field(default=64, validator=validators.ge(0))
    block: int = field(default=32, validator=validators.ge(2))
    epochs: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.block % 2 or self.count % self.block:
            raise ValueError(f"references: count {self.count} must be a multiple of an even block, got {self.block}")


@frozen(kw_only=True)
class Tuning:
    """How hyper-parameters were found.

    Attributes:
        track: ``default`` (the method's own), ``suite`` (kept with the suite), ``manual`` (given on the command line),
            ``deployable`` (a search that saw no oracle and no test set) or ``oracle-tuned`` (one that saw both).
        saw: what the search could see, in words.
        trials: number of configurations tried, or None when not known.
        space: what was searched, by parameter, as `harness.tuning.space` reads it.
        seed: root seed of the search's originals and forget sets, or None when not known.
    """

    track: Literal["default", "suite", "manual", "deployable", "oracle-tuned"] = "default"
    saw: str = ""
    trials: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    space: Settings = field(factory=dict)
    seed: int | None = None


@frozen(kw_only=True)
class ShadowSpec:
    """The shadow models, for audits that hold a method against models that it has unlearned.

    Attributes:
        count: how many on each side; a multiple of ``block``.
        block: models made as one stage.
    """

    count: int = field(default=0, validator=validators.ge(0))
    block: int = field(default=16, validator=validators.ge(1))

    def __attrs_post_init__(self) -> None:
        if self.count % self.block:
            raise ValueError(f"shadows: count {self.count} must be a multiple of the block, {self.block}")


@frozen(kw_only=True)
class MethodSpec:
    """One unlearner with its settings.

    Attributes:
        name: as registered.
        label: what tables show; the name when empty. Two entries of one suite need different labels.
        settings: hyper-parameters that differ from the method's defaults.
        forget_only: further settings in access mode ``forget-only``.
        access: the modes in which it is run; all of the suite's when empty.
        tuning: how the settings were found, where that is known.
    """

    name: str
    label: str = ""
    settings: Settings = field(factory=dict)
    forget_only: Settings = field(factory=dict)
    access: tuple[Access, ...] = ()
    tuning: Tuning | None = None

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name

    def settings_for(self, access: Access) -> dict[str, Any]:
        """Return the settings in one access mode."""
        return {**self.settings, **(self.forget_only if access == "forget-only" else {})}


@frozen(kw_only=True)
class AuditorSpec:
    """One auditor with its settings."""

    name: str
    label: str = ""
    settings: Settings = field(factory=dict)

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name


def _none_or_some(_: Any, attribute: Any, value: int) -> None:
    if value == 1 or value < 0:
        raise ValueError(f"{attribute.name}: expected 0 or at least 2, since each is compared with the others; "
                         f"got {value}")


@frozen(kw_only=True)
class Suite:
    """A standard experiment: immutable, named ``NAME-vN``, identified by its digest.

    Attributes:
        name: e.g. ``digits-v1``.
        description: one line.
        source: where the protocol comes from.
        comparable: beside which published figures its rows may be read, and what differs from how those were made.
        data, model, recipe: what is trained, with which options.
        requests: what is forgotten.
        access: the access modes.
        originals, oracles, runs: number of originals, of oracles per request, of unlearning runs per cell. Without
            oracles no score can be compared, as in a search of hyper-parameters that may not see any.
        references: the half-split reference models.
        shadows: the shadows of each method, for audits that need them.
        unlearners, auditors: what is run; the order is that of the table.
        columns: names of the scores that the table shows; all when empty.
        unlearn_seconds: wall-time limit of one unlearning run.
        seed: root of all seeds.
        seal: the commitment to hidden forget sets, and once they are revealed their seeds; see `harness.seal`.
    """

    name: str = field(validator=validators.matches_re(r"[a-z0-9.+-]+-v\d+(-lite)?"))
    description: str
    source: str = ""
    comparable: str = field(default="", metadata=LATER)
    data: DataSpec
    model: ModelSpec
    recipe: FitOptions
    requests: RequestSpec = RequestSpec()
    access: tuple[Access, ...] = ACCESS
    originals: int = field(default=3, validator=validators.ge(1))
    oracles: int = field(default=3, validator=_none_or_some)
    runs: int = field(default=3, validator=validators.ge(1))
    references: ReferenceSpec = ReferenceSpec()
    shadows: ShadowSpec = ShadowSpec()
    unlearners: tuple[MethodSpec, ...] = ()
    auditors: tuple[AuditorSpec, ...] = ()
    columns: tuple[str, ...] = ()
    unlearn_seconds: float = field(default=3600.0, validator=validators.gt(0))
    seed: int = 0
    seal: Seal | None = field(default=None, metadata=LATER)

    def __attrs_post_init__(self) -> None:
        if self.seal is not None:
            self.seal.check(self.requests.generator, self.requests.count)
        for kind, specs in (("unlearner", self.unlearners), ("auditor", self.auditors)):
            titles = [spec.title for spec in specs]
            for title in titles:
                if titles.count(title) > 1:
                    raise ValueError(f"suite '{self.name}': two {kind}s are called '{title}'; give one a label")

    @property
    def digest(self) -> str:
        """SHA-256 over everything in the suite but its prose; revealing what it seals does not change it."""
        return digest_json(self._without("description", "comparable"))

    @property
    def protocol(self) -> str:
        """SHA-256 over everything that must match before two numbers may stand in one table.

        Methods are left out (they are what is compared), auditors and their settings are not.
        """
        return digest_json(self._without("name", "description", "source", "comparable", "unlearners", "columns"))

    def _without(self, *names: str) -> dict[str, Any]:
        """Return all but what is named, and of a seal only what was there before it was opened."""
        content = {key: value for key, value in as_json(self).items() if key not in names}
        return {**content, "seal": {"digest": self.seal.digest}} if self.seal else content


def load_suite(path: Path) -> Suite:
    """Return the suite in a TOML file.

    Raises:
        BadSetting: if the file is not TOML or does not fit, naming the file and every wrong key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: not a TOML file: {error}") from error
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read: {error.strerror}") from error
    return structure(content, Suite, path.name)
