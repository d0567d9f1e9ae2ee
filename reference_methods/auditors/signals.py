"""One number per sample from its class scores: what a membership audit compares between models.

Larger means "more likely a member" for ``softmax``, ``taylor``, ``soft-margin``, ``taylor-soft-margin``,
``logit-scaling`` and ``margin``; for ``cross-entropy``, ``entropy`` and ``modified-entropy`` smaller does.

Infinite logits take the value of their limit. Several equally infinite logits have none; they share the
probability equally, the limit reached when they grow together.
"""

import math
from typing import Final

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike

from reference_methods.auditors.inputs import Floats, Integers, check_choice, check_numbers, check_shape

KINDS: Final = (
    "softmax",
    "taylor",
    "soft-margin",
    "taylor-soft-margin",
    "logit-scaling",
    "cross-entropy",
    "margin",
    "entropy",
    "modified-entropy",
)

# Added to both probabilities by the published logit scaling, which therefore ends at +-103.6.
PUBLISHED_EPSILON: Final = 1e-45

# The floor of Song and Mittal's code under every logarithm: log 1e-30 = -69.1.
SMALLEST_PROBABILITY: Final = 1e-30


@frozen(kw_only=True)
class _Recipe:
    kind: str = field()
    temperature: float = field()
    margin: float = field()
    order: int = field()
    as_published: bool

    @kind.validator
    def _kind_is_known(self, _: object, value: str) -> None:
        check_choice("kind", value, KINDS)

    @temperature.validator
    def _temperature_is_positive(self, _: object, value: float) -> None:
        if not 0 < value < math.inf:
            raise ValueError(f"temperature is {value}; expected a positive number")

    @margin.validator
    def _margin_is_finite(self, _: object, value: float) -> None:
        if not math.isfinite(value):
            raise ValueError(f"margin is {value}; expected a finite number")

    @order.validator
    def _order_keeps_the_series_positive(self, _: object, value: int) -> None:
        if value < 1:
            raise ValueError(f"order is {value}; expected at least 1")
        if "taylor" in self.kind and value % 2 and not self.as_published:
            raise ValueError(f"order is {value}; a series of odd degree turns negative, so take an even one")


def signal(
    logits: ArrayLike,
    labels: ArrayLike,
    kind: str,
    *,
    temperature: float = 1.0,
    margin: float = 0.0,
    order: int = 4,
    as_published: bool = False,
) -> Floats:
    """Return one signal per sample, in float64.

    Writing z for ``logits / temperature``, y for the label and p for softmax(z):

    ``logit-scaling``       z_y - log sum_{j != y} exp z_j = log(p_y / (1 - p_y)); the margin of KLoM
    ``softmax``             p_y
    ``soft-margin``         p_y once ``margin`` is taken from z_y alone
    ``taylor``              as ``softmax``, the exponential cut to a series of degree ``order``, which must be even
    ``taylor-soft-margin``  both; the signal of RMIA's and AMUN's tables
    ``cross-entropy``       -log p_y
    ``margin``              z_y - max_{j != y} z_j
    ``entropy``             -sum_j p_j log p_j
    ``modified-entropy``    -(1 - p_y) log p_y - sum_{j != y} p_j log(1 - p_j), logarithms not below log 1e-30

    Args:
        logits: (..., N, C) with C >= 2; leading axes, such as the models, are done one at a time.
        labels: (N,) integers in [0, C).
        kind: one of the above.
        temperature: divides the logits.
        margin: taken from the true logit by the two soft-margin kinds, after the temperature.
        order: degree of the series of the two Taylor kinds.
        as_published: the value of the authors' code. The Taylor kinds then have ``order`` terms, so degree
            ``order - 1``, and leave [0, 1] where the series is negative; ``taylor`` and ``logit-scaling``
            ignore the temperature; ``logit-scaling`` ends at +-103.6; ``modified-entropy`` treats every class
            that is *anybody's* label in the batch as if it were the sample's own, and has log p for log(1 - p).
            Infinite logits give NaN in the Taylor kinds.

    Returns:
        (..., N).

    Raises:
        ValueError: if a shape is wrong, a logit NaN, a label out of range, or an option out of its domain.

    Source: Zarifzadeh et al. 2024, arXiv:2312.03262 (Taylor, soft margin); Carlini et al. 2022,
        arXiv:2112.03570 (logit scaling); Song and Mittal 2021, arXiv:2003.10595 (modified entropy).
    """
    recipe = _Recipe(kind=kind, temperature=temperature, margin=margin, order=order, as_published=as_published)
    scores = np.asarray(logits)
    check_shape("logits", scores.shape, (..., "N", "C"))
    samples, classes = scores.shape[-2:]
    if classes < 2:
        raise ValueError(f"logits have {classes} class; a signal compares at least 2")
    classes_of = _check_labels(labels, samples, classes)

    models = scores.reshape(-1, samples, classes)
    values = np.empty((len(models), samples))
    for row, model in enumerate(models):
        values[row] = _of_one_model(check_numbers("logits", model, (samples, classes)), classes_of, recipe)
    return values.reshape(scores.shape[:-1])


def _check_labels(labels: ArrayLike, samples: int, classes: int) -> Integers:
    array = np.asarray(labels)
    check_shape("labels", array.shape, (samples,))
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"labels hold {array.dtype}; expected integers")
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(f"labels span {array.min()} to {array.max()}; expected 0 to {classes - 1}")
    return array.astype(np.intp)


def _of_one_model(logits: Floats, labels: Integers, recipe: _Recipe) -> Floats:
    if "taylor" in recipe.kind:
        return _taylor_as_published(logits, labels, recipe) if recipe.as_published else _taylor(logits, labels, recipe)
    if recipe.kind == "logit-scaling" and recipe.as_published:
        return _logit_scaling_as_published(_settle(logits), labels)
    scaled = _settle(logits / recipe.temperature)
    match recipe.kind:
        case "margin":
            runner_up: Floats = _others(scaled, labels).max(axis=1)
            return _of_label(scaled, labels) - runner_up
        case "entropy":
            return _entropy(scaled)
        case "modified-entropy":
            of_batch = _modified_entropy_as_published if recipe.as_published else _modified_entropy
            return of_batch(scaled, labels)
        case _:
            return _from_confidence(_of_label(scaled, labels) - _log_sum_exp(_others(scaled, labels)), recipe)


def _from_confidence(confidence: Floats, recipe: _Recipe) -> Floats:
    """Return what is a function of log(p_y / (1 - p_y)) alone, which keeps its digits where p_y rounds to 0 or 1."""
    if recipe.kind == "logit-scaling":
        return confidence
    shift = recipe.margin if recipe.kind == "soft-margin" else 0.0
    cross_entropy: Floats = np.logaddexp(0.0, shift - confidence)
    if recipe.kind == "cross-entropy":
        return cross_entropy
    probability: Floats = np.exp(-cross_entropy)
    return probability


def _settle(logits: Floats) -> Floats:
    """Return the logits with each row whose largest is infinite put as 0 for those and minus infinity for the rest."""
    largest = logits.max(axis=1, keepdims=True)
    infinite = np.isinf(largest)
    if not infinite.any():
        return logits
    return np.where(infinite, np.where(logits == largest, 0.0, -np.inf), logits)


def _of_label(values: Floats, labels: Integers) -> Floats:
    return values[np.arange(len(labels)), labels]


def _others(logits: Floats, labels: Integers) -> Floats:
    others = logits.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return others


def _log_sum_exp(logits: Floats) -> Floats:
    largest = logits.max(axis=1, keepdims=True)
    # A row of minus infinities sums to log 0; taking the largest from it would be inf - inf.
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        log_sum: Floats = np.log(np.exp(logits - shift).sum(axis=1)) + shift[:, 0]
    return log_sum


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def _entropy(logits: Floats) -> Floats:
    probabilities = _softmax(logits)
    information = -np.log(np.where(probabilities > 0, probabilities, 1.0))
    entropy: Floats = (probabilities * information).sum(axis=1)
    return entropy


def _taylor(logits: Floats, labels: Integers, recipe: _Recipe) -> Floats:
    scaled = logits / recipe.temperature
    own = _of_label(scaled, labels) - (recipe.margin if recipe.kind == "taylor-soft-margin" else 0.0)
    weights = _series(scaled, recipe.order)
    weights[np.arange(len(labels)), labels] = _series(own, recipe.order)
    # A series of even degree goes to plus infinity on both sides, so there a row is shared by its infinite classes.
    infinite = np.isinf(weights)
    weights = np.where(infinite.any(axis=1, keepdims=True), infinite, weights)
    total: Floats = weights.sum(axis=1)
    return _of_label(weights, labels) / total


def _series(power: Floats, degree: int) -> Floats:
    value = np.ones_like(power)
    with np.errstate(over="ignore"):
        for term in range(degree, 0, -1):
            value = 1.0 + power * value / term
    return value


def _taylor_as_published(logits: Floats, labels: Integers, recipe: _Recipe) -> Floats:
    plain = recipe.kind == "taylor"
    scaled = logits if plain else logits / recipe.temperature
    own = _of_label(scaled, labels) - (0.0 if plain else recipe.margin)
    # Infinite logits are NaN here, as in the published code.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        weights = _series_as_published(scaled, recipe.order)
        shifted = _series_as_published(own, recipe.order)
        # In the order of the published code: everybody's sum, less the true class, plus its shifted self.
        total: Floats = weights.sum(axis=1) - _of_label(weights, labels) + shifted
        return shifted / total


def _series_as_published(power: Floats, terms: int) -> Floats:
    value = 1.0 + power
    product = power
    for exponent in range(2, terms):
        product = product * power
        value = value + product / math.factorial(exponent)
    return value


def _logit_scaling_as_published(logits: Floats, labels: Integers) -> Floats:
    wrong = _softmax(logits)
    right = _of_label(wrong, labels)
    wrong[np.arange(len(labels)), labels] = 0.0
    confidence: Floats = np.log(right + PUBLISHED_EPSILON) - np.log(wrong.sum(axis=1) + PUBLISHED_EPSILON)
    return confidence


def _modified_entropy(logits: Floats, labels: Integers) -> Floats:
    rows = np.arange(len(labels))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    total = weights.sum(axis=1, keepdims=True)
    probabilities = weights / total
    complements = 1.0 - probabilities
    # Only the largest probability can be close to 1, where 1 - p would cancel: add up what is left instead.
    top = weights.argmax(axis=1)
    weights[rows, top] = 0.0
    complements[rows, top] = weights.sum(axis=1) / total[:, 0]

    terms = -probabilities * _floored_log(complements, probabilities)
    own, other = probabilities[rows, labels], complements[rows, labels]
    terms[rows, labels] = -other * _floored_log(own, other)
    modified_entropy: Floats = terms.sum(axis=1)
    return modified_entropy


def _modified_entropy_as_published(logits: Floats, labels: Integers) -> Floats:
    probabilities = _softmax(logits)
    logarithms = np.log(np.where(probabilities > 0, probabilities, SMALLEST_PROBABILITY))
    present = np.unique(labels)
    # ``modified_probs[:, labels] = reverse_prob[:, labels]``: whole columns, for every row of the batch.
    modified = probabilities.copy()
    modified[:, present] = 1.0 - probabilities[:, present]
    modified_entropy: Floats = -(modified * logarithms).sum(axis=1)
    return modified_entropy


def _floored_log(probabilities: Floats, complements: Floats) -> Floats:
    """Return log p, from 1 - p where that has more digits."""
    direct = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    return np.where(probabilities > 0.5, np.log1p(-np.minimum(complements, 0.5)), direct)
