"""Time and memory of the audits' cores: run ``python -m tests.benchmarks.audits``; each ratio is from one run.

RMIA is set against the N x Z table of its definition twice: as one array, as published code has it, and in blocks
that stay in the cache, the best a table can do. All of them give the same counts, which is checked.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reference_methods.auditors.epsilon import epsilon_scores
from reference_methods.auditors.klom import binned_kl, klom
from reference_methods.auditors.lira import lira_scores
from reference_methods.auditors.mis import mis
from reference_methods.auditors.rmia import rmia_ratio, rmia_scores
from reference_methods.auditors.signals import signal

Floats = NDArray[np.float64]


def half_in(references: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a membership (R, N) in which every sample is in half of the references."""
    rows = np.arange(references)[:, None] < references // 2
    return rng.permuted(np.repeat(rows, samples, axis=1), axis=0)


def measure(name: str, work: Callable[[], Floats], repeats: int = 3) -> tuple[float, float, Floats]:
    """Print and return the best time in seconds and the peak of further memory in MB, and what the work returns."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    value = work()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"{name:58s} {min(seconds):9.4f} s {peak:9.1f} MB")
    return min(seconds), peak, value


def table(ratio_x: Floats, ratio_z: Floats, rows: int) -> Floats:
    """Return the share of z each x outdoes by twice, from all quotients, ``rows`` of x at a time."""
    blocks = range(0, len(ratio_x), rows)
    return np.concatenate([(ratio_x[i : i + rows, None] / ratio_z > 2.0).mean(axis=1) for i in blocks])


def rmia(samples: int, references: int, rng: np.random.Generator) -> None:
    """Compare sort-and-search with the table at N = Z = samples."""
    signals = rng.random((4, samples))
    reference_x, reference_z = rng.random((2, references, samples))
    membership = half_in(references, samples, rng)

    def direct(rows: int) -> Floats:
        ratio_x, ratio_z = rmia_ratio(signals[0], reference_x, membership), rmia_ratio(signals[1], reference_z, None)
        return table(ratio_x, ratio_z, rows)

    def searched() -> Floats:
        return rmia_scores(signals[0], signals[1], reference_x, reference_z, membership_x=membership)

    print(f"\nRMIA online, N = Z = {samples}, R = {references}; all from the signals on")
    whole = measure("  one N x Z table", lambda: direct(samples), repeats=1)
    blocks = measure("  N x Z table in blocks of 32 samples", lambda: direct(32), repeats=1)
    ours = measure("  sort and search", searched)
    if not np.array_equal(ours[2], whole[2]) or not np.array_equal(ours[2], blocks[2]):
        raise SystemExit("the counts differ")
    for name, other in (("one table", whole), ("blocks", blocks)):
        print(f"  against {name}: {other[0] / ours[0]:.0f} times faster, {other[1] / ours[1]:.0f} times less memory")


def lira(samples: int, references: int, rng: np.random.Generator) -> None:
    """Time LiRA; the goal is one second at 60,000 x 128."""
    confidences = rng.normal(size=(references, samples, 1))
    target, membership = rng.normal(size=(samples, 1)), half_in(references, samples, rng)
    print(f"\nLiRA, {samples} x {references}")
    for mode in ("online", "offline"):
        for variance in ("per-example", "fixed"):
            measure(
                f"  {mode}, {variance} variance",
                lambda m=mode, v=variance: lira_scores(target, confidences, membership, mode=m, variance=v),
            )


def others(rng: np.random.Generator) -> None:
    """Time the remaining cores at sizes in use."""
    print("\nOthers")
    logits, labels = rng.normal(size=(16, 60_000, 10)), rng.integers(0, 10, 60_000)
    for kind in ("logit-scaling", "taylor-soft-margin"):
        measure(f"  signal {kind}, 16 x 60,000 x 10", lambda k=kind: signal(logits, labels, k), repeats=1)
    unlearned, oracle = rng.normal(size=(2, 100, 5000))
    together = measure("  KLoM, 100 + 100 models, 5,000 samples", lambda: klom(unlearned, oracle))
    alone = measure(
        "  the same one by one",
        lambda: np.array([binned_kl(p, q) for p, q in zip(unlearned.T, oracle.T, strict=True)]),
        repeats=1,
    )
    print(f"  together {alone[0] / together[0]:.0f} times faster")
    ours, theirs = rng.normal(size=(2, 128, 500))
    measure("  epsilon, 128 + 128 models, 500 samples", lambda: epsilon_scores(ours, theirs), repeats=1)
    retain, test = rng.beta(6, 1, 5000), rng.beta(5, 1, 5000)
    measure("  MIS, 5,000 a side", lambda: np.array(mis(retain, test, test)), repeats=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000, help="N and Z of RMIA (default 20000)")
    parser.add_argument("--references", type=int, default=128, help="R of RMIA and LiRA (default 128)")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    rmia(options.samples, options.references, rng)
    lira(3 * options.samples, options.references, rng)
    others(rng)


if __name__ == "__main__":
    main()
