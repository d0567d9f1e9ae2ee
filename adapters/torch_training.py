"""The training primitive as a loop over batches: every network, every option."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from adapters.schedules import l1_strength, learning_rates
from adapters.torch_augmentation import Augmenter
from adapters.torch_data import TensorSet, epoch_orders, weighted_loss
from harness.errors import BadSetting
from harness.models import FitOptions
from harness.training import Attached

AfterStep = Callable[[], None]


def train(module: nn.Module, data: TensorSet, rows: Tensor, options: FitOptions, seed: int,
          mask: Mapping[str, Tensor] | None = None) -> None:
    """Train ``module`` in place on ``rows`` (n,) of ``data`` and leave it in evaluation mode.

    Layers whose own parameters are all frozen by ``options.trainable`` keep their buffers too: they run in evaluation
    mode. A loss that is not finite stops nothing: gradient ascent may diverge, and its result is a result.

    Raises:
        BadSetting: if an option does not fit the network or the data.
        ValueError: if ``mask`` does not fit the network.
    """
    mask = mask or {}
    with _prepared(module, options) as parameters, reproducible(seed, data.inputs.device):
        optimizer = make_optimizer(list(parameters.values()), options)
        rates = iter(learning_rates(options, -(-len(rows) // options.batch_size)))
        augment = Augmenter(options.augmentation, seed, data.inputs.shape[1:]) if options.augmentation else None
        aids = attach_aids(module, data.inputs[rows[:1]], options, seed)
        loss = next((aid.loss for aid in aids if aid.loss), None)
        after_step = [*(aid.after_step for aid in aids), *([mask_rule(module, mask)] if mask else [])]
        for epoch, order in enumerate(epoch_orders(len(rows), options.epochs, seed)):
            l1 = l1_strength(options, epoch)
            for batch in rows[order.to(rows.device)].split(options.batch_size):
                optimizer.param_groups[0]["lr"] = next(rates)
                optimizer.zero_grad()
                _loss(module, data, batch, augment, loss).backward()
                if l1 or mask or options.clip_gradient is not None:
                    _change_gradients(parameters, options, l1, mask)
                optimizer.step()
                for rule in after_step:
                    rule()
            for aid in aids:
                aid.after_epoch()


def attach_aids(module: nn.Module, inputs: Tensor, options: FitOptions, seed: int) -> list[Attached]:
    """Return the recipe's training aids, attached to ``module``.

    Raises:
        BadSetting: if an aid is not configured, is made for another framework, or two of them bring a loss.
    """
    attached = []
    for name, aid in options.aids.items():
        if getattr(aid, "framework", None) != "torch":
            raise BadSetting(f"training aid '{name}' is not configured for PyTorch networks")
        attached.append(aid.attach(module, inputs, seed))
    if options.lipschitz is not None and "fastclip" not in options.aids:
        raise BadSetting("option 'lipschitz' stands for the training aid 'fastclip', which is not configured; "
                         "harness.training.with_aids does it")
    if sum(aid.loss is not None for aid in attached) > 1:
        raise BadSetting(f"two of the training aids {', '.join(options.aids)} bring a loss; name one")
    return attached


def mask_rule(module: nn.Module, mask: Mapping[str, Tensor]) -> AfterStep:
    """Return a rule that puts the entries of ``module`` where ``mask`` is False back to what they are now.

    Zeroing gradients is not enough for this: weight decay and momentum move entries without a gradient.
    """
    tensors = state(module)
    kept = [(tensors[name], allowed, tensors[name].detach().clone())
            for name, allowed in mask.items() if not bool(allowed.all())]

    def restore() -> None:
        with torch.no_grad():
            for tensor, allowed, before in kept:
                tensor.copy_(torch.where(allowed, tensor, before))

    return restore


def state(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of ``module`` by name, not copied."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def make_optimizer(parameters: Sequence[Tensor], options: FitOptions) -> torch.optim.Optimizer:
    """Return the optimizer that ``options`` describe, fused."""
    if options.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=options.lr, weight_decay=options.weight_decay, fused=True)
    return torch.optim.SGD(parameters, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov,
                           weight_decay=options.weight_decay, fused=True)


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, which initialisation and dropout draw from, and ask cuDNN for determinism.

    Both are put back at the end.
    """
    devices = [device] if device.type == "cuda" else []
    deterministic = torch.backends.cudnn.deterministic
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        torch.backends.cudnn.deterministic = True
        try:
            yield
        finally:
            torch.backends.cudnn.deterministic = deterministic


@contextmanager
def _prepared(module: nn.Module, options: FitOptions) -> Iterator[dict[str, nn.Parameter]]:
    """Freeze and set modes as ``options`` say, give the trainable parameters, and undo all of it at the end."""
    before = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    chosen = {name: parameter for name, parameter in before.items() if _is_named(name, options.trainable)}
    if not chosen:
        raise BadSetting(f"trainable = {list(options.trainable)} names no parameter; known: {', '.join(before)}")
    for name, parameter in before.items():
        parameter.requires_grad_(name in chosen)
    module.train(not options.evaluation_mode)
    for layer in module.modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            layer.training = False
    try:
        yield chosen
    finally:
        module.eval()
        for parameter in before.values():
            parameter.requires_grad_(True)
            parameter.grad = None


def _is_named(name: str, trainable: Sequence[str]) -> bool:
    return not trainable or any(name == entry or name.startswith(f"{entry}.") for entry in trainable)


def _loss(module: nn.Module, data: TensorSet, batch: Tensor, augment: Augmenter | None,
          loss: Callable[..., Tensor] | None) -> Tensor:
    inputs = data.inputs.index_select(0, batch)
    if augment is not None:
        inputs = augment(inputs, data.augment.index_select(0, batch))
    weights = None if data.weights is None else data.weights.index_select(0, batch)
    targets = data.targets.index_select(0, batch)
    return loss(module, inputs, targets, weights) if loss else weighted_loss(module(inputs), targets, weights)


def _change_gradients(parameters: Mapping[str, nn.Parameter], options: FitOptions, l1: float,
                      mask: Mapping[str, Tensor]) -> None:
    """Add the penalty's gradient, drop masked entries, then limit the norm of what is left."""
    with torch.no_grad():
        for name, parameter in parameters.items():
            if l1 and parameter.grad is not None:
                parameter.grad.add_(parameter.sign(), alpha=l1)
            if name in mask and parameter.grad is not None:
                parameter.grad.mul_(mask[name])
    if options.clip_gradient is not None:
        nn.utils.clip_grad_norm_(parameters.values(), options.clip_gradient)
