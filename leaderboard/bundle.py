"""A submission: rows, the record of their run, and the artefacts that its audits read, in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from harness.digests import canonical_json
from harness.errors import StoreError
from harness.plugins import DISTRIBUTION
from harness.record import RunRecord, read_record
from harness.settings import as_json
from harness.store import Manifest, Store
from harness.summary import make_rows
from leaderboard.archive import MANIFEST, RECORD, ROWS, SIGNATURE, make_manifest, write_archive
from leaderboard.signing import sign


def record_file(run: Path) -> Path:
    """Return the record of a run, given as its folder or as the file itself."""
    return run / RECORD if run.is_dir() else run


def store_of(run: Path) -> Path:
    """Return the store beside the record of a run: STORE/runs/NAME/record.json."""
    return record_file(run).resolve().parents[2]


def write_bundle(run: Path, out: Path, *, store: Path | None = None, signals: bool = True, weights: bool = False,
                 key: Path | None = None) -> int:
    """Write the submission of a run and return the number of its rows.

    Args:
        run: its folder, or its record.json.
        out: the file to write.
        store: where its artefacts are; the store that the run lies in when None.
        signals: whether to enclose the logits of every model, from which scores are recomputed.
        weights: whether to enclose the weights too.
        key: private key to sign with.

    Raises:
        HarnessError: if the record or an artefact is missing or changed, or the file cannot be written.
    """
    record = read_record(record_file(run))
    rows = make_rows(record)
    files: dict[str, Path | bytes] = {
        RECORD: record_file(run),
        ROWS: b"".join(canonical_json(as_json(row)) + b"\n" for row in rows)}
    kinds = {"forget"} | ({"signals"} if signals else set()) | ({"weights"} if weights else set())
    place = Store(store or store_of(run), create=False)
    for manifest in _artefacts(record, place):
        for path in place.files(manifest.key):
            if path.name == MANIFEST or path.stem in kinds:
                files[f"objects/{manifest.key[:2]}/{manifest.key[2:]}/{path.name}"] = path
    about = {"suite": record.name, "protocol": record.protocol, "harness": version(DISTRIBUTION)}
    manifest_bytes = make_manifest(files, about)
    files[MANIFEST] = manifest_bytes
    if key is not None:
        files[SIGNATURE] = sign(manifest_bytes, key)
    write_archive(files, out)
    return len(rows)


def _artefacts(record: RunRecord, store: Store) -> Iterator[Manifest]:
    """Yield the models of a run, the originals, forget sets and references that they rest on, each once.

    Raises:
        StoreError: if one is missing, or is not the one that the record names.
    """
    further: dict[str, None] = {}
    for cell in record.cells:
        if cell.status != "ok":
            continue
        manifest = store.manifest(cell.key)
        if manifest.digest != cell.model:
            raise StoreError(f"object {cell.key[:12]} in store {store.root} is not the one that the record names; "
                             "run the suite again with the same command")
        yield manifest
        further.update(dict.fromkeys(str(manifest.spec[name]) for name in ("original", "request")
                                     if manifest.spec.get(name)))
    manifests = [store.manifest(key) for key in store]
    further.update(dict.fromkeys(_shadows(record, manifests)))
    for key in further:
        yield store.manifest(key)
    blocks = {manifest.digest: manifest for manifest in manifests if manifest.stage == "reference"}
    for digest in record.references:
        if digest not in blocks:
            raise StoreError(f"store {store.root} has no references {digest[:12]}, which the record names")
        yield blocks[digest]


def _shadows(record: RunRecord, manifests: Sequence[Manifest]) -> Iterator[str]:
    """Yield the keys of the shadows that audits of this run compared with, not of others that share its store."""
    audited = {cell.key for cell in record.cells}
    own = [{name: value for name, value in auditor.items() if name not in ("note", "shadows")}
           for auditor in record.auditors.values() if auditor.get("shadows")]
    spec = record.suite["shadows"]
    for manifest in manifests:
        sides = manifest.spec.get("shadows") if manifest.stage == "audit" else None
        if (sides and manifest.spec["audited"] in audited and manifest.spec["auditor"] in own
                and len(sides["retrained"]) == spec["count"] // spec["block"]):
            yield from (*sides["unlearned"], *sides["retrained"])
