import numpy as np
import pytest

from reference_methods.auditors.gaussians import fit, log_density


def test_a_fit_is_numpys_median_mean_and_variance_of_the_chosen_models():
    rng = np.random.default_rng(0)
    # More samples than one block, with unequal numbers of models.
    values, chosen = rng.normal(size=(7, 2100, 2)), rng.random((7, 2100)) < 0.5
    chosen[0] = True

    group = fit(values, chosen)

    for n in (0, 1, 2047, 2048, 2099):
        own = values[chosen[:, n], n]
        assert group.count[n] == len(own)
        assert np.array_equal(group.median[n], np.median(own, axis=0))
        assert group.mean[n] == pytest.approx(own.mean(axis=0), rel=1e-13, abs=1e-15)
        assert group.variance[n] == pytest.approx(own.var(axis=0), rel=1e-13, abs=1e-15)


def test_pooled_variances_take_each_sample_about_its_own_mean_or_all_about_one():
    # Sample 0 has three models at 0, 1, 2; sample 1 has two, at 10 and 14.
    values = np.array([[0.0, 10.0], [1.0, 14.0], [2.0, 99.0]])[:, :, None]
    chosen = np.array([[True, True], [True, True], [True, False]])

    group = fit(values, chosen)

    assert group.pooled_variance() == pytest.approx((1 + 0 + 1 + 4 + 4) / 5)
    assert group.unbiased_pooled_variance() == pytest.approx((1 + 0 + 1 + 4 + 4) / 3)
    assert group.uncentred_variance() == pytest.approx(np.var([0, 1, 2, 10, 14]))


def test_without_two_models_of_one_sample_there_is_no_spread():
    assert fit(np.array([[[1.0], [5.0]]]), np.ones((1, 2), dtype=bool)).unbiased_pooled_variance() == 0.0


def test_the_standard_normal_density_at_zero_and_one():
    values = log_density(np.array([0.0, 1.0]), np.zeros(2), 1.0)

    assert np.exp(values) == pytest.approx([0.3989422804014327, 0.24197072451914337], rel=1e-14)
