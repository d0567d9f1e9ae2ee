"""What the paper compares reconstruction with: a membership attack's success rate, and model inversion."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Needs, Scope, Score
from harness.models import InputDifferentiable
from harness.statistics import clopper_pearson
from reference_methods.auditors.kkt.matching import standardised

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@frozen(kw_only=True)
class Ina:
    """INA, the success rate of a membership attack: share of the forget set that it takes for members, in per cent.

    Reference models show how sure a model is of the true class of what it has and has not seen; per class, the
    threshold that tells the two apart best is then used on the audited model. The paper reads INA = TP / (TP + FN) alone
    and expects 0 after unlearning. It cannot be: a model that generalises is sure of images it has never seen, too. So
    the same rate of test images, which are no members, stands beside it as ``INA test``.

    Source: "UnlearnGuard", section V-A, after Shokri et al. 2017 (arXiv:1610.05820) with one feature.
    """

    name: ClassVar[str] = "ina"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset()
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """The suite's references."""
        return Needs(references=-1)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the rates of forget set, retain set and test set.

        Raises:
            ValueError: if there are no references.
        """
        if case.references is None:
            raise ValueError("ina: the case has no references; it needs models that saw random halves of the pool")
        labels = np.concatenate([case.data.train.labels, case.data.test.labels])
        known = confidences(case.references.logits, labels)
        own = confidences(case.unlearned.pool[None], labels)[0]
        thresholds = np.zeros(case.data.num_classes)
        for label in np.unique(labels):
            rows = labels == label
            thresholds[label] = best_threshold(known[:, rows], case.references.membership[:, rows])
        taken = own >= thresholds[labels]
        size = len(case.data.train)
        return AuditReport(
            scores=(_rate("INA", taken[case.request.forget]), _rate("INA retain", taken[case.retain]),
                    _rate("INA test", taken[size:])),
            per_sample={"taken": taken}, notes={"thresholds": thresholds.tolist()})


def confidences(logits: NDArray[np.float32], labels: Integers) -> Array:
    """Return (M, P) probabilities of the true class from logits (M, P, C)."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=2, keepdims=True)
    own = np.take_along_axis(shifted, np.broadcast_to(labels[None, :, None], (*wide.shape[:2], 1)), axis=2)[..., 0]
    probabilities: Array = np.exp(own) / np.exp(shifted).sum(axis=2)
    return probabilities


def best_threshold(values: Array, members: NDArray[np.bool_]) -> float:
    """Return the threshold at or above which members are most accurately said to lie, the smallest of equals.

    Args:
        values: any shape.
        members: which of them are members' values.
    """
    order = np.argsort(values, axis=None)
    sorted_values, sorted_members = values.ravel()[order], members.ravel()[order]
    # Calling everything from position k on a member is right for members behind it and for others before it.
    others_before = np.concatenate([[0], np.cumsum(~sorted_members)[:-1]])
    members_behind = np.cumsum(sorted_members[::-1])[::-1]
    first_of_equals = np.concatenate([[True], sorted_values[1:] > sorted_values[:-1]])
    right = np.where(first_of_equals, others_before + members_behind, -1)
    return float(sorted_values[right.argmax()])


def _rate(name: str, taken: NDArray[np.bool_]) -> Score:
    interval = clopper_pearson(int(taken.sum()), len(taken))
    return Score(name=name, value=100 * interval.value, low=100 * interval.low, high=100 * interval.high,
                 n=len(taken), unit="%")


@frozen(kw_only=True)
class ModelInversion:
    """Class representatives by gradient descent on the input: does a forgotten class still have a face?

    From the mean of the test images, the input is moved until the model is surest of the class. ``Inversion corr`` is
    the correlation, without the mean image, of the representatives of the forgotten classes with the means of their
    test images; after class unlearning they should show nothing of the class. It says nothing about single samples.

    Attributes:
        steps: of descent.
        rate: largest change of a pixel in one step, as a share of the range of pixels.

    Source: Fredrikson et al. 2015, as used by Graves et al. 2021 (arXiv:2010.10981) and in "UnlearnGuard", section V-A.
    """

    steps: int = field(default=100, validator=validators.ge(1))
    rate: float = field(default=0.02, validator=validators.gt(0))

    name: ClassVar[str] = "model-inversion"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"input-gradients"})
    scopes: ClassVar[tuple[Scope, ...]] = ("class",)

    @property
    def needs(self) -> Needs:
        """The model itself."""
        return Needs(models=True)

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the correlations of forgotten and retained classes, and the representatives as a figure.

        Raises:
            TypeError: if the model has no input gradients.
        """
        model = case.models["unlearned"]
        if not isinstance(model, InputDifferentiable):
            raise TypeError(f"model-inversion reads input gradients; {type(model).__name__} has none")
        test = case.data.test
        classes = np.unique(test.labels)
        mean, low, high = test.inputs.mean(axis=0), test.inputs.min(axis=0), test.inputs.max(axis=0)
        images = np.repeat(mean[None], len(classes), axis=0)
        step = self.rate * float((high - low).max())
        for _ in range(self.steps):
            gradients, _ = model.input_gradients(images, classes)
            largest = np.abs(gradients).reshape(len(classes), -1).max(axis=1).reshape(-1, *[1] * mean.ndim)
            moved = images - step * np.divide(gradients, largest, out=np.zeros_like(gradients), where=largest > 0)
            images = np.clip(moved, low, high)
        means = np.stack([test.inputs[test.labels == label].mean(axis=0) for label in classes])
        alike = (standardised(_flat(images - mean)) * standardised(_flat(means - mean))).sum(axis=1)
        forgotten = np.isin(classes, case.request.classes)
        scores = [Score(name=f"Inversion corr{suffix}", value=float(alike[rows].mean()), n=int(rows.sum()),
                        unit="correlation")
                  for suffix, rows in (("", forgotten), (" kept", ~forgotten)) if rows.any()]
        return AuditReport(scores=tuple(scores), per_sample={"representatives": images, "correlation": alike},
                           figures=_figures(images - low, classes, alike))


def _flat(images: NDArray[np.float32]) -> Array:
    return images.reshape(len(images), -1).astype(np.float64)


def _figures(images: NDArray[np.float32], classes: Integers, alike: Array) -> dict[str, bytes]:
    if images.ndim != 4:
        return {}
    from reference_methods.auditors.kkt.sheet import Strip, picture_sheet

    captions = [f"{label}: {value:.2f}" for label, value in zip(classes, alike, strict=True)]
    strip = Strip(title="representatives", images=images.astype(np.float64), captions=captions)
    return {"representatives.png": picture_sheet([strip])}
