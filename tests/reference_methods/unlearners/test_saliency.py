"""SalUn."""

from __future__ import annotations

import numpy as np
import pytest

from harness import UnlearnTask
from reference_methods.unlearners.amun import AmunSalun
from reference_methods.unlearners.relabel import RandomLabels
from reference_methods.unlearners.saliency import SalUn
from tests.reference_methods.unlearners.torch_tasks import torch_task


def test_masked_weights_stay_bit_identical_whatever_the_labels(sample_task: UnlearnTask) -> None:
    before = sample_task.original.parameters()
    for labels in ("fixed", "redrawn"):
        method = SalUn(labels=labels, mask_ratio=0.3)

        after = method.unlearn(sample_task).parameters()

        for name, allowed in method.mask(sample_task).items():
            assert np.array_equal(before[name][~allowed], after[name][~allowed])


def test_with_every_weight_allowed_it_is_random_labels(sample_task: UnlearnTask) -> None:
    salun = SalUn(mask_ratio=1.0, exclude_true=True).unlearn(sample_task).parameters()
    relabelled = RandomLabels().unlearn(sample_task).parameters()

    assert all(np.array_equal(salun[name], relabelled[name]) for name in salun)


def test_labels_come_from_all_classes_by_default() -> None:
    assert not SalUn().exclude_true


def test_the_published_leak_decays_masked_weights() -> None:
    task = torch_task("convolutional", "sample")
    method = SalUn(legacy_leak=True, weight_decay=0.01)
    before, mask = task.original.parameters(), method.mask(task)

    after = method.unlearn(task).parameters()

    masked = np.concatenate([after[name][~mask[name]] / before[name][~mask[name]] for name in mask])
    # Without a gradient, lr 0.01 and momentum 0.9 leave decay alone: every masked weight shrinks by one factor.
    assert masked.max() < 1
    assert masked.min() == pytest.approx(masked.max(), rel=1e-4)


def test_without_decay_there_is_nothing_to_leak() -> None:
    task = torch_task("convolutional", "sample")
    method = SalUn(legacy_leak=True, weight_decay=0.0)
    before, mask = task.original.parameters(), method.mask(task)

    after = method.unlearn(task).parameters()

    assert all(np.array_equal(before[name][~mask[name]], after[name][~mask[name]]) for name in mask)


def test_the_leaking_loop_cannot_redraw_labels() -> None:
    with pytest.raises(ValueError, match="labels must be 'fixed'"):
        SalUn(legacy_leak=True, labels="redrawn")


def test_amun_with_the_mask_keeps_masked_weights(sample_task: UnlearnTask) -> None:
    method, before = AmunSalun(mask_ratio=0.2), sample_task.original.parameters()

    after = method.unlearn(sample_task).model.parameters()

    mask = method.mask(sample_task)
    assert all(np.array_equal(before[name][~mask[name]], after[name][~mask[name]]) for name in mask)
    assert any(not np.array_equal(before[name], after[name]) for name in mask)
