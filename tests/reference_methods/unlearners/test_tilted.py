"""DELETE and TRW."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness import Examples, UnlearnTask
from reference_methods.unlearners.tilted import Delete, TiltedReweighting


def without_retain_term(**settings: float) -> TiltedReweighting:
    delete = Delete()
    return TiltedReweighting(retain_weight=0.0, epochs=delete.epochs, lr=delete.lr, batch_size=delete.batch_size,
                             weight_decay=delete.weight_decay, **settings)


def test_without_tilt_and_retain_term_reweighting_is_delete(class_task: UnlearnTask) -> None:
    reweighting, delete = without_retain_term(beta=0.0).training(class_task), Delete().training(class_task)

    assert np.array_equal(reweighting.data.targets, delete.data.targets)
    assert np.array_equal(reweighting.data.inputs, delete.data.inputs)
    assert reweighting.data.weights is delete.data.weights is None
    assert reweighting.options == delete.options


def test_a_tilt_makes_other_targets(class_task: UnlearnTask) -> None:
    tilted, plain = (without_retain_term(beta=beta).targets(class_task) for beta in (10.0, 0.0))

    assert not np.allclose(tilted, plain)
    assert tilted[:, 1] == pytest.approx(np.zeros(len(tilted)))


def test_delete_gives_the_true_class_nothing_and_keeps_the_odds_of_the_others(class_task: UnlearnTask) -> None:
    forget = class_task.forget
    targets = Delete().training(class_task).data.targets

    logits = class_task.original.logits(forget.inputs)
    assert targets[:, 1] == pytest.approx(np.zeros(len(forget)))
    # The odds span several orders of magnitude in 32 bits.
    assert np.log(targets[:, 0] / targets[:, 2]) == pytest.approx(logits[:, 0] - logits[:, 2], abs=1e-3)


def test_delete_forgets_the_class_without_the_retain_set(class_task: UnlearnTask) -> None:
    unlearned = Delete(lr=0.05).unlearn(attrs.evolve(class_task, retain=None))

    assert (unlearned.logits(class_task.forget.inputs).argmax(axis=1) == 1).mean() < 0.1


def test_reweighting_forgets_the_class_and_keeps_the_others(class_task: UnlearnTask) -> None:
    result = TiltedReweighting(lr=0.05).unlearn(class_task)

    def accuracy(examples: Examples) -> float:
        return float((result.model.logits(examples.inputs).argmax(axis=1) == examples.labels).mean())

    assert accuracy(class_task.forget) < 0.1
    assert accuracy(class_task.retain) > 0.95


def test_each_term_of_reweighting_is_a_mean_over_its_own_set(class_task: UnlearnTask) -> None:
    data = TiltedReweighting(retain_weight=0.5).training(class_task).data

    forgotten = len(class_task.forget)
    assert data.weights[:forgotten].sum() / len(data) == pytest.approx(1)
    assert data.weights[forgotten:].sum() / len(data) == pytest.approx(0.5)


def test_reweighting_can_train_on_a_part_of_the_retain_set(class_task: UnlearnTask) -> None:
    data = TiltedReweighting(retain_samples=10).training(class_task).data

    assert len(data) == len(class_task.forget) + 10


def test_rows_of_reweighting_are_marked_as_a_reconstruction(class_task: UnlearnTask) -> None:
    assert TiltedReweighting.reconstruction
    assert "RECONSTRUCTION" in str(TiltedReweighting.__doc__)
    assert TiltedReweighting().unlearn(class_task).facts == {"reconstruction": 1.0}
    assert TiltedReweighting.aliases == ("trew", "rwft")
