"""From a bank of candidates to the report of ``kkt``."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Score
from reference_methods.auditors.kkt.evidence import PUBLISHED_THRESHOLDS, Evidence, evidence, verified
from reference_methods.auditors.kkt.matching import Matches, explained_shares, nearest, whitening
from reference_methods.auditors.kkt.ssim import ssim, stretched
from reference_methods.auditors.kkt.training import margins
from reference_methods.auditors.kkt.unseen import HeldOut

Array = NDArray[np.float64]

_SHOWN = 12
# What the rank tests are of, with the prefixes of their scores.
_STATISTICS = {"correlation": "KKT", "whitened": "KKT white", "span": "KKT span"}


@frozen(kw_only=True, eq=False)
class Recovered:
    """What the weights gave away.

    Attributes:
        bank: (M, D) candidates.
        basis: (r, D) orthonormal basis of the first layer's span, see `image_span`.
    """

    bank: NDArray[Any]
    basis: NDArray[Any]


@frozen(kw_only=True, eq=False)
class Similarities:
    """How near images are to the bank, larger for nearer.

    Attributes:
        train: (N,) of the training set.
        unseen: (U,) of the never-seen images.
    """

    train: Array
    unseen: Array


@frozen(kw_only=True, eq=False)
class Nearness:
    """The bank seen from every image.

    Attributes:
        correlation: without the mean image.
        whitened: of whitened pixels.
        span: share of each image that the span of the first layer explains, which needs no candidate.
        ssim: with the candidate of the best correlation, both stretched to full contrast, the mean image added.
        recovered: (N, D) nearest candidate of each training image.
        low: (D,) smallest value of each pixel: what "black" is.
    """

    correlation: Similarities
    whitened: Similarities
    span: Similarities
    ssim: Similarities
    recovered: Array
    low: Array


@frozen(kw_only=True, eq=False)
class Group:
    """Training images and the never-seen ones that they are compared with, as indices (K,) and as a mask (U,)."""

    train: NDArray[np.int64]
    unseen: NDArray[np.bool_]


def make_report(case: AuditCase, held_out: HeldOut, recovered: Recovered, notes: dict[str, Any]) -> AuditReport:
    """Return the report on a bank of at least one candidate."""
    near = nearness(case, held_out, recovered)
    forget, kept = groups(case, held_out)
    found = {name: tuple(_compare(case, held_out, getattr(near, name), group) for group in (forget, kept))
             for name in _STATISTICS}
    scores = (
        _bank_score(case, len(recovered.bank)),
        *(score for name, title in _STATISTICS.items() for score in _auc_scores(title, *found[name])),
        *_mean_scores(near.correlation, forget, kept),
        *_v_scores(near.ssim.train[forget.train]),
    )
    per_sample: dict[str, NDArray[Any]] = {
        f"{part}_{name}": getattr(getattr(near, name), part) for name in (*_STATISTICS, "ssim")
        for part in ("train", "unseen")}
    per_sample |= {"unseen_indices": held_out.unseen,
                   "recovered": near.recovered.reshape(case.data.train.inputs.shape).astype(np.float32)}
    facts = {"fisher": {name: forgotten.combined for name, (forgotten, _) in found.items()},
             "kept_p": {name: retained.p_value for name, (_, retained) in found.items()},
             "ssim": "gaussian-3, stretched", "never_seen": len(held_out.unseen)}
    figures = {"recovered.png": _sheet(case, near), "margins.png": _margin_plot(case, near.correlation)}
    return AuditReport(scores=scores, per_sample=per_sample, notes={**notes, **facts}, figures=figures)


def empty_report(case: AuditCase, reason: str, notes: dict[str, Any]) -> AuditReport:
    """Return the report where nothing could be recovered, which is no evidence that anything was forgotten."""
    return AuditReport(scores=(_bank_score(case, 0),), notes={"inconclusive": reason, **notes})


def nearness(case: AuditCase, held_out: HeldOut, recovered: Recovered) -> Nearness:
    """Return how near every training and never-seen image is to what was recovered."""
    images, bank = _flat(case.data.train.inputs), _flat(recovered.bank)
    unseen, public = (_flat(case.data.test.inputs[rows]) for rows in (held_out.unseen, held_out.public))
    white, low = whitening(public), public.min(axis=0)
    white_bank, basis = white.view(bank), np.asarray(recovered.basis, dtype=np.float64)
    # Without the mean image: all images resemble it, whatever the model has seen.
    of_train, of_unseen = (nearest(some - white.mean, bank - white.mean) for some in (images, unseen))
    return Nearness(
        correlation=Similarities(train=of_train.correlation, unseen=of_unseen.correlation),
        whitened=Similarities(train=nearest(white.view(images), white_bank).correlation,
                              unseen=nearest(white.view(unseen), white_bank).correlation),
        span=Similarities(train=explained_shares(images, basis, white), unseen=explained_shares(unseen, basis, white)),
        ssim=Similarities(train=_ssim(case, images - low, bank - low, of_train),
                          unseen=_ssim(case, unseen - low, bank - low, of_unseen)),
        recovered=bank[of_train.candidate], low=low)


def groups(case: AuditCase, held_out: HeldOut) -> tuple[Group, Group]:
    """Return the forget set and the retain set beside their never-seen images.

    In a class request each is compared with images of its own classes.
    """
    forgotten = others = np.ones(len(held_out.unseen), dtype=bool)
    if case.request.scope == "class":
        forgotten = np.isin(case.data.test.labels[held_out.unseen], case.request.classes)
        others = ~forgotten
    return Group(train=case.request.forget, unseen=forgotten), Group(train=case.retain, unseen=others)


def _compare(case: AuditCase, held_out: HeldOut, values: Similarities, group: Group) -> Evidence:
    return evidence(values.train[group.train], values.unseen[group.unseen], case.data.train.labels[group.train],
                    case.data.test.labels[held_out.unseen][group.unseen])


def _bank_score(case: AuditCase, size: int) -> Score:
    return Score(name="KKT bank", value=size, n=len(case.data.train), unit="candidates", target="higher")


def _auc_scores(prefix: str, forget: Evidence, kept: Evidence) -> tuple[Score, ...]:
    return (
        Score(name=f"{prefix} AUC", value=forget.auc, low=forget.low, high=forget.high,
              standard_error=forget.standard_error, n=len(forget.per_sample), unit="auc", chance=0.5),
        Score(name=f"{prefix} p", value=forget.p_value, n=len(forget.per_sample), unit="p"),
        Score(name=f"{prefix} kept AUC", value=kept.auc, low=kept.low, high=kept.high,
              standard_error=kept.standard_error, n=len(kept.per_sample), unit="auc", chance=0.5),
    )


def _mean_scores(values: Similarities, forget: Group, kept: Group) -> tuple[Score, ...]:
    return tuple(Score(name=f"KKT corr {name}", value=float(group.mean()), n=len(group), unit="correlation")
                 for name, group in (("forget", values.train[forget.train]), ("kept", values.train[kept.train]),
                                     ("unseen", values.unseen[forget.unseen])))


def _v_scores(similarities: Array) -> tuple[Score, ...]:
    return tuple(Score(name=f"KKT V {tau:g}", value=100 * verified(similarities, tau), n=len(similarities), unit="%")
                 for tau in PUBLISHED_THRESHOLDS)


def _flat(images: NDArray[Any]) -> Array:
    return np.asarray(images, dtype=np.float64).reshape(len(images), -1)


def _ssim(case: AuditCase, images: Array, bank: Array, matches: Matches) -> Array:
    shape = (len(images), *case.data.input_shape)
    return ssim(stretched(images.reshape(shape)), stretched(bank[matches.candidate].reshape(shape)))


def _sheet(case: AuditCase, near: Nearness) -> bytes:
    from reference_methods.auditors.kkt.sheet import Strip, picture_sheet

    shape, strips = (-1, *case.data.input_shape), []
    for name, group in (("forget", case.request.forget[:_SHOWN]), ("kept", case.retain[:_SHOWN])):
        captions = [f"{near.correlation.train[i]:.2f} {near.ssim.train[i]:.2f}" for i in group]
        originals = _flat(case.data.train.inputs[group]) - near.low
        strips += [Strip(title=name, images=originals.reshape(shape), captions=[""] * len(group)),
                   Strip(title="recovered", images=(near.recovered[group] - near.low).reshape(shape),
                         captions=captions)]
    return picture_sheet(strips)


def _margin_plot(case: AuditCase, values: Similarities) -> bytes:
    from reference_methods.auditors.kkt.sheet import scatter_plot

    distance = margins(case.unlearned.train.astype(np.float64), case.data.train.labels)
    groups = [(name, colour, distance[rows], values.train[rows]) for name, colour, rows in (
        ("retain", "steelblue", case.retain), ("forget", "crimson", case.request.forget))]
    return scatter_plot(groups, "margin", "correlation")
