"""Finding one model in a store: by its key, or as a cell of a run."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from harness.context import Context
from harness.data import Dataset
from harness.errors import BadSetting, StoreError, UnknownName
from harness.models import Model
from harness.record import CellRecord, read_record
from harness.store import Manifest, Store

MAKES_MODELS = ("train", "retrain", "unlearn")
SHORTEST_KEY = 6


@frozen(kw_only=True)
class Cell:
    """Which model of a run; what is None is left open.

    Attributes:
        method: title in the suite, or ``oracle``.
        access: ``retain+forget`` or ``forget-only``.
        original, request, run: indices from 0; ``run`` numbers the oracles too.
    """

    method: str | None = None
    access: str | None = None
    original: int | None = None
    request: int | None = None
    run: int | None = None

    def matches(self, cell: CellRecord) -> bool:
        """Return whether ``cell`` is one of those meant."""
        return all(wanted is None or getattr(cell, name) == wanted for name, wanted in
                   (("method", self.method), ("access", self.access), ("original", self.original),
                    ("request", self.request), ("run", self.run)))


@frozen(kw_only=True)
class StoredModel:
    """A model from a store with what it was trained on."""

    manifest: Manifest
    model: Model
    data: Dataset


def find_model(context: Context, name: str, cell: Cell) -> StoredModel:
    """Return the model called ``name``: a key or its first digits, or a run, in which ``cell`` picks one.

    Raises:
        UnknownName, BadSetting: if it names none, or more than one.
        StoreError: if the store is damaged.
    """
    store = context.store
    runs = sorted(folder.name for folder in (store.root / "runs").glob("*/") if (folder / "record.json").is_file())
    matching = [run for run in runs if run.startswith(name)]
    keys = [key for key in store if len(name) >= SHORTEST_KEY and key.startswith(name)]
    if len(matching) + len(keys) > 1:
        names = ", ".join([*matching, *keys][:5])
        raise BadSetting(f"'{name}' is the start of several names: {names}; write more of it")
    if matching:
        keys = [_key_of(store.root / "runs" / matching[0], matching[0], cell)]
    if not keys:
        raise UnknownName("run or key in this store", name, runs)
    manifest = store.manifest(keys[0])
    if manifest.stage not in MAKES_MODELS:
        raise BadSetting(f"{keys[0][:12]} is '{manifest.label}'; only {', '.join(MAKES_MODELS)} stages make models")
    data = context.dataset(manifest.spec["data"])
    return StoredModel(manifest=manifest, data=data,
                       model=context.model(manifest.key, context.factory(manifest.spec["model"], data)))


def open_store(root: Path) -> Store:
    """Return the store at ``root``, which must exist.

    Raises:
        StoreError: if it does not.
    """
    if not (root / "objects").is_dir():
        raise StoreError(f"there is no store at {root}; `unlearn run SUITE --store {root}` makes one")
    return Store(root, create=False)


def _key_of(folder: Path, run: str, wanted: Cell) -> str:
    cells = [cell for cell in read_record(folder / "record.json").cells if cell.status == "ok"]
    found = [cell for cell in cells if wanted.matches(cell)]
    if len(found) == 1:
        return found[0].key
    if not found:
        methods = ", ".join(dict.fromkeys(cell.method for cell in cells))
        raise BadSetting(f"run '{run}' has no such model; its methods are {methods}")
    differing = [name for name in ("method", "access", "original", "request", "run")
                 if len({getattr(cell, name) for cell in found}) > 1]
    raise BadSetting(f"{len(found)} models of run '{run}' fit; say which with "
                     f"{' '.join(f'--{name}' for name in differing)}")
