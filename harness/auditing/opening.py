"""From what the command line names to evidence: data, sets of examples, models, references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import field, frozen

from harness.array_files import named, read_arrays, read_indices
from harness.auditing.evidence import Answers, Evidence, Selection, ask, select
from harness.audits import References
from harness.context import Place, load_dataset
from harness.data import Dataset, Examples, Integers
from harness.digests import digest_arrays
from harness.errors import BadSetting, DataError
from harness.models import Architecture
from harness.plugins import Registry
from harness.settings import Settings
from harness.sources import Opens, ReadsSignals, Source
from harness.suite import DataSpec

_DATA_ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


@frozen(kw_only=True)
class Opener:
    """Opens models by their URIs.

    Attributes:
        registry: the adapters.
        architecture: of files of parameters; None where none was named.
        settings: of the architecture.
        device, threads, timeout: see `harness.sources.Source`.
    """

    registry: Registry
    architecture: Architecture | None = None
    settings: Settings = field(factory=dict)
    device: str = "cpu"
    threads: int = 1
    timeout: float = 30.0

    def answers(self, uri: str, selection: Selection) -> Answers:
        """Return what the model at ``uri`` says of the selected examples.

        Raises:
            HarnessError: if it cannot be opened or does not fit the data, in one line.
        """
        name, colon, location = uri.partition(":")
        if not (colon and location):
            raise BadSetting(f"'{uri}' names no model; write ADAPTER:LOCATION, e.g. onnx:FILE.onnx, "
                             "torch:FILE.safetensors, http://HOST/v2/models/NAME or signals:FILE.csv")
        adapter = self.registry.adapters[name]()
        whole = selection.whole
        source = Source(uri=uri, input_shape=whole.input_shape, num_classes=whole.num_classes,
                        architecture=self.architecture, settings=self.settings, device=self.device,
                        threads=self.threads, timeout=self.timeout)
        if isinstance(adapter, ReadsSignals):
            signals = adapter.read_signals(source, len(whole.train), len(whole.test))
            return Answers(name=uri, signals=selection.of(signals))
        if isinstance(adapter, Opens):
            return ask(uri, adapter.open(source), selection.data)
        adapters = {one: self.registry.adapters[one]() for one in self.registry.adapters}
        able = [one for one, adapter in adapters.items() if isinstance(adapter, Opens | ReadsSignals)]
        raise BadSetting(f"{uri}: adapter '{name}' opens no models; {', '.join(able)} do")


def load_data(name: str, registry: Registry, place: Place) -> Dataset:
    """Return a data set by name, or from an npz file with ``train_inputs``, ``train_labels`` and the same of ``test``.

    Raises:
        HarnessError: if it cannot be loaded, in one line.
    """
    if not name.endswith((".npz", ".safetensors")):
        return load_dataset(registry, DataSpec(name=name), place)
    path = Path(name)
    arrays = dict(zip(_DATA_ARRAYS, named(read_arrays(path), _DATA_ARRAYS, path), strict=True))
    for part in ("train", "test"):
        labels = arrays[f"{part}_labels"]
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(f"{path}: {part}_labels must be (N,) whole numbers, got {labels.dtype} {labels.shape}")
    if arrays["train_inputs"].shape[1:] != arrays["test_inputs"].shape[1:]:
        raise DataError(f"{path}: training inputs are {arrays['train_inputs'].shape[1:]}, "
                        f"test inputs {arrays['test_inputs'].shape[1:]}")
    try:
        train, test = (Examples(inputs=arrays[f"{part}_inputs"], labels=arrays[f"{part}_labels"])
                       for part in ("train", "test"))
        classes = 1 + max(int(train.labels.max(initial=0)), int(test.labels.max(initial=0)))
        return Dataset(name=path.stem, version="given", num_classes=classes, train=train, test=test, source=str(path))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def read_selection(whole: Dataset, forget: Path, retain: Path | None, test: Path | None) -> Selection:
    """Return the examples that take part, from files of indices.

    Raises:
        DataError: if a file cannot be read or does not fit the data.
    """
    def indices(path: Path | None, name: str, size: int) -> Integers | None:
        return None if path is None else read_indices(path, name, size)

    return select(whole, read_indices(forget, "forget", len(whole.train)), indices(retain, "retain", len(whole.train)),
                  indices(test, "test", len(whole.test)))


def read_references(path: Path, selection: Selection) -> References:
    """Return references from an npz or safetensors file: ``logits`` (R, P, C) and ``membership`` (R, P).

    P counts the whole training set first, then the whole test set.

    Raises:
        DataError: if the file cannot be read or does not fit the data.
    """
    logits, membership = named(read_arrays(path), ("logits", "membership"), path)
    whole = selection.whole
    expected = (len(whole.train) + len(whole.test), whole.num_classes)
    if logits.ndim != 3 or logits.shape[1:] != expected or membership.shape != logits.shape[:2]:
        raise DataError(f"{path}: logits have shape {logits.shape} and membership {membership.shape}; expected "
                        f"(R, {expected[0]}, {expected[1]}) and (R, {expected[0]}), training set first")
    if not np.isin(membership, (0, 1)).all() or not np.isfinite(logits).all():
        raise DataError(f"{path}: membership must be true or false, and logits finite")
    inside = membership.astype(bool)
    counts = inside.sum(axis=0)
    if not ((counts > 0) & (counts < len(inside))).all():
        lonely = int(np.flatnonzero((counts == 0) | (counts == len(inside)))[0])
        raise DataError(f"{path}: example {lonely} of the pool is in all references or in none; each must be in some")
    return selection.of_references(References(logits=logits.astype(np.float32), membership=inside,
                                              digest=digest_arrays(logits, inside)))


def gather(selection: Selection, opener: Opener, model: str, original: str | None, oracles: Sequence[str],
           references: Path | None) -> Evidence:
    """Return the evidence that URIs and files give.

    Raises:
        HarnessError: if one of them cannot be opened or does not fit the data, in one line.
    """
    return Evidence(
        data=selection.data, request=selection.request, audited=opener.answers(model, selection),
        original=opener.answers(original, selection) if original else None,
        oracles=tuple(opener.answers(uri, selection) for uri in oracles),
        references=read_references(references, selection) if references else None)
