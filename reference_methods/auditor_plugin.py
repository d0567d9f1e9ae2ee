"""The door through which the reference auditors come in."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Auditor, hookimpl
from reference_methods.auditors.amun_bound import AmunBound
from reference_methods.auditors.average_gap import AverageGap
from reference_methods.auditors.distance import OutputDistance
from reference_methods.auditors.injected import Backdoor, Gus, InterclassConfusion
from reference_methods.auditors.kkt import Kkt, KktVerdict
from reference_methods.auditors.kkt.baselines import Ina, ModelInversion
from reference_methods.auditors.likeness import Likeness
from reference_methods.auditors.membership import Lira, Rmia
from reference_methods.auditors.neighbours import MiaNN
from reference_methods.auditors.population import LossThreshold, Mis
from reference_methods.auditors.probe import LinearProbe
from reference_methods.auditors.relearn import RelearnTime
from reference_methods.auditors.robustness import AfterFinetune, AfterPrune, AfterQuantise
from reference_methods.auditors.shadowed import EpsilonScore, Klom, ULira
from reference_methods.auditors.utility import Accuracy


@hookimpl
def harness_auditors() -> Sequence[type[Auditor]]:
    """Return the reference auditors."""
    return [
        Accuracy,
        Rmia, Lira, LossThreshold, Mis,
        Likeness,
        AmunBound,
        ULira, Klom, EpsilonScore,
        OutputDistance, MiaNN, LinearProbe, RelearnTime,
        AfterFinetune, AfterPrune, AfterQuantise,
        Gus, InterclassConfusion, Backdoor,
        Kkt, KktVerdict, Ina, ModelInversion,
        AverageGap,
    ]
