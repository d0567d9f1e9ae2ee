"""The random search over the settings of a reconstruction: drawn once from a seed, the same for every model."""

from __future__ import annotations

import numpy as np
from attrs import field, frozen, validators


@frozen(kw_only=True)
class Restart:
    """Settings of one run from its own random start.

    Attributes:
        rate: learning rate of the candidates.
        multiplier_rate: learning rate of the multipliers lambda.
        spread: standard deviation of the candidates at the start.
        floor: lambda_min, below which multipliers are penalised.
        sharpness: alpha, the slope of the smoothed derivative of the ReLU.
    """

    rate: float = field(validator=validators.gt(0))
    multiplier_rate: float = field(validator=validators.gt(0))
    spread: float = field(validator=validators.gt(0))
    floor: float = field(validator=validators.ge(0))
    sharpness: float = field(validator=validators.gt(0))


def published_sweep(count: int, seed: int) -> tuple[Restart, ...]:
    """Return ``count`` draws from the ranges that were searched for plain gradient descent with momentum.

    Source: code of Haim et al. 2022, commit 3076552, and Buzaglo et al. 2023, commit cd1a16e (sweep files); candidates'
    rate from 10^-2.5 upwards only, since lower ones are too slow for a budget of minutes.
    """
    rng = np.random.default_rng(seed)
    return tuple(
        Restart(rate=_log_uniform(rng, 10**-2.5, 1.0), multiplier_rate=1e-4, spread=_log_uniform(rng, 1e-4, 0.1),
                floor=rng.uniform(0.01, 0.5), sharpness=rng.uniform(10, 200))
        for _ in range(count))


def adaptive_sweep(count: int, seed: int) -> tuple[Restart, ...]:
    """Return ``count`` draws for Adam, narrow because Adam needs little search.

    Rates are in units of pixels a step; sharpness matters most, so the draws share its range out evenly.
    """
    rng = np.random.default_rng(seed)
    shares = (np.arange(count) + rng.uniform(size=count)) / count
    return tuple(
        Restart(rate=_log_uniform(rng, 0.02, 0.04), multiplier_rate=0.1, spread=0.01, floor=0.05,
                sharpness=float(20 * 10**share))
        for share in shares)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
