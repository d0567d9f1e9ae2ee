"""Published files: where they lie under the data root, where they come from, and what to say when they are missing."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from harness.errors import DataError

_SECONDS_WITHOUT_AN_ANSWER = 60


@frozen
class Published:
    """A file on the web and the MD5 that its publisher prints; it guards against damage, not against forgery."""

    url: str
    md5: str


def require_root(name: str, data_root: Path | None, wanted: str) -> Path:
    """Return ``data_root``.

    Raises:
        DataError: if none was given; the message says that ``wanted`` is to be put there.
    """
    if data_root is None:
        raise DataError(f"{name}: no data root; pass --data-root DIR where DIR has {wanted}, "
                        "or pass --download as well to fetch it there")
    return data_root


def missing(name: str, path: Path, wanted: str) -> DataError:
    """Return the error for a file or folder that is not there."""
    return DataError(f"{name}: {path} is not there; put {wanted} there, or pass --download")


def check_published(published: Published, path: Path) -> None:
    """Check that ``path`` is what was published.

    Raises:
        DataError: if it has another MD5.
    """
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 != published.md5:
        raise DataError(f"{path}: its MD5 is {md5}, that of {published.url} is {published.md5}; fetch it again")


def download_file(published: Published, target: Path) -> None:
    """Write a published file to ``target``, whole or not at all.

    Raises:
        DataError: if it cannot be fetched or written, or is not what was published.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            arrived = Path(folder) / target.name
            _fetch(published, arrived)
            arrived.replace(target)
    except OSError as error:
        raise DataError(f"{published.url}: cannot be downloaded to {target}: {error}") from error


def download_archive(published: Published, root: Path, folder: str) -> None:
    """Unpack ``folder`` of a published tar archive into ``root``, whole or not at all.

    Raises:
        DataError: if it cannot be fetched or unpacked, is not what was published, or has no such folder.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".download-") as temporary:
            archive = Path(temporary) / "archive"
            _fetch(published, archive)
            with tarfile.open(archive) as tar:
                tar.extractall(temporary, filter="data")
            (Path(temporary) / folder).rename(root / folder)
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{published.url}: cannot be unpacked to {root / folder}: {error}") from error


def _fetch(published: Published, target: Path) -> None:
    try:
        with urllib.request.urlopen(published.url, timeout=_SECONDS_WITHOUT_AN_ANSWER) as answer, \
                target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except http.client.HTTPException as error:
        raise DataError(f"{published.url}: the download broke off: {error!r}; try again") from error
    check_published(published, target)
