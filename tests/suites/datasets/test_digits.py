from importlib.machinery import ModuleSpec

import numpy as np

from harness import Dataset
from suites.datasets import Digits, digits


def load() -> Dataset:
    return Digits().load(None, download=False)


def test_there_are_900_to_train_and_897_to_test_of_8_by_8_pixels_in_0_to_1():
    loaded = load()

    assert loaded.train.inputs.shape == (900, 1, 8, 8)
    assert loaded.test.inputs.shape == (897, 1, 8, 8)
    for part in (loaded.train, loaded.test):
        assert (part.inputs.min(), part.inputs.max()) == (0, 1)
        assert set(np.unique(part.inputs * 16)) == set(range(17))


def test_both_parts_have_half_of_every_class():
    loaded = load()

    assert np.bincount(loaded.train.labels).tolist() == [89, 91, 88, 92, 91, 91, 91, 90, 87, 90]
    assert np.bincount(loaded.test.labels).tolist() == [89, 91, 89, 91, 90, 91, 90, 89, 87, 90]


def test_the_split_never_changes():
    # Published rows rest on it: another digest needs another version.
    assert load().digest[:16] == "d897852f26e4cf93"


def test_together_the_parts_are_what_scikit_learn_has():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    loaded = load()

    pool = np.concatenate([loaded.train.inputs, loaded.test.inputs]).reshape(-1, 64) * 16
    ours = np.column_stack([pool, np.concatenate([loaded.train.labels, loaded.test.labels])])
    theirs = np.column_stack([pixels, labels])
    assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))


def test_a_scikit_learn_that_keeps_its_file_elsewhere_gives_the_same_digits(monkeypatch, tmp_path):
    elsewhere = ModuleSpec("sklearn", loader=None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(digits, "find_spec", lambda name: elsewhere)
    slowly = load()
    monkeypatch.undo()

    assert slowly.digest == load().digest
