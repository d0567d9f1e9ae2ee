import pytest

from tests.benchmarks.kill_test import kill_runs


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_with_the_rows_of_an_undisturbed_one(tmp_path):
    # Slow: each kill costs a start of the command, a few seconds; the benchmark of that name kills fifty times.
    verdict = kill_runs(tmp_path, kills=5, seed=1)
    assert verdict.problems == []
    assert sum(verdict.kills.values()) == 5
    assert verdict.completed >= 1
