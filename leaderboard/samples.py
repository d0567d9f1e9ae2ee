"""Per-sample values of a run's models, from the store beside it: what histograms and curves are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness.context import stored_request
from harness.data import Dataset
from harness.errors import StoreError
from harness.plan import ORACLE
from harness.record import CellRecord, RunRecord
from harness.store import Manifest, Store

Values = NDArray[np.float64]
CONFIDENCE = "log-odds of the true class"
# Models of one method whose samples are pooled: one run of every original and forget set shows the shape.
MOST_MODELS = 9
PNG = b"\x89PNG"


@frozen(kw_only=True, eq=False)
class Groups:
    """Values of one kind for some models of one method, pooled.

    Attributes:
        forget, retain, test: the values of each sample of each model.
        models: number of models.
    """

    forget: Values
    retain: Values
    test: Values
    models: int


@frozen(kw_only=True)
class Figure:
    """A picture that an audit drew of one model.

    Attributes:
        auditor, name: title of the audit and file name of the picture.
        method, access: of the model; no access mode for an oracle.
        png: its bytes.
    """

    auditor: str
    name: str
    method: str
    access: str
    png: bytes


class Samples:
    """Reads per-sample values of the models of a record.

    Attributes:
        kinds: what there is: the log-odds of the true class, if the data set is at hand, and every array that an
            auditor kept for all samples of the pool, as ``auditor: name``.
    """

    def __init__(self, record: RunRecord, store: Store, data: Dataset | None) -> None:
        self.record, self.store, self.data = record, store, data
        self.size = int(record.data["train"]) + int(record.data["test"])
        self._audits = {(str(m.spec["audited"]), str(m.spec["request"]), str(m.spec["auditor"]["name"])): m
                        for m in _manifests(store) if m.stage == "audit"}
        self._forget: dict[str, NDArray[np.int64]] = {}
        self.kinds = self._kinds()

    def groups(self, kind: str, method: str, access: str | None) -> Groups | None:
        """Return the pooled values of a method's first models, or None if there are none."""
        cells = [cell for cell in self.record.cells if cell.status == "ok" and cell.method == method
                 and cell.access == access]
        # The first run of each original and forget set; oracles differ by their run alone.
        chosen = [cell for cell in cells if cell.run == 0 or method == ORACLE][:MOST_MODELS]
        parts = [part for cell in chosen if (part := self._split(kind, cell)) is not None]
        if not parts:
            return None
        forget, retain, test = (np.concatenate(group) for group in zip(*parts, strict=True))
        return Groups(forget=forget, retain=retain, test=test, models=len(parts))

    def figures(self) -> Iterator[Figure]:
        """Yield what audits have drawn of the first model of each method in each access mode, and of the first oracle."""
        seen = set()
        for cell in self.record.cells:
            if cell.status != "ok" or (cell.method, cell.access) in seen:
                continue
            seen.add((cell.method, cell.access))
            for title, auditor in self.record.auditors.items():
                for name, png in self._arrays(cell, str(auditor["name"]), "figures").items():
                    if png.tobytes().startswith(PNG):
                        yield Figure(auditor=title, name=name, method=cell.method, access=cell.access or "",
                                     png=png.tobytes())

    def _kinds(self) -> list[str]:
        kinds = [CONFIDENCE] if self.data is not None else []
        oracle = next((cell for cell in self.record.cells if cell.method == ORACLE and cell.status == "ok"), None)
        if oracle is None:
            return kinds
        for title, auditor in self.record.auditors.items():
            for name, values in self._arrays(oracle, str(auditor["name"])).items():
                if values.shape == (self.size,) and np.issubdtype(values.dtype, np.floating):
                    kinds.append(f"{title}: {name}")
        return kinds

    def _arrays(self, cell: CellRecord, auditor: str, kept: str = "samples") -> Mapping[str, NDArray[np.generic]]:
        manifest = self._audits.get((cell.key, str(self._request(cell)), auditor))
        if manifest is None or f"{kept}.safetensors" not in manifest.files:
            return {}
        return self.store.arrays(manifest.key, kept)

    def _request(self, cell: CellRecord) -> str | None:
        try:
            return str(self.store.manifest(cell.key).spec["request"])
        except StoreError:
            return None

    def _split(self, kind: str, cell: CellRecord) -> tuple[Values, Values, Values] | None:
        request = self._request(cell)
        if request is None:
            return None
        try:
            values = self._values(kind, cell)
            forget = self._forget.setdefault(request, stored_request(self.store, request).so_far.forget)
        except StoreError:
            return None
        if values is None:
            return None
        train = int(self.record.data["train"])
        kept = np.ones(train, dtype=bool)
        kept[forget] = False
        return values[forget], values[:train][kept], values[train:]

    def _values(self, kind: str, cell: CellRecord) -> Values | None:
        if kind == CONFIDENCE:
            return self._confidence(cell)
        title, _, name = kind.partition(": ")
        values = self._arrays(cell, str(self.record.auditors[title]["name"])).get(name)
        return None if values is None else np.asarray(values, dtype=np.float64)

    def _confidence(self, cell: CellRecord) -> Values | None:
        if self.data is None:
            return None
        signals = self.store.arrays(cell.key, "signals")
        logits = np.concatenate([signals["train"], signals["test"]]).astype(np.float64)
        labels = np.concatenate([self.data.train.labels, self.data.test.labels])
        own = np.arange(len(labels)), labels
        right = logits[own]
        logits[own] = -np.inf
        # Not log(p / (1 - p)): of a confident model p rounds to one.
        found: Values = right - np.logaddexp.reduce(logits, axis=1)
        return found


def _manifests(store: Store) -> Iterator[Manifest]:
    for key in store:
        try:
            yield store.manifest(key)
        except StoreError:
            continue


def edges(groups: Sequence[Groups], bins: int = 40) -> Values:
    """Return the edges of bins that hold all but the outermost half per cent of the values."""
    values = np.concatenate([np.concatenate([g.forget, g.retain, g.test]) for g in groups])
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return np.linspace(0.0, 1.0, bins + 1)
    low, high = np.quantile(finite, [0.005, 0.995])
    found: Values = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    return found
