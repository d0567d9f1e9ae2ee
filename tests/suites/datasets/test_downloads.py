import tarfile
from hashlib import md5

import pytest

from harness import DataError
from suites.datasets.downloads import Published, download_archive, download_file


@pytest.fixture
def published(tmp_path):
    (tmp_path / "web").mkdir()
    path = tmp_path / "web" / "file"
    path.write_bytes(b"content")
    return Published(path.as_uri(), md5(b"content").hexdigest())


def test_a_file_arrives_with_its_folders(published, tmp_path):
    download_file(published, tmp_path / "a" / "b" / "file")

    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"


def test_a_file_that_is_not_what_was_published_leaves_nothing_behind(published, tmp_path):
    forged = Published(published.url, "0" * 32)

    with pytest.raises(DataError, match=f"its MD5 is {published.md5}, that of file:.* is {'0' * 32}"):
        download_file(forged, tmp_path / "root" / "file")
    assert list((tmp_path / "root").iterdir()) == []


def test_an_address_that_does_not_answer_is_named(tmp_path):
    nowhere = Published((tmp_path / "nowhere").as_uri(), "")

    with pytest.raises(DataError, match="nowhere: cannot be downloaded"):
        download_file(nowhere, tmp_path / "root" / "file")
    with pytest.raises(DataError, match="nowhere: cannot be unpacked"):
        download_archive(nowhere, tmp_path / "root", "folder")


def test_what_is_no_archive_is_refused(published, tmp_path):
    with pytest.raises(DataError, match="cannot be unpacked"):
        download_archive(published, tmp_path / "root", "folder")


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    (tmp_path / "secret").write_bytes(b"mine")
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        tar.add(tmp_path / "secret", "../../escaped")
    bad = Published((tmp_path / "bad.tar").as_uri(), md5((tmp_path / "bad.tar").read_bytes()).hexdigest())

    with pytest.raises(DataError, match="cannot be unpacked"):
        download_archive(bad, tmp_path / "a" / "b" / "root", "folder")
    assert not list(tmp_path.rglob("escaped"))
    assert list((tmp_path / "a" / "b" / "root").iterdir()) == []
