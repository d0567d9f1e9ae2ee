import attrs
import numpy as np
import pytest

from reference_methods.auditors.relearn import RelearnTime
from tests.reference_methods.auditors.cases import case, class_request, dataset, scores

DATA = dataset(60, 30)
REQUEST = class_request(DATA)


class Learns:
    """A model that knows class 1 once it has been trained for ``missing`` more steps, and writes down on what."""

    def __init__(self, missing, seen=None):
        self.missing = missing
        self.seen = [] if seen is None else seen

    def logits(self, inputs):
        return np.tile([0.0, 1.0 if self.missing <= 0 else -1.0, 0.0], (len(inputs), 1)).astype(np.float32)

    def fit(self, data, options, seed, mask=None):
        self.seen.append((data, options, seed))
        return Learns(self.missing - 1, self.seen)


AUDIT = RelearnTime(most=50, batch_size=8)


def audited(own, *oracles):
    models = {"unlearned": own, **{f"oracle-{k}": model for k, model in enumerate(oracles)}}
    return AUDIT.audit(attrs.evolve(case(DATA, REQUEST, np.zeros(90)), models=models))


@pytest.mark.parametrize(("own", "index"), [(10, 1.0), (0, 0.0), (5, 0.5), (20, 2.0)])
def test_the_index_is_the_ratio_of_steps(own, index):
    found = scores(audited(Learns(own), Learns(8), Learns(12)))
    assert found["AIN"].value == pytest.approx(index)
    assert found["Relearn steps"].value == own
    assert found["AIN"].chance == 1.0


def test_training_is_on_batches_of_the_forget_set_with_plain_sgd_and_the_same_seeds_for_all():
    own, oracle = Learns(5), Learns(5)
    audited(own, oracle)
    assert [seed for _, _, seed in own.seen] == [seed for _, _, seed in oracle.seen]
    assert {tuple(data.targets) for data, _, _ in own.seen} <= {(1,) * n for n in range(1, 9)}
    assert {(options.epochs, options.momentum, options.optimizer) for _, options, _ in own.seen} == {(1, 0.0, "sgd")}
    # Three repeats of five steps; an epoch of twenty examples has three batches, so each example comes once in three.
    first = np.concatenate([data.inputs[:, 0] for data, _, _ in own.seen[:3]])
    assert sorted(first) == sorted(REQUEST.forget)


def test_a_model_that_never_relearns_counts_as_the_limit_and_is_said_to():
    report = audited(Learns(10_000), Learns(25))
    assert scores(report)["AIN"].value == pytest.approx(2.0)
    assert report.notes["runs that stopped at the limit"] == 3


def test_oracles_that_know_the_class_already_leave_the_index_undefined():
    with pytest.raises(ValueError, match="the oracles already have 95 % on the forget set"):
        audited(Learns(5), Learns(0))


def test_without_an_oracle_there_is_nothing_to_compare_with():
    with pytest.raises(ValueError, match="there is none beside the audited model"):
        audited(Learns(5))


class Fixed:
    def logits(self, inputs):
        return np.zeros((len(inputs), 3), dtype=np.float32)


def test_a_model_that_cannot_be_trained_is_told():
    with pytest.raises(TypeError, match="Fixed cannot be trained"):
        audited(Fixed(), Learns(3))
