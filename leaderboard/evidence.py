"""Whether the artefacts of a submission are those that its record says, made with the seeds that the suite prescribes.

Every artefact names in its key what it was made from. So a forget set that was searched for, a seed that was picked or
an oracle of another request shows, although nothing is trained again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen

from harness.context import stored_request
from harness.data import Dataset
from harness.digests import derive_seed
from harness.errors import BadSetting, StoreError
from harness.forget_sets import (
    Ranked,
    losses_from_logits,
    make_request,
    memorisation,
    needs_losses,
    needs_memorisation,
    request_seed,
)
from harness.membership import balanced_halves
from harness.plan import ORACLE
from harness.record import CellRecord, MethodRecord, RunRecord
from harness.settings import as_json, structure
from harness.shadow_planner import ShadowSides
from harness.store import Manifest, Store
from harness.suite import RequestSpec, Suite


class Evidence:
    """The record of a submission with its artefacts."""

    def __init__(self, record: RunRecord, suite: Suite, store: Store) -> None:
        self.record, self.suite, self.store = record, suite, store

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The artefacts that are there and whole, by key."""
        found = {}
        for key in self.store:
            try:
                found[key] = self.store.manifest(key)
            except StoreError:
                continue
        return found

    @cached_property
    def data_spec(self) -> dict[str, Any]:
        """What every key says of the data set."""
        return {**as_json(self.suite.data), "digest": self.record.data.get("digest")}

    @cached_property
    def model_spec(self) -> Mapping[str, Any]:
        """What keys say of the models; empty when there are none."""
        return next((m.spec["model"] for m in self.manifests.values() if m.spec.get("model")), {})

    @cached_property
    def references(self) -> list[Manifest]:
        """The blocks of references in the record's order, as far as they are there."""
        blocks = {m.digest: m for m in self.manifests.values() if m.stage == "reference"}
        return [blocks[digest] for digest in self.record.references if digest in blocks]

    @cached_property
    def methods(self) -> dict[tuple[str, str | None], MethodRecord]:
        """The methods by title and access mode."""
        return {(method.title, method.access): method for method in self.record.methods}

    def model(self, cell: CellRecord) -> Manifest | None:
        """Return the artefact of a cell."""
        return self.manifests.get(cell.key)

    def link(self, cell: CellRecord, name: str) -> str:
        """Return the key of what a cell's model was made from: its ``original`` or its ``request``."""
        manifest = self.model(cell)
        return str(manifest.spec.get(name)) if manifest else ""

    def linked(self, cell: CellRecord, name: str) -> Manifest | None:
        """Return the artefact that `link` names."""
        return self.manifests.get(self.link(cell, name))

    def encloses(self, kind: str) -> bool:
        """Return whether the ``signals`` or ``weights`` of every audited model are enclosed."""
        models = [self.model(cell) for cell in self.record.cells if cell.status == "ok"]
        originals = [self.linked(cell, "original") for cell in self.record.cells if cell.original is not None
                     and cell.status == "ok"]
        return all(model is not None and (self.store.path(model.key) / f"{kind}.safetensors").is_file()
                   for model in (*models, *originals))

    def shadows(self, cell: CellRecord) -> ShadowSides | None:
        """Return the shadows with which a cell is compared, or None when they are not enclosed."""
        suite, r, blocks = self.suite, cell.request, range(self.suite.shadows.count // self.suite.shadows.block)
        retrained = [self._shadow("shadow-retrain", "retrained", r, b) for b in blocks]
        method = self.methods.get((cell.method, cell.access))
        if method is None:
            other = [self._shadow("shadow-retrain", "null", r, b) for b in blocks]
        else:
            other = [self._shadow("shadow-unlearn", method.name, method.access, r, b, method=describe_method(method))
                     for b in blocks]
        keys = [[block.key for block in side if block is not None] for side in (other, retrained)]
        if not blocks or any(len(side) < len(blocks) for side in keys):
            return None
        deal = derive_seed(suite.seed, "deal", r, cell.run) if method is None else None
        return ShadowSides(unlearned=tuple(keys[0]), retrained=tuple(keys[1]), deal=deal)

    def _shadow(self, stage: str, *place: int | str, method: Mapping[str, Any] | None = None) -> Manifest | None:
        seed = derive_seed(self.suite.seed, stage, *place)
        return next((m for m in self.manifests.values() if m.stage == stage and m.spec.get("seed") == seed
                     and (method is None or m.spec.get("method") == method)), None)


def describe_method(method: MethodRecord) -> dict[str, Any]:
    """Return what keys say of a method."""
    return {"name": method.name, "version": method.version, "source": method.source,
            "settings": dict(method.settings)}


@frozen(kw_only=True)
class _Expected:
    """What the key of an artefact has to say."""

    manifest: Manifest | None
    what: str
    stage: str
    digest: str | None
    spec: Mapping[str, Any]


def artefact_problems(evidence: Evidence) -> Iterator[str]:
    """Yield everything in which the artefacts are not those that record and suite call for."""
    for key in evidence.store:
        if key not in evidence.manifests:
            yield f"object {key[:12]} has a manifest that does not match its key"
    expected = {(e.what, e.stage): e for e in _all_expected(evidence)}.values()
    for one in expected:
        yield from _compare(one)
    known = {one.manifest.key for one in expected if one.manifest is not None}
    for cell in evidence.record.cells:
        known |= set(sides.keys) if (sides := evidence.shadows(cell)) else set()
    yield from (f"object {key[:12]} belongs to no part of the record" for key in evidence.manifests.keys() - known)


def _compare(expected: _Expected) -> Iterator[str]:
    manifest = expected.manifest
    if manifest is None:
        yield f"{expected.what}: its artefact is not enclosed"
        return
    if manifest.stage != expected.stage or manifest.spec.get("kind") != expected.stage:
        yield f"{expected.what}: its artefact comes from a stage '{manifest.stage}', expected '{expected.stage}'"
    if expected.digest is not None and manifest.digest != expected.digest:
        yield f"{expected.what}: its artefact is {manifest.digest[:12]}, the record names {expected.digest[:12]}"
    for name, right in expected.spec.items():
        if manifest.spec.get(name) != right:
            yield f"{expected.what}: was made with {name} {_brief(manifest.spec.get(name))}, expected {_brief(right)}"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _all_expected(evidence: Evidence) -> Iterator[_Expected]:
    record, suite = evidence.record, evidence.suite
    for cell in record.cells:
        if cell.status != "ok":
            continue
        yield _model(evidence, cell)
        yield _request(evidence, cell)
        if cell.original is not None:
            yield _Expected(
                manifest=evidence.linked(cell, "original"), what=f"original {cell.original}", stage="train",
                digest=record.originals[cell.original],
                spec={"seed": derive_seed(suite.seed, "train", cell.original), "recipe": as_json(suite.recipe),
                      "data": evidence.data_spec})
    for b, digest in enumerate(record.references):
        block = next((m for m in evidence.references if m.digest == digest), None)
        yield _Expected(manifest=block, what=f"references {b}", stage="reference", digest=digest,
                        spec={"seed": derive_seed(suite.seed, "reference", b), "models": suite.references.block,
                              "data": evidence.data_spec})


def _model(evidence: Evidence, cell: CellRecord) -> _Expected:
    root, method = evidence.suite.seed, evidence.methods.get((cell.method, cell.access))
    spec = {"recipe": as_json(evidence.suite.recipe), "data": evidence.data_spec}
    what = f"{cell.method} {cell.access or ''} original {cell.original} forget set {cell.request} run {cell.run}"
    if cell.method == ORACLE or method is None:
        spec["seed"] = derive_seed(root, "retrain", cell.request, cell.run)
        return _Expected(manifest=evidence.model(cell), what=what, stage="retrain", digest=cell.model, spec=spec)
    seed = derive_seed(root, "unlearn", method.name, method.access, cell.original or 0, cell.request, cell.run)
    spec |= {"seed": seed, "access": cell.access, "method": describe_method(method)}
    if evidence.suite.requests.step(cell.request):
        spec["start"] = next((one.key for one in evidence.record.cells if one.request == cell.request - 1 and (
            one.method, one.access, one.original, one.run) == (cell.method, cell.access, cell.original, cell.run)), "")
    return _Expected(manifest=evidence.model(cell), what=what, stage="unlearn", digest=cell.model, spec=spec)


def _request(evidence: Evidence, cell: CellRecord) -> _Expected:
    return _Expected(
        manifest=evidence.linked(cell, "request"), what=f"forget set {cell.request}", stage="forget", digest=None,
        spec={"seed": request_seed(evidence.suite, cell.request), "index": cell.request,
              "generator": as_json(evidence.suite.requests), "data": evidence.data_spec})


def data_problems(evidence: Evidence, data: Dataset) -> Iterator[str]:
    """Yield where forget sets and halves are not those that their seeds draw from the data set."""
    if data.digest != evidence.record.data.get("digest"):
        yield (f"data set '{data.name}' here is {data.digest[:12]}, the record's is "
               f"{str(evidence.record.data.get('digest'))[:12]}")
        return
    for manifest in evidence.manifests.values():
        try:
            if manifest.stage == "forget":
                yield from _forget_problems(evidence, manifest, data)
            elif manifest.stage == "reference" and evidence.encloses("signals"):
                yield from _halves_problems(evidence, manifest, data)
        except (StoreError, BadSetting, ValueError, KeyError, TypeError) as error:
            yield f"{manifest.label[:80]}: {error}"


def _forget_problems(evidence: Evidence, manifest: Manifest, data: Dataset) -> Iterator[str]:
    spec = structure(dict(manifest.spec["generator"]), RequestSpec, "generator")
    previous = manifest.spec.get("previous")
    right = make_request(spec, manifest.spec["index"], manifest.spec["seed"], data.train, data.num_classes,
                         _ranked_by(evidence, spec, manifest, data), data.poison,
                         stored_request(evidence.store, previous) if previous else None)
    index = manifest.spec["index"]
    if not np.array_equal(evidence.store.arrays(manifest.key, "forget")["forget"], right.forget):
        yield f"forget set {index} is not the one that its generator and seed draw"
    recorded = evidence.record.requests[index] if index < len(evidence.record.requests) else None
    if recorded is None or (recorded.digest, recorded.forget, recorded.train) != (
            right.digest, len(right.forget), len(data.train)):
        yield f"forget set {index}: the record describes another one than its generator and seed draw"


def _ranked_by(evidence: Evidence, spec: RequestSpec, manifest: Manifest, data: Dataset) -> Ranked | None:
    """Return what the generator ranks by, from the enclosed logits."""
    ranking = manifest.spec["ranking"]
    if needs_memorisation(spec):
        if ranking != [block.key for block in evidence.references]:
            raise ValueError("it was not ranked by all of the record's references")
        blocks = [evidence.store.arrays(key, "signals") for key in ranking]
        return memorisation(np.concatenate([block["logits"] for block in blocks]),
                            np.concatenate([block["membership"] for block in blocks]), data.train.labels)
    if needs_losses(spec):
        return losses_from_logits(evidence.store.arrays(ranking[0], "signals")["train"], data.train.labels)
    return None


def _halves_problems(evidence: Evidence, manifest: Manifest, data: Dataset) -> Iterator[str]:
    arrays, what = evidence.store.arrays(manifest.key, "signals"), manifest.label[:80]
    shape = (manifest.spec["models"], len(data.train) + len(data.test))
    logits, membership = arrays["logits"], arrays["membership"]
    # Shapes first: the halves of a hostile number of models would not fit in memory.
    if membership.shape != shape or logits.shape != (*shape, data.num_classes):
        yield f"{what}: halves have shape {membership.shape} and logits {logits.shape}; expected {shape} and classes"
    elif logits.dtype != np.float32 or not np.isfinite(logits).all():
        yield f"{what}: logits are {logits.dtype} or not finite; expected finite float32"
    elif not np.array_equal(membership, balanced_halves(*shape, derive_seed(manifest.spec["seed"], "halves"))):
        yield f"{what}: the halves are not those that the seed draws"
