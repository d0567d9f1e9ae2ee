"""Loss and margins from logits."""

import numpy as np
import pytest

from reference_methods.auditors.kkt.training import margins, training_facts

LOGITS = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0], [1000.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
LABELS = np.array([0, 1, 0, 0])


def test_margins_are_to_the_largest_other_logit():
    assert margins(LOGITS, LABELS).tolist() == [1.0, 3.0, 1000.0, -1.0]


def test_facts_are_of_the_retain_set():
    facts = training_facts(LOGITS, LABELS, np.array([True, True, True, False]))

    losses = [np.log(1 + np.exp(-2) + np.exp(-1)), np.log(1 + np.exp(-3) + np.exp(-4)), 0.0]
    assert facts.loss == pytest.approx(np.mean(losses))
    assert (facts.margin_min, facts.margin_median, facts.forget_margin_median) == (1.0, 3.0, -1.0)
