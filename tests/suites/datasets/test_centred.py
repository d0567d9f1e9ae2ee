"""Data sets without their mean image."""

import numpy as np
import pytest

from harness.data import DatasetSource
from suites.datasets.centred import Centred
from suites.datasets.digits import Digits


@pytest.fixture(scope="module")
def digits():
    return Digits().load(None, False)


def test_the_mean_of_the_training_set_is_taken_from_both_parts(digits):
    centred = Centred("digits-centred", Digits()).load(None, False)

    mean = digits.train.inputs.mean(axis=0)
    assert np.abs(centred.train.inputs.mean(axis=0)).max() < 1e-6
    assert np.allclose(centred.test.inputs + mean, digits.test.inputs, atol=1e-6)
    assert centred.num_classes == 10


def test_parity_makes_two_classes_of_ten(digits):
    parity = Centred("digits-parity", Digits(), parity=True).load(None, False)

    assert parity.num_classes == 2
    assert parity.train.labels.tolist() == (digits.train.labels % 2).tolist()


def test_it_is_a_source_with_a_name_and_a_line_of_its_own():
    source = Centred("digits-parity", Digits(), parity=True)

    assert isinstance(source, DatasetSource)
    assert source.description == "digits without its mean image, odd against even: for reconstruction"
    assert source.load(None, False).digest != Digits().load(None, False).digest
