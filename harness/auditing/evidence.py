"""What an audit of one model rests on: the data, the request, and the models that it is compared with."""

from __future__ import annotations

import attrs
import numpy as np
from attrs import field, frozen

from harness.audits import References, Signals
from harness.data import Dataset, Examples, Floats, Integers
from harness.digests import digest_arrays
from harness.errors import DataError
from harness.models import Model
from harness.tasks import ForgetRequest

REPEATED = 32


@frozen(kw_only=True, eq=False)
class Answers:
    """What one model says of the data.

    Attributes:
        name: its URI, or its stage in words.
        signals: its logits.
        model: the model itself, or None where only its answers are at hand.
        unsteadiness: largest difference between a logit and the same one asked again in another batch; None when it
            was not asked again.
    """

    name: str
    signals: Signals
    model: Model | None = None
    unsteadiness: float | None = None


@frozen(kw_only=True, eq=False)
class Evidence:
    """Everything that audits of one model may read.

    Attributes:
        data: the data set, without examples that are in neither set.
        request: what was to be forgotten.
        audited: the model under audit.
        original: the model that it was made from, if known.
        oracles: models retrained without the forget set.
        references: models trained on random halves of the pool.
    """

    data: Dataset
    request: ForgetRequest
    audited: Answers
    original: Answers | None = None
    oracles: tuple[Answers, ...] = ()
    references: References | None = None


@frozen(kw_only=True, eq=False)
class Selection:
    """Which examples of a data set take part; the forget request already counts within them.

    Attributes:
        whole: the data set as loaded.
        train, test: (N,) and (T,) indices into its two sets.
        request: with indices into the selected training set.
    """

    whole: Dataset
    train: Integers
    test: Integers
    request: ForgetRequest
    data: Dataset = field()

    @data.default
    def _selected(self) -> Dataset:
        return attrs.evolve(self.whole, train=_take(self.whole.train, self.train),
                            test=_take(self.whole.test, self.test))

    def of(self, signals: Signals) -> Signals:
        """Return the rows of signals on the whole data set that take part."""
        return Signals(train=signals.train[self.train], test=signals.test[self.test], digest=signals.digest)

    def of_references(self, references: References) -> References:
        """Return the columns of references of the whole pool that take part."""
        columns = np.concatenate([self.train, len(self.whole.train) + self.test])
        return References(logits=references.logits[:, columns], membership=references.membership[:, columns],
                          digest=references.digest)


def _take(examples: Examples, rows: Integers) -> Examples:
    return examples if len(rows) == len(examples) else examples.take(rows)


def select(whole: Dataset, forget: Integers, retain: Integers | None = None, test: Integers | None = None) -> Selection:
    """Return the examples that take part: the forget and the retain set, and the test set.

    A forget set that is exactly the training examples of some classes is a class request.

    Args:
        whole: the data set.
        forget: sorted indices into its training set.
        retain: the same; everything else when None.
        test: sorted indices into its test set; all when None.

    Raises:
        DataError: if an example is to be both forgotten and retained, or nothing is retained.
    """
    size = len(whole.train)
    kept = np.setdiff1d(np.arange(size), forget) if retain is None else retain
    both = np.intersect1d(forget, kept)
    if both.size:
        raise DataError(f"training example {both[0]} is in the forget set and in the retain set")
    if not kept.size:
        raise DataError(f"the forget set is all of the {size} training examples; nothing is left to retain")
    train = np.union1d(forget, kept)
    classes = np.unique(whole.train.labels[forget])
    is_class = np.array_equal(train[np.isin(whole.train.labels[train], classes)], forget)
    request = ForgetRequest(
        name="given", scope="class" if is_class else "sample", forget=np.searchsorted(train, forget),
        classes=tuple(map(int, classes)) if is_class else (), generator="given", seed=0)
    return Selection(whole=whole, train=train, test=np.arange(len(whole.test)) if test is None else test,
                     request=request)


def ask(name: str, model: Model, data: Dataset) -> Answers:
    """Return what ``model`` says of ``data``, and how far it contradicts itself when asked again.

    Raises:
        DataError: if its logits have another shape than expected, or are not finite.
    """
    train, test = (_checked(name, model.logits(part.inputs), len(part), data.num_classes)
                   for part in (data.train, data.test))
    # In another order and in less company; a copy, since PyTorch takes no reversed views.
    repeated = min(REPEATED, (len(test) + 1) // 2)
    backward = np.ascontiguousarray(data.test.inputs[:repeated][::-1])
    again = _checked(name, model.logits(backward), repeated, data.num_classes)
    return Answers(name=name, model=model, unsteadiness=float(np.abs(again[::-1] - test[:repeated]).max()),
                   signals=Signals(train=train, test=test, digest=digest_arrays(train, test)))


def _checked(name: str, logits: Floats, count: int, num_classes: int) -> Floats:
    array = np.asarray(logits, dtype=np.float32)
    if array.shape != (count, num_classes):
        raise DataError(f"{name} answers {count} inputs with logits of shape {array.shape}, "
                        f"expected ({count}, {num_classes})")
    broken = int(np.count_nonzero(~np.isfinite(array).all(axis=1)))
    if broken:
        raise DataError(f"{name} answers {broken} of {count} inputs with NaN or infinity")
    return array
