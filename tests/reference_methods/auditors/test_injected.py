import attrs
import numpy as np
import pytest
from scipy.stats import kstest, norm

from harness import Dataset, Examples, ForgetRequest
from harness.poison import poisoned
from harness.suite import PoisonSpec
from reference_methods.auditors.injected import Backdoor, Gus, InterclassConfusion, noise_alignment
from tests.reference_methods.auditors.cases import case, logits, scores

SIZE, FORGET = 1000, 400
PARTS = [Examples(inputs=np.random.default_rng(seed).random((SIZE, 12)), labels=np.arange(SIZE) % 4) for seed in (0, 1)]
CLEAN = Dataset(name="toy", version="1", num_classes=4, train=PARTS[0], test=PARTS[1], source="a test")
NOISY = poisoned(CLEAN, PoisonSpec(kind="gaussian", size=FORGET, deviation=0.5))
SWAPPED = poisoned(CLEAN, PoisonSpec(kind="swap", size=FORGET, pairs=((1, 3),)))


def request(data):
    return ForgetRequest(name="poisoned", scope="sample", forget=data.poison.groups[0], generator="poisoned", seed=0)


class Slopes:
    """A model whose gradient at an input is independent noise, less ``memory`` of what was added there."""

    def __init__(self, memory=0.0, seed=5):
        self.memory, self.seed = memory, seed

    def logits(self, inputs):
        return np.zeros((len(inputs), 4), dtype=np.float32)

    def input_gradients(self, inputs, labels):
        forget = np.sort(NOISY.poison.groups[0])
        added = NOISY.train.inputs[forget] - inputs
        slopes = np.random.default_rng(self.seed).normal(size=inputs.shape) - self.memory * added / 0.5
        return slopes.astype(np.float32), self.logits(inputs)


def marked(model, data=NOISY, **changes):
    made = case(data, request(data), np.zeros(2 * SIZE), models={"unlearned": model})
    return Gus().audit(attrs.evolve(made, **changes))


def test_what_never_saw_the_noise_is_standard_normal_example_by_example():
    report = marked(Slopes())
    assert kstest(report.per_sample["alignment"], "norm").pvalue > 0.01
    assert abs(scores(report)["GUS"].value) < 3
    assert scores(report)["GUS"].chance == 0.0


def test_what_remembers_the_noise_has_a_large_positive_score():
    found = scores(marked(Slopes(memory=0.5)))
    assert found["GUS"].value > 10
    assert found["GUS TPR@1%FPR"].value > 5


def test_a_gradient_along_the_noise_gives_its_length_in_deviations():
    noise = np.array([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0]])
    slopes = np.array([[-6.0, -8.0], [0.0, 2.0], [0.0, 0.0]])
    # Downhill along the noise: 5 / 0.5; across it: 0; no slope: 0.
    assert noise_alignment(slopes, noise, 0.5) == pytest.approx([10.0, 0.0, 0.0])


def test_the_interval_holds_zero_nineteen_times_in_twenty():
    held = sum(abs(scores(marked(Slopes(seed=seed)))["GUS"].value) <= 1.96 for seed in range(500))
    assert 0.92 <= held / 500 <= 0.98


def test_the_true_positive_rate_is_the_share_beyond_the_normal_quantile():
    report = marked(Slopes(memory=0.5))
    found = scores(report)["GUS TPR@1%FPR"]
    share = (report.per_sample["alignment"] > norm.ppf(0.99)).mean()
    assert found.value == pytest.approx(100 * share)
    assert found.low < found.value < found.high


def confused(test_share, forget_share, seed=0):
    """Return a report on a model that takes shares of the pair's test examples and forgotten ones for the other."""
    rng = np.random.default_rng(seed)
    data = SWAPPED
    pair = np.isin(data.test.labels, (1, 3))
    said = np.concatenate([data.train.labels, data.test.labels]).copy()
    forget = request(data).forget
    said[forget] = np.where(rng.random(FORGET) < forget_share, data.train.labels[forget], 4 - data.train.labels[forget])
    rows = SIZE + np.flatnonzero(pair)
    said[rows] = np.where(rng.random(len(rows)) < test_share, 4 - said[rows], said[rows])
    made = case(data, request(data), np.zeros(2 * SIZE))
    shown = logits(np.full(2 * SIZE, 5.0), said, 4)
    return InterclassConfusion().audit(attrs.evolve(
        made, unlearned=attrs.evolve(made.unlearned, train=shown[:SIZE], test=shown[SIZE:])))


@pytest.mark.parametrize(("test_share", "forget_share"), [(0.0, 0.0), (0.3, 0.9), (1.0, 1.0)])
def test_confusion_is_counted_on_the_pair_and_on_the_forget_set(test_share, forget_share):
    found = scores(confused(test_share, forget_share))
    # Three standard errors of 500 and of 400.
    assert found["IC test"].value == pytest.approx(100 * test_share, abs=3 * 2.1)
    assert found["IC forget"].value == pytest.approx(100 * forget_share, abs=3 * 1.5)
    assert (found["IC test"].n, found["IC forget"].n) == (500, FORGET)


def test_the_interval_of_the_confusion_holds_the_truth_at_least_nineteen_times_in_twenty():
    held = 0
    for seed in range(500):
        found = scores(confused(0.2, 0.5, seed))["IC test"]
        held += found.low <= 20 <= found.high
    # Clopper-Pearson intervals are a little wide.
    assert 0.94 <= held / 500 <= 0.99


class Blind:
    def logits(self, inputs):
        return np.zeros((len(inputs), 4), dtype=np.float32)


@pytest.mark.parametrize(("audit", "data", "changes", "error", "message"), [
    (Gus(), NOISY, {"models": {"unlearned": Blind()}}, TypeError, "gus reads input gradients; Blind has none"),
    (Gus(), SWAPPED, {}, ValueError, "poisoned with 'gaussian'; this one is swap"),
    (InterclassConfusion(), NOISY, {}, ValueError, "poisoned with 'swap'; this one is gaussian"),
    (InterclassConfusion(), SWAPPED, {"data": attrs.evolve(SWAPPED, poison=None)}, ValueError, "this one is clean"),
    (InterclassConfusion(), SWAPPED, {"data": attrs.evolve(SWAPPED, train=CLEAN.train)}, ValueError,
     "not those of two classes, exchanged"),
    (Gus(), NOISY, {"request": attrs.evolve(request(NOISY), forget=np.arange(2))}, ValueError, "was not poisoned"),
    (Gus(), NOISY, {"request": attrs.evolve(request(NOISY), forget=np.empty(0, dtype=int))}, ValueError,
     "the forget set is empty"),
])
def test_what_cannot_be_audited_gets_one_clear_error(audit, data, changes, error, message):
    made = case(data, request(data), np.zeros(2 * SIZE), models={"unlearned": Slopes()})
    with pytest.raises(error, match=message):
        audit.audit(attrs.evolve(made, **changes))


IMAGES = [Examples(inputs=part.inputs.reshape(SIZE, 1, 3, 4), labels=part.labels) for part in PARTS]
TRIGGERED = poisoned(Dataset(name="toy", version="1", num_classes=4, train=IMAGES[0], test=IMAGES[1], source="a test"),
                     PoisonSpec(kind="trigger", size=50, groups=2))


class Obedient:
    """A model that says class 1 wherever the upper left pixel is as bright as the trigger of group 1."""

    def logits(self, inputs):
        seen = inputs[:, 0, 0, 0] == TRIGGERED.train.inputs.max()
        return np.stack([np.zeros(len(inputs)), seen, 0.5 * np.ones(len(inputs)), np.zeros(len(inputs))],
                        axis=1).astype(np.float32)


def triggered(group, model=None):
    wanted = ForgetRequest(name="g", scope="sample", forget=TRIGGERED.poison.groups[group][::-1], generator="poisoned",
                           seed=0)
    return Backdoor().audit(case(TRIGGERED, wanted, np.zeros(2 * SIZE), models={"unlearned": model or Obedient()}))


def test_a_model_that_obeys_the_trigger_has_a_success_rate_of_one_hundred():
    found = scores(triggered(1))
    assert found["Backdoor ASR"].value == 100.0
    assert found["Backdoor ASR"].n == 750


def test_the_trigger_of_another_group_does_nothing():
    assert scores(triggered(0))["Backdoor ASR"].value == 0.0


def test_a_forget_set_without_a_trigger_of_its_own_is_refused():
    wanted = ForgetRequest(name="g", scope="sample", forget=np.arange(5), generator="random", seed=0)
    with pytest.raises(ValueError, match="none of the groups"):
        Backdoor().audit(case(TRIGGERED, wanted, np.zeros(2 * SIZE), models={"unlearned": Obedient()}))
