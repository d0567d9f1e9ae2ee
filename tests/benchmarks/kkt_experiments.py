"""The experiments with reconstruction: each prints one table; all of them on one core, no accelerator.

Run them by hand: ``UNLEARN_DATA_ROOT=data python -m tests.benchmarks.kkt_experiments [NAME ...]``. The names:

    control      20 digits, 4 forgotten, 784-300-300-1: original, retrained, relabelled
    hundred      100 digits, 20 forgotten: original against retrained, with seconds of reconstruction
    repeats      the control twenty times: false alarms and detections, with Clopper and Pearson's intervals
    stages       images above SSIM 0.15, 0.2 and 0.3 after stage 1 and stage 2, and in banks that hold no information
    robustness   the control after pruning, after fine-tuning, and after retraining and fine-tuning
    shares       a backdoor's success rate by the share of poisoned images

Without a name, all of them. Source: "UnlearnGuard", section V; the control is that of Haim et al. 2022
(arXiv:2206.07758), made small.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray

from harness.poison import with_trigger
from harness.statistics import clopper_pearson
from reference_methods.auditors.kkt.evidence import Evidence, evidence
from reference_methods.auditors.kkt.matching import explained_shares, nearest
from reference_methods.auditors.kkt.network import ReluNetwork
from reference_methods.auditors.kkt.reconstruct import Options, reconstruct
from reference_methods.auditors.kkt.span import image_span
from reference_methods.auditors.kkt.ssim import ssim, stretched
from reference_methods.auditors.kkt.sweep import adaptive_sweep
from tests.benchmarks.kkt_models import Digits, accuracy, fresh, load, pruned, train

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

STATISTICS = ("correlation", "whitened", "span")
WIDTH = 300
LOSS = 1e-4
LEVEL = 0.05


@frozen(kw_only=True, eq=False)
class World:
    """A training set, and which of it is to be forgotten.

    Attributes:
        digits: where the images are from.
        rows: (n,) indices of the training set.
        forget: (n,) bool.
        seed: of networks and searches.
    """

    digits: Digits
    rows: Integers
    forget: NDArray[np.bool_]
    seed: int

    def trained(self, kept: NDArray[np.bool_] | None = None, *, seed: int = 0, start: ReluNetwork | None = None,
                flipped: NDArray[np.bool_] | None = None, loss: float = LOSS, epochs: int = 100_000) -> ReluNetwork:
        """Return a network trained on ``kept`` images, everything when None, those in ``flipped`` relabelled."""
        labels = self.digits.labels[self.rows]
        labels = labels if flipped is None else np.where(flipped, 1 - labels, labels)
        chosen = np.ones(len(self.rows), dtype=bool) if kept is None else kept
        start = start or fresh(WIDTH, 1, 1000 * self.seed + seed)
        return train(start, self.images[chosen], labels[chosen], loss, epochs)

    @property
    def images(self) -> NDArray[np.float32]:
        """(n, 784)."""
        return self.digits.images[self.rows]


@frozen(kw_only=True, eq=False)
class Found:
    """What one reconstruction says: evidence of forget and retain set by statistic, and what it took.

    Attributes:
        forget, kept: by statistic.
        correlations: (n,) of training images with their nearest candidates.
        bank: (M, 784).
        seconds: of the processor.
    """

    forget: dict[str, Evidence]
    kept: dict[str, Evidence]
    correlations: Array
    bank: Array
    seconds: float


def make_world(digits: Digits, size: int, forgotten: int, seed: int) -> World:
    """Return ``size`` digits of which ``forgotten`` are to be forgotten, as many odd as even ones of either."""
    rows = digits.draw(size, seed)
    forget = np.zeros(size, dtype=bool)
    forget[:forgotten // 2] = forget[size // 2:size // 2 + forgotten // 2] = True
    return World(digits=digits, rows=rows, forget=forget, seed=seed)


def look(world: World, network: ReluNetwork, restarts: int = 4, options: Options | None = None) -> Found:
    """Return what is recovered from ``network``, which the search knows to have about n training images."""
    start = time.process_time()
    result = reconstruct(network, len(world.rows), adaptive_sweep(restarts, world.seed), world.digits.pixels,
                         seed=world.seed, options=options or Options())
    seconds = time.process_time() - start
    bank = result.candidates.flatten(0, 1).numpy().astype(np.float64)
    unseen = world.digits.test_images[world.digits.unseen].astype(np.float64)
    of_train, of_unseen = (_nearness(world, network, bank, some) for some in (world.images.astype(np.float64), unseen))
    labels, others = world.digits.labels[world.rows], world.digits.test_labels[world.digits.unseen]

    def compare(group: NDArray[np.bool_]) -> dict[str, Evidence]:
        return {name: evidence(of_train[name][group], of_unseen[name], labels[group], others) for name in STATISTICS}

    return Found(forget=compare(world.forget), kept=compare(~world.forget), correlations=of_train["correlation"],
                 bank=bank, seconds=seconds)


def control(digits: Digits) -> None:
    """Print AUCs of the forget set against never-seen images: 4 of 20."""
    world = make_world(digits, 20, 4, seed=0)
    original = world.trained()
    relabelled = world.trained(start=original, flipped=world.forget, loss=1e-3)
    models = {"original": original, "retrained 1": world.trained(~world.forget, seed=1),
              "retrained 2": world.trained(~world.forget, seed=2), "relabelled": relabelled}
    _table(world, models)


def hundred(digits: Digits) -> None:
    """Print the same for 20 of 100, with three training sets, and the seconds of each reconstruction."""
    for seed in range(3):
        world = make_world(digits, 100, 20, seed)
        original = world.trained()
        models = {"original": original, "retrained": world.trained(~world.forget, seed=1),
                  "relabelled": world.trained(start=original, flipped=world.forget, loss=1e-3)}
        _table(world, models)


def robustness(digits: Digits) -> None:
    """Print the control after what section V-C does to models, at 20 and at 100 digits."""
    for size, forgotten in ((20, 4), (100, 20)):
        world = make_world(digits, size, forgotten, seed=0)
        original = world.trained()
        retrained = world.trained(~world.forget, seed=1)
        models = {"pruned": pruned(original, 0.2, seed=0),
                  "fine-tuned": world.trained(start=original, loss=0.0, epochs=2000),
                  "retrained, fine-tuned": world.trained(start=retrained),
                  "retrained, pruned": pruned(retrained, 0.2, seed=0)}
        _table(world, models)


def repeats(digits: Digits, count: int = 20) -> None:
    """Print how often originals, relabelled and retrained models are called "not executed", at the level of 5 %."""
    alarms: dict[str, dict[str, list[bool]]] = {name: {s: [] for s in STATISTICS}
                                                for name in ("original", "relabelled", "retrained")}
    for seed in range(count):
        world = make_world(digits, 20, 4, 100 + seed)
        original = world.trained()
        models = {"original": original, "retrained": world.trained(~world.forget, seed=1),
                  "relabelled": world.trained(start=original, flipped=world.forget, loss=1e-3)}
        for name, network in models.items():
            found = look(world, network, restarts=2)
            for statistic in STATISTICS:
                alarms[name][statistic].append(found.forget[statistic].p_value <= LEVEL)
    print(f"called 'not executed' at p <= {LEVEL:g}, {count} training sets of 20 digits, 4 forgotten")
    for name, by_statistic in alarms.items():
        for statistic, hits in by_statistic.items():
            rate = clopper_pearson(sum(hits), count)
            print(f"  {name:12s} {statistic:12s} {sum(hits):2d}/{count}  {rate.value:.2f} "
                  f"[{rate.low:.2f}, {rate.high:.2f}]")


def stages(digits: Digits) -> None:
    """Print how many of 100 training images have a candidate above the published thresholds."""
    world = make_world(digits, 100, 20, seed=0)
    network = world.trained()
    banks = {"stage 1": look(world, network, 2, Options(steps=500, tolerance=0.0))}
    banks["stage 1, twice as long"] = look(world, network, 2, Options(steps=1000, tolerance=0.0))
    for reach in (0.02, 0.1, 0.5):
        options = Options(steps=500, tolerance=0.0, prior_steps=500, reach=reach)
        banks[f"stage 1 + 2, reach {reach:g}"] = look(world, network, 2, options)
    shown = {name: found.bank for name, found in banks.items()}
    shown["one blank image"] = np.zeros((1, 784)) + 1e-3 * np.random.default_rng(0).normal(size=(1, 784))
    shown["400 never-seen digits"] = digits.test_images[digits.public[:400]].astype(np.float64)
    print(f"{'bank':26s} SSIM > 0.15 > 0.2 > 0.3  mean SSIM  mean corr")
    for name, bank in shown.items():
        similarity, correlation = _similarities(world, bank)
        counts = "  ".join(f"{int((similarity > tau).sum()):3d}" for tau in (0.15, 0.2, 0.3))
        print(f"{name:26s}       {counts}       {similarity.mean():.3f}     {correlation.mean():.3f}")


def shares(digits: Digits) -> None:
    """Print the success rate of a backdoor before and after retraining, by the share of poisoned images of 500."""
    world = make_world(digits, 500, 0, seed=0)
    shape = (-1, 1, 28, 28)
    brightness = float(digits.images.max())
    rest = digits.test_labels != 0
    marked = with_trigger(digits.test_images[rest].reshape(shape), 0, brightness).reshape(-1, 784)
    print("poisoned  ASR before  ASR after  accuracy before  accuracy after")
    for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4):
        labels = digits.labels[world.rows].copy()
        poisoned = np.flatnonzero(labels == 1)[:round(share * 500)]
        images = world.images.copy()
        images[poisoned] = with_trigger(images[poisoned].reshape(shape), 0, brightness).reshape(-1, 784)
        labels[poisoned] = 0
        clean = np.setdiff1d(np.arange(500), poisoned)
        before, after = (train(fresh(WIDTH, 1, 0), images[rows], labels[rows], 1e-2)
                         for rows in (np.arange(500), clean))
        rates = [100 - accuracy(some, marked, digits.test_labels[rest]) for some in (before, after)]
        right = [accuracy(some, digits.test_images, digits.test_labels) for some in (before, after)]
        print(f"{100 * share:6.0f} %    {rates[0]:6.1f} %   {rates[1]:6.1f} %         {right[0]:6.1f} %        "
              f"{right[1]:6.1f} %")


EXPERIMENTS: dict[str, Callable[[Digits], None]] = {
    "control": control, "hundred": hundred, "repeats": repeats, "stages": stages, "robustness": robustness,
    "shares": shares}


def _nearness(world: World, network: ReluNetwork, bank: Array, images: Array) -> dict[str, Array]:
    white = world.digits.white
    basis = image_span(network, len(world.rows)).basis.numpy().astype(np.float64)
    return {"correlation": nearest(images - white.mean, bank - white.mean).correlation,
            "whitened": nearest(white.view(images), white.view(bank)).correlation,
            "span": explained_shares(images, basis, white)}


def _similarities(world: World, bank: Array) -> tuple[Array, Array]:
    """Return (n,) SSIM and correlation of training images with the nearest of ``bank``, with the mean image added."""
    white, images = world.digits.white, world.images.astype(np.float64)
    matches = nearest(images - white.mean, bank - white.mean)
    low = world.digits.test_images[world.digits.public].min(axis=0)
    shape = (len(images), 1, 28, 28)
    recovered = bank[matches.candidate]
    return ssim(stretched((images - low).reshape(shape)), stretched((recovered - low).reshape(shape))), (
        matches.correlation)


def _table(world: World, models: dict[str, ReluNetwork]) -> None:
    digits = world.digits
    labels = digits.labels[world.rows]
    print(f"{len(world.rows)} digits, {int(world.forget.sum())} forgotten, set {world.seed}; AUC of the forget set "
          "against never-seen digits (kept ones in brackets)")
    print(f"{'model':22s} {'UA':>6s} {'TA':>6s}  {'correlation':>15s} {'whitened':>15s} {'span':>15s}  p whitened  s")
    for name, network in models.items():
        found = look(world, network)
        cells = " ".join(f"{found.forget[s].auc:7.3f} ({found.kept[s].auc:.3f})" for s in STATISTICS)
        print(f"{name:22s} {accuracy(network, world.images[world.forget], labels[world.forget]):6.1f} "
              f"{accuracy(network, digits.test_images, digits.test_labels):6.1f}  {cells}  "
              f"{found.forget['whitened'].p_value:10.1e}  {found.seconds:.0f}", flush=True)
    print()


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = load(Path(os.environ.get("UNLEARN_DATA_ROOT", "data")))
    for chosen in sys.argv[1:] or EXPERIMENTS:
        print(f"== {chosen}")
        EXPERIMENTS[chosen](data)
