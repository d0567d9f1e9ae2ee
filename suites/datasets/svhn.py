"""Street View House Numbers, from its two MATLAB files."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from harness.data import Dataset
from suites.datasets.downloads import Published, check_published, download_file, missing, require_root
from suites.datasets.pixels import Labels, Pixels, image_dataset


@frozen(kw_only=True)
class Svhn:
    """The cropped digits; the ``extra`` images are left out, as in papers on unlearning.

    Attributes:
        train, test: the two files. One with another MD5 is refused: MATLAB's format is too rich to read from strangers.
        sizes: number of training and of test examples.
    """

    name: str
    description: str
    train: Published
    test: Published
    sizes: tuple[int, int] = (73_257, 26_032)

    def load(self, data_root: Path | None, download: bool) -> Dataset:
        """Return the data set as (N, 3, 32, 32) images."""
        root = require_root(self.name, data_root, "train_32x32.mat and test_32x32.mat")
        train, test = (self._read(root, published, download) for published in (self.train, self.test))
        return image_dataset(name=self.name, version="1", num_classes=10, train=train, test=test,
                             source="SVHN (Netzer et al. 2011), format 2, the published files")

    def _read(self, root: Path, published: Published, download: bool) -> tuple[Pixels, Labels]:
        path = root / published.url.rpartition("/")[2]
        if download and not path.exists():
            download_file(published, path)
        if not path.exists():
            raise missing(self.name, path, path.name)
        check_published(published, path)
        return read_mat(path)


def read_mat(path: Path) -> tuple[Pixels, Labels]:
    """Return (N, 3, 32, 32) pixels and (N,) labels from the arrays ``X`` (32, 32, 3, N) and ``y`` (N, 1)."""
    from scipy.io import loadmat

    content = loadmat(path, variable_names=["X", "y"])
    # The files call the digit 0 class 10.
    return content["X"].transpose(3, 2, 0, 1), content["y"].ravel() % 10


SVHN = Svhn(
    name="svhn",
    description="99,289 house-number digits of 32x32 pixels, 10 classes",
    train=Published("http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
    test=Published("http://ufldl.stanford.edu/housenumbers/test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
)
