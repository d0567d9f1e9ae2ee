"""A run of a sequence of requests is submitted and verified like any other."""

import attrs
import pytest

from harness.record import read_record
from harness.settings import structure
from harness.store import Store
from harness.suite import Suite
from leaderboard.bundle import write_bundle
from leaderboard.evidence import Evidence, artefact_problems
from leaderboard.samples import Samples
from leaderboard.verification import verify_bundle
from tests.conftest import TINY
from tests.leaderboard.conftest import execute

SEQUENCE = {**TINY, "name": "tiny-sequence-v1", "requests": {"size": 0.1, "count": 2, "sequence": 2}, "originals": 1,
            "unlearners": [{"name": "original"}, {"name": "ft", "settings": {"epochs": 1, "lr": 0.05}}],
            "auditors": [{"name": "accuracy"}, {"name": "rmia"}, {"name": "likeness"}]}


@pytest.fixture(scope="module")
def sequence_run(tmp_path_factory, registry):
    """Return the folder of a run of two requests, one after the other."""
    return execute(SEQUENCE, tmp_path_factory.mktemp("store"), registry)


def test_a_submitted_sequence_is_verified_score_by_score(sequence_run, registry, tmp_path):
    write_bundle(sequence_run, tmp_path / "sequence.zip")
    verdict = verify_bundle(tmp_path / "sequence.zip", registry)

    assert verdict.problems == ()
    assert verdict.recomputed == {row.id for row in verdict.rows if row.scores}


def test_a_step_that_does_not_go_on_from_the_one_before_is_found(sequence_run, registry):
    record, store = read_record(sequence_run / "record.json"), Store(sequence_run.parent.parent)
    suite = structure(record.suite, Suite, "suite")
    first, second = (cell for cell in record.cells if cell.method == "ft" and cell.access == "retain+forget")
    swapped = {first.model: attrs.evolve(first, key=second.key), second.model: attrs.evolve(second, key=first.key)}
    forged = attrs.evolve(record, cells=tuple(swapped.get(cell.model, cell) for cell in record.cells))

    assert any("made with start" in problem for problem in artefact_problems(Evidence(forged, suite, store)))


def test_the_histograms_of_a_step_hold_all_that_was_forgotten_up_to_it(sequence_run):
    record, store = read_record(sequence_run / "record.json"), Store(sequence_run.parent.parent)
    samples = Samples(record, store, None)
    later = next(cell for cell in record.cells if cell.method == "ft" and cell.request == 1)
    forget, retain, test = samples._split("rmia: ratio", later)
    assert (len(forget), len(retain), len(test)) == (24, 96, 120)
