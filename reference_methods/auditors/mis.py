"""MIS, or MIA efficacy: the share of the forget set that a support vector machine takes for unseen."""

import numpy as np
from numpy.typing import ArrayLike

from reference_methods.auditors.inputs import Floats, check_numbers


def mis(
    confidence_retain: ArrayLike,
    confidence_test: ArrayLike,
    confidence_forget: ArrayLike,
    *,
    seed: int | None = None,
    cap: int | None = None,
    as_published: bool = False,
) -> float:
    """Return the share of the forget samples called non-members; only its distance to the oracle's has a meaning.

    A machine with Gaussian kernel (C = 3, gamma = 1 / features) learns retained samples as members and test samples
    as non-members from a feature of the audited model's output, by custom the probability of the true class.
    Retrained models come to some 0.13 to 0.17 on CIFAR-10, neither 0 nor 1.

    Args:
        confidence_retain: (N,), or (N, F) for another feature, of retained samples.
        confidence_test: (M,) or (M, F) of test samples.
        confidence_forget: (K,) or (K, F) of the forgotten samples.
        seed: draws as many of the larger side as the smaller has, without replacement; needed unless the sides are
            equal and not above ``cap``.
        cap: most samples a side, None for all. Time grows with the square of the number: about 10 s for 10,000 a side.
        as_published: take the *first* retained samples, as many as there are test samples, and every test sample.

    Returns:
        in [0, 1].

    Raises:
        ValueError: for NaN, wrong shapes, an empty array, or a missing seed.

    Source: Jia et al. 2023, arXiv:2304.04934, and Fan et al. 2024, arXiv:2310.12508; code OPTML-Group/Unlearn-Sparse.
    """
    from sklearn.svm import SVC

    members = _as_features("confidence_retain", confidence_retain, "F")
    strangers = _as_features("confidence_test", confidence_test, members.shape[1])
    forgotten = _as_features("confidence_forget", confidence_forget, members.shape[1])
    if as_published:
        members = members[: len(strangers)]
    else:
        size = _check_cap(cap, min(len(members), len(strangers)))
        rng = None if seed is None else np.random.default_rng(seed)
        members, strangers = _draw(members, size, rng), _draw(strangers, size, rng)
    # It needs no seed, but without one it draws from NumPy's global generator.
    machine = SVC(C=3, gamma="auto", kernel="rbf", random_state=0)
    machine.fit(np.concatenate([members, strangers]), np.concatenate([np.ones(len(members)), np.zeros(len(strangers))]))
    return float(1.0 - machine.predict(forgotten).mean())


def _as_features(name: str, values: ArrayLike, features: int | str) -> Floats:
    if np.ndim(values) == 1:
        return check_numbers(name, np.asarray(values)[:, None], ("N", features))
    return check_numbers(name, values, ("N", features))


def _check_cap(cap: int | None, size: int) -> int:
    if cap is None:
        return size
    if cap < 1:
        raise ValueError(f"cap is {cap}; expected at least 1 sample a side")
    return min(cap, size)


def _draw(samples: Floats, size: int, rng: np.random.Generator | None) -> Floats:
    if len(samples) == size:
        return samples
    if rng is None:
        raise ValueError(f"seed is None, but {size} of {len(samples)} samples are to be drawn; give a seed")
    return samples[rng.choice(len(samples), size, replace=False)]
