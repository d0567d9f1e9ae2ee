"""What a search minimises, in each of its two tracks. Both are means of absolute gaps in percentage points.

``oracle-tuned`` is what papers do: the Avg Gap of the suite, to models retrained without the forget set, measured with
the test set and the references. ``deployable`` is what somebody can do who retrains nothing: see `stand_in_gap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from harness.audits import Signals
from harness.data import Dataset, Floats, Integers
from harness.errors import BadSetting
from harness.forget_sets import losses_from_logits
from harness.record import CellRecord
from harness.statistics import auc
from harness.suite import RequestSpec
from harness.tasks import ForgetRequest

Track = Literal["oracle-tuned", "deployable"]
CRITERION = "average-gap"
HELD_OUT = 0.1


def average_gap(cell: CellRecord) -> dict[str, float]:
    """Return the scores of an audited model by name, the criterion first."""
    scores = {score.name: score.value for scores in cell.scores.values() for score in scores}
    return {"Avg Gap": scores.pop("Avg Gap"), **scores}


def stand_in_gap(unlearned: Signals, original: Signals, data: Dataset, request: ForgetRequest) -> dict[str, float]:
    """Return the gaps of one model to what held-out samples say a retrained one would do; their mean first.

    ``data.test`` is a part of the training set on which no model was trained. Four gaps, in points:

    ``forget``    accuracy on D_F, to the original's accuracy on held-out samples like D_F: a model that never saw D_F
                  knows it no better. A whole class has none like it, and is known not at all: 0.
    ``retain``    accuracy on D_R, to the original's.
    ``held-out``  accuracy on held-out samples that are not of a forgotten class, to the original's.
    ``inferred``  AUC of the loss between D_F and held-out samples like it, to 50.

    Samples like D_F are the held-out ones of its classes for a class request, and all of them for a random one.
    """
    retain = request.retain_mask(len(data.train))
    forgotten = np.isin(data.test.labels, request.classes)
    like = forgotten if request.classes else np.ones(len(data.test), dtype=bool)
    labels, unseen = data.train.labels, data.test.labels
    known = 0.0 if request.classes else _accuracy(original.test[like], unseen[like])
    gaps = {
        "forget": abs(_accuracy(unlearned.train[~retain], labels[~retain]) - known),
        "retain": abs(_accuracy(unlearned.train[retain], labels[retain])
                      - _accuracy(original.train[retain], labels[retain])),
        "held-out": abs(_accuracy(unlearned.test[~forgotten], unseen[~forgotten])
                        - _accuracy(original.test[~forgotten], unseen[~forgotten])),
        "inferred": abs(100 * auc(-losses_from_logits(unlearned.train[~retain], labels[~retain]),
                                  -losses_from_logits(unlearned.test[like], unseen[like])) - 50),
    }
    return {"stand-in gap": float(np.mean(list(gaps.values()))), **gaps}


def check_stand_in(spec: RequestSpec) -> None:
    """Refuse requests for which no held-out sample is like the forgotten ones.

    Raises:
        BadSetting: for forget sets chosen by their losses.
    """
    if spec.generator not in ("random", "class"):
        raise BadSetting(f"--track deployable: '{spec.generator}' chooses samples by how well they were learnt, and no "
                         "held-out sample is like these; use --track oracle-tuned")


def saw(track: Track, originals: int, requests: int) -> str:
    """Return what a search of this size could see, in words."""
    models = f"{_count(originals, 'original')} x {_count(requests, 'forget set')} of another seed"
    if track == "oracle-tuned":
        return f"oracles, test set and references, on {models}"
    return f"no oracle, no test set: {models}, {100 * HELD_OUT:.0f} % of the training set held out"


def means(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each number over several models."""
    return {name: float(np.mean([one[name] for one in parts])) for name in parts[0]}


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _accuracy(logits: Floats, labels: Integers) -> float:
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))
