"""SCRUB on a PyTorch network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from harness import Model, UnlearnTask
from reference_methods.unlearners.capabilities import native_torch
from reference_methods.unlearners.native.training import (
    make_optimizer,
    run_epoch,
    set_rate,
    shuffled_training,
    temperature_kl,
    tensor,
)
from reference_methods.unlearners.tasks import retain_of

if TYPE_CHECKING:
    from reference_methods.unlearners.distillation import Scrub


def scrub(method: Scrub, task: UnlearnTask) -> list[Model]:
    """Return the student after each epoch."""
    original, retain = native_torch(task.original), retain_of(task)
    student: nn.Module = original.native
    forget_inputs, retain_inputs = tensor(task.forget.inputs, student), tensor(retain.inputs, student)
    forget_teacher = tensor(task.original.logits(task.forget.inputs), student)
    retain_teacher = tensor(task.original.logits(retain.inputs), student)
    labels = tensor(retain.labels, student)

    def ascent(rows: Tensor) -> Tensor:
        return -temperature_kl(forget_teacher[rows], student(forget_inputs[rows]), method.temperature)

    def descent(rows: Tensor) -> Tensor:
        logits = student(retain_inputs[rows])
        return (method.gamma * nn.functional.cross_entropy(logits, labels[rows])
                + method.alpha * temperature_kl(retain_teacher[rows], logits, method.temperature))

    optimizer = make_optimizer(student, method.options)
    students: list[Model] = []
    with shuffled_training(student, task.seed) as order:
        for epoch in range(method.epochs):
            set_rate(optimizer, method.lr * 0.1 ** sum(epoch >= start for start in method.decay_epochs))
            if epoch < method.max_steps:
                run_epoch(optimizer, ascent, order(len(task.forget)), method.forget_batch_size)
            run_epoch(optimizer, descent, order(len(retain)), method.retain_batch_size)
            students.append(original.with_native(student))
            # Wrapping may put the network in evaluation mode.
            student.train()
    return students
