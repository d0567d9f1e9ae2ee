"""Learning rates and penalty strengths over training, as plain numbers."""

from __future__ import annotations

import math

from harness.models import FitOptions


def learning_rates(options: FitOptions, steps_per_epoch: int) -> list[float]:
    """Return the learning rate of every optimizer step.

    With W warm-up steps (``warmup_epochs``, rounded to whole steps), step s < W has ``lr * (s + 1) / W``: linear from
    0, but without a wasted first step. ``step`` and ``multistep`` count epochs from the start of training, warm-up
    included, so that milestones are epochs as papers print them; ``cosine`` and ``linear`` anneal over the steps that
    warm-up leaves. Without warm-up they equal torch's ``StepLR``, ``MultiStepLR``, ``CosineAnnealingLR`` and
    ``LinearLR``.
    """
    steps = options.epochs * steps_per_epoch
    warmup = min(steps, round(options.warmup_epochs * steps_per_epoch))
    rates = [options.lr * (step + 1) / warmup for step in range(warmup)]
    for step in range(warmup, steps):
        done = (step - warmup) / (steps - warmup)
        rates.append(options.lr * _factor(options, step // steps_per_epoch, done))
    return rates


def _factor(options: FitOptions, epoch: int, done: float) -> float:
    match options.schedule:
        case "constant":
            return 1.0
        case "step":
            return float(options.gamma ** (epoch // options.step_size))
        case "multistep":
            return float(options.gamma ** sum(epoch >= milestone for milestone in options.milestones))
        case "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        case "linear":
            return 1 - done


def l1_strength(options: FitOptions, epoch: int) -> float:
    """Return the strength of the L1 penalty in one epoch, counted from 0."""
    done = epoch / max(1, options.epochs)
    match options.l1_schedule:
        case "constant":
            return options.l1
        case "decay":
            return options.l1 * (1 - done)
        case "rise":
            return options.l1 * done
