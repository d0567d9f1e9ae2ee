"""What must hold of an auditor, above all that it tells a model that forgot from one that did not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from harness.audits import AuditCase, Auditor, AuditReport, Score, Target
from harness.conformance import declarations
from harness.conformance.auditor_trial import AuditorTrial, by_name
from harness.conformance.outcomes import Check, CheckFailed, CheckSkipped, require
from harness.conformance.randomness import other_generators, untouched_generators
from harness.conformance.sealing import no_connections
from harness.digests import digest_arrays
from harness.models import HasParameters
from harness.plugins import Registry
from harness.store import Store

TARGETS = get_args(Target)


def auditor_checks(auditor: Auditor, registry: Registry, model: str = "") -> Iterator[Check]:
    """Yield the checks that ``auditor`` must pass, by what it declares; none is tried yet.

    Args:
        auditor: an instance, with its settings.
        registry: where small models come from, and the auditors whose reports it reads.
        model: architecture to try it on.
    """
    trial = AuditorTrial(auditor=auditor, registry=registry, model=model)
    for function in _applicable(auditor):
        yield Check(name=function.__name__, subject=auditor.name, body=partial(function, trial),
                    essential=function is check_audits)


def _applicable(auditor: Auditor) -> Iterator[Callable[[AuditorTrial], str | None]]:
    yield from (check_declarations_are_valid, check_settings_are_strict, check_settings_survive_json, check_audits,
                check_report_is_complete, check_report_can_be_stored, check_scores_are_finite,
                check_intervals_hold_their_values, check_seed_decides, check_global_generators_are_untouched,
                check_case_is_unchanged, check_order_of_examples_does_not_matter, check_no_connection_is_opened)
    if auditor.needs.models:
        yield check_models_are_unchanged
    if "class" in auditor.scopes:
        yield check_class_requests_are_judged
    yield from (check_oracles_agree, check_original_stands_out)


def check_declarations_are_valid(trial: AuditorTrial) -> None:
    """Name, version, capabilities and scopes are ones that the harness knows."""
    declarations.declarations(trial.auditor)


def check_settings_are_strict(trial: AuditorTrial) -> None:
    """The text "False" is no truth value, and "3" no number."""
    declarations.settings_are_strict(trial.auditor)


def check_settings_survive_json(trial: AuditorTrial) -> None:
    """Settings can be written to a row and read back."""
    declarations.settings_survive_json(trial.auditor)


def check_audits(trial: AuditorTrial) -> str:
    """A case with what it declares to need, and no more, gives a report with scores."""
    try:
        report = trial.report
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise CheckFailed(f"it raised {type(error).__name__}: {error}; does it read something that `needs` does not "
                          f"declare? It declares {trial.auditor.needs}") from error
    require(isinstance(report, AuditReport) and report.scores,
            f"audit returned {report!r:.80}; return AuditReport(scores=(Score(...), ...)) with at least one score")
    return f"tried on '{trial.problem.model}', {trial.scope} requests"


def check_report_is_complete(trial: AuditorTrial) -> None:
    """Scores have names of their own, units, known targets and sample sizes; figures are PNG."""
    names = [score.name for score in trial.report.scores]
    require(all(names) and len(set(names)) == len(names), f"scores are called {names}; give each a name of its own")
    for score in trial.report.scores:
        require(score.target in TARGETS, f"{score.name}: target = {score.target!r}; choose one of {', '.join(TARGETS)}")
        require(score.n >= 1, f"{score.name}: n = {score.n}; give the number of examples or models that it rests on")
        require(score.unit, f"{score.name} has no unit; write 'auc', '%', 'nats', ...")
    wrong = [name for name, png in trial.report.figures.items() if not png.startswith(b"\x89PNG")]
    require(not wrong, f"figures {', '.join(wrong)} are no PNG files; give the bytes of one")


def check_report_can_be_stored(trial: AuditorTrial) -> None:
    """Notes are JSON and per-sample values arrays, so that the store can keep the report."""
    report = trial.report
    from safetensors import SafetensorError

    with tempfile.TemporaryDirectory() as folder:
        try:
            Store(Path(folder)).write("audit", "a report", {}, report={"notes": dict(report.notes)}, measured={},
                                      arrays={"samples": report.per_sample})
        except (TypeError, ValueError, KeyError, AttributeError, SafetensorError) as error:
            raise CheckFailed(f"the report cannot be stored: {error}; keep notes to text and finite numbers and "
                              "per_sample to arrays of numbers") from error


def check_scores_are_finite(trial: AuditorTrial) -> None:
    """Every score is a finite number."""
    wrong = {score.name: score.value for score in trial.report.scores if not np.isfinite(score.value)}
    require(not wrong, f"scores {wrong} are no finite numbers; raise a ValueError where nothing can be measured")


def check_intervals_hold_their_values(trial: AuditorTrial) -> None:
    """low <= value <= high."""
    for score in trial.report.scores:
        if score.low is not None and score.high is not None:
            require(score.low <= score.value <= score.high,
                    f"{score.name} = {score.value:g} lies outside its interval [{score.low:g}, {score.high:g}]")


def check_seed_decides(trial: AuditorTrial) -> None:
    """The same seed gives the same scores, whatever the global generators are set to."""
    values = []
    for state in (1, 2):
        with other_generators(state):
            values.append({name: score.value for name, score in by_name(trial.audit("unlearned")).items()})
    changed = [name for name in values[0] if not np.array_equal(values[0][name], values[1][name], equal_nan=True)]
    require(not changed, f"{', '.join(changed)} came out differently for the same case; take randomness from "
                         "np.random.default_rng(case.seed)")


def check_global_generators_are_untouched(trial: AuditorTrial) -> None:
    """The global generators of Python, NumPy and PyTorch are where they were."""
    with untouched_generators("take randomness from np.random.default_rng(case.seed)"):
        trial.audit("unlearned")


def check_case_is_unchanged(trial: AuditorTrial) -> None:
    """The arrays of the case are as they were: other auditors are shown the same."""
    case = trial.case()
    before = _digests(case)

    trial.auditor.audit(case)

    require(_digests(case) == before, "audit wrote into the arrays of its case; copy them first")


def _digests(case: AuditCase) -> list[str]:
    signals = [case.unlearned, *case.oracles, *([case.original] if case.original else [])]
    arrays: list[Any] = [part for one in signals for part in (one.train, one.test)]
    arrays += [case.references.logits, case.references.membership] if case.references else []
    arrays += [case.shadows.unlearned, case.shadows.retrained] if case.shadows else []
    return [digest_arrays(array) for array in arrays]


def check_models_are_unchanged(trial: AuditorTrial) -> None:
    """The models of the case answer as before."""
    case = trial.case()
    before = _answers(case)

    trial.auditor.audit(case)

    require(_answers(case) == before, "audit changed a model of its case; work on `with_parameters(parameters())`")


def _answers(case: AuditCase) -> list[str]:
    return [digest_arrays(np.asarray(model.logits(case.data.test.inputs)),
                          *(model.parameters().values() if isinstance(model, HasParameters) else ()))
            for model in case.models.values()]


def check_order_of_examples_does_not_matter(trial: AuditorTrial) -> None:
    """Shuffling training and test set, with everything that goes by their order, leaves the scores.

    An auditor that draws a sample draws another one then: what four other seeds change is no fault.
    """
    usual = by_name(trial.report)
    seeds = [by_name(trial.auditor.audit(trial.usual.case(trial.auditor, "unlearned", seed))) for seed in range(4)]
    shuffled = trial.evidence(trial.scope, seed=5)
    other = by_name(trial.auditor.audit(shuffled.case(trial.auditor, "unlearned")))
    for name, score in usual.items():
        if not np.isfinite([score.value, other[name].value]).all():
            continue
        drawn = 2 * max(abs(score.value - scores[name].value) for scores in seeds)
        # Sums in another order round differently, and solvers stop elsewhere.
        require(abs(score.value - other[name].value) <= max(drawn, 1e-3 * abs(score.value), 1e-6),
                f"{name} is {score.value:g}, and {other[name].value:g} when the examples are shuffled; it must not "
                "depend on their order")


def check_no_connection_is_opened(trial: AuditorTrial) -> None:
    """No socket is opened."""
    with no_connections():
        trial.audit("unlearned")


def check_class_requests_are_judged(trial: AuditorTrial) -> None:
    """A request for a whole class, which it declares, gives finite scores."""
    report = trial.auditor.audit(trial.evidence("class").case(trial.auditor, "unlearned"))
    wrong = {score.name: score.value for score in report.scores if not np.isfinite(score.value)}
    require(report.scores and not wrong, f"a class request gives the scores {wrong or 'none'}; take 'class' out of "
                                         "`scopes` or handle that no test example is like the forget set")


def check_oracles_agree(trial: AuditorTrial) -> None:
    """Calibrated: an oracle held against other oracles gives the null value within its interval."""
    judged = 0
    for name in trial.common_scores:
        scores = [scores[name] for scores in trial.oracle_scores]
        first = scores[0]
        if first.low is None or first.high is None or first.target in ("higher", "lower"):
            continue
        judged += 1
        misses = sum(not _holds(score, _null(scores, k), len(scores) - 1) for k, score in enumerate(scores))
        require(2 * misses <= len(scores),
                f"{name}: for {misses} of {len(scores)} oracles the interval misses the value that the others have, "
                f"e.g. {first.value:g} in [{first.low:g}, {first.high:g}] against {_null(scores, 0):g}; it finds a "
                "difference where there is none, or its interval is too narrow")
    if not judged:
        raise CheckSkipped("no score has an interval and a null value")


def _null(scores: list[Score], k: int) -> float:
    chance = scores[k].chance
    if scores[k].target == "chance" and chance is not None:
        return chance
    return float(np.mean([score.value for j, score in enumerate(scores) if j != k]))


def _holds(score: Score, value: float, others: int) -> bool:
    """Return whether an interval holds ``value``, which as the mean of others has an error of its own."""
    if score.low is None or score.high is None:
        return True
    wider = np.sqrt(1 + 1 / others) - 1
    below, above = wider * (score.value - score.low), wider * (score.high - score.value)
    return bool(score.low - below <= value <= score.high + above)


def check_original_stands_out(trial: AuditorTrial) -> str:
    """Powered: the original, passed off as unlearned, stands out from the oracles in some score."""
    original = by_name(trial.audit("original"))
    gaps = {}
    for name in [name for name in trial.common_scores if name in original]:
        score = original[name]
        values = np.array([scores[name].value for scores in trial.oracle_scores])
        gaps[name] = (abs(score.value - values.mean()), np.abs(values - values.mean()).max())
    telling = [name for name, (gap, spread) in gaps.items() if gap > 2 * spread + 1e-6]
    if telling:
        return f"told by {', '.join(telling)}"
    found = "; ".join(f"{name}: gap {gap:.3g}, spread of the oracles {spread:.3g}"
                      for name, (gap, spread) in gaps.items())
    raise CheckFailed(f"a model that forgot nothing looks like one that never saw the forget set ({found}); a fifth "
                      "of its labels is wrong and the original knows them by heart")
