"""ReLU networks of linear layers, trained many at once: one batched matrix product a layer, gradients in closed form.

On one core, 64 networks of 64-128-10 train five times faster so than one after another with autograd, and a single
one twice as fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from attrs import frozen
from torch import Tensor, nn

from adapters.flat_optimizers import flat_optimizer
from adapters.schedules import l1_strength, learning_rates
from adapters.torch_data import TensorSet, epoch_orders
from harness.models import FitOptions


def linear_layers(module: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of a plain ReLU network, or nothing if ``module`` may compute anything else.

    Plain means an ``nn.Sequential`` of an optional ``nn.Flatten`` and then linear layers with one ReLU between two,
    in float32, everything trainable, without hooks.
    """
    layers = list(module) if type(module) is nn.Sequential else []
    if layers and type(layers[0]) is nn.Flatten:
        del layers[0]
    kinds = [type(layer) for layer in layers]
    plain = (kinds == [nn.Linear, nn.ReLU] * (len(kinds) // 2) + [nn.Linear]
             and len(set(layers)) == len(layers)
             and all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())
             and not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()))
    return [layer for layer in layers if isinstance(layer, nn.Linear)] if plain else []


@frozen(eq=False)
class _Layer:
    """One linear layer of M networks, with room for its gradients.

    Attributes:
        weight: (M, out, in).
        bias: (M, out), or None.
        weight_gradient, bias_gradient: as these.
    """

    weight: Tensor
    bias: Tensor | None
    weight_gradient: Tensor
    bias_gradient: Tensor | None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (M, B, out) from (M, B, in)."""
        if self.bias is None:
            return torch.bmm(inputs, self.weight.transpose(1, 2))
        return torch.baddbmm(self.bias.unsqueeze(1), inputs, self.weight.transpose(1, 2))

    def logits(self, inputs: Tensor) -> Tensor:
        """Return (M, out, B) from (M, B, in); a softmax over ten classes is 17 times faster this way round."""
        if self.bias is None:
            return torch.bmm(self.weight, inputs.transpose(1, 2))
        return torch.baddbmm(self.bias.unsqueeze(2), self.weight, inputs.transpose(1, 2))

    def backward(self, inputs: Tensor, slope: Tensor) -> None:
        """Fill in the gradients from the layer's ``inputs`` (M, B, in) and its output's ``slope`` (M, B, out)."""
        torch.bmm(slope.transpose(1, 2), inputs, out=self.weight_gradient)
        if self.bias_gradient is not None:
            torch.sum(slope, dim=1, out=self.bias_gradient)


class _Stack:
    """The parameters of M networks in one flat tensor: layer after layer, each for all networks."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = modules
        shapes = [torch.Size((len(modules), *parameter.shape)) for parameter in modules[0].parameters()]
        device = next(modules[0].parameters()).device
        self.values = torch.empty(sum(shape.numel() for shape in shapes), device=device)
        self.gradient = torch.zeros_like(self.values)
        self.parts = _views(self.values, shapes)
        self.gradients = _views(self.gradient, shapes)
        for index, module in enumerate(modules):
            for part, parameter in zip(self.parts, module.parameters(), strict=True):
                part[index] = parameter.detach()

    def layers(self) -> list[_Layer]:
        """Return the layers, as views."""
        pairs = iter(zip(self.parts, self.gradients, strict=True))
        layers = []
        for linear in linear_layers(self._modules[0]):
            weight, weight_gradient = next(pairs)
            bias, bias_gradient = (None, None) if linear.bias is None else next(pairs)
            layers.append(_Layer(weight, bias, weight_gradient, bias_gradient))
        return layers

    def write_back(self) -> None:
        """Copy the values into the modules."""
        for index, module in enumerate(self._modules):
            for part, parameter in zip(self.parts, module.parameters(), strict=True):
                parameter.copy_(part[index])

    def clip(self, largest: float) -> None:
        """Scale each network's gradient down to an L2 norm of at most ``largest``."""
        squares = torch.stack([part.flatten(1).square().sum(1) for part in self.gradients])
        # The small constant is torch's, in clip_grad_norm_.
        factors = (largest / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for part in self.gradients:
            part.mul_(factors.view(-1, *[1] * (part.ndim - 1)))


class _Protection:
    """Which entries of a stack may change, and what the others have to stay."""

    def __init__(self, stack: _Stack, modules: Sequence[nn.Module], masks: Sequence[Mapping[str, Tensor]]) -> None:
        self._stack = stack
        self._may_change = torch.ones_like(stack.values, dtype=torch.bool)
        self._before = stack.values.clone()
        names = [name for name, _ in modules[0].named_parameters()]
        for name, part in zip(names, _views(self._may_change, [part.shape for part in stack.parts]), strict=True):
            for index, mask in enumerate(masks):
                if name in mask:
                    part[index] = mask[name]

    def drop_gradients(self) -> None:
        """Set the gradients of the protected entries to zero, so that they do not count in its norm."""
        self._stack.gradient.mul_(self._may_change)

    def restore(self) -> None:
        """Put the protected entries back: weight decay and momentum move entries without a gradient."""
        torch.where(self._may_change, self._stack.values, self._before, out=self._stack.values)


def _views(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    parts = flat.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def set_gradients(layers: Sequence[_Layer], inputs: Tensor, targets: Tensor, weights: Tensor | None) -> None:
    """Fill in the gradients of each network's mean of ``w_i * CE(softmax(logits(x_i)), t_i)``.

    Args:
        layers: of M networks.
        inputs: (M, B, D).
        targets: (M, C, B), rows over C that sum to one.
        weights: (M, B), or None when all are one.
    """
    activations = [inputs]
    for layer in layers[:-1]:
        activations.append(layer.forward(activations[-1]).relu_())
    slope = torch.softmax(layers[-1].logits(activations[-1]), dim=1).sub_(targets)
    if weights is not None:
        slope.mul_(weights.unsqueeze(1))
    slope = slope.div_(inputs.shape[1]).transpose(1, 2)
    for index in range(len(layers) - 1, -1, -1):
        layers[index].backward(activations[index], slope)
        if index:
            slope = torch.ops.aten.threshold_backward(torch.bmm(slope, layers[index].weight), activations[index], 0)


@torch.no_grad()
def train_stacked(modules: Sequence[nn.Module], data: TensorSet, rows: Tensor, options: FitOptions,
                  seeds: Sequence[int], masks: Sequence[Mapping[str, Tensor]] | None = None) -> None:
    """Train M plain ReLU networks of equal shape in place, the m-th on rows ``rows[m]`` of ``data`` with ``seeds[m]``.

    Each network sees the batches that it would see alone, and the results are those of ``train`` up to rounding.

    Args:
        modules: M networks for which ``linear_layers`` are not empty.
        data: what to minimise over.
        rows: (M, n) integers.
        options: without augmentation, frozen parameters or a Lipschitz bound.
        seeds: M of them.
        masks: by name of parameter, M times; entries that are False stay bit-identical.
    """
    stack = _Stack(modules)
    layers = stack.layers()
    batches = _Batches(data, layers[-1].weight.shape[1])
    protection = _Protection(stack, modules, masks) if masks and any(masks) else None
    optimizer = flat_optimizer(stack.values, stack.gradient, options)
    rates = iter(learning_rates(options, -(-rows.shape[1] // options.batch_size)))
    orders = zip(*(epoch_orders(rows.shape[1], options.epochs, seed) for seed in seeds), strict=True)
    for epoch, order in enumerate(orders):
        l1 = l1_strength(options, epoch)
        shuffled = rows.gather(1, torch.stack(order).to(rows.device))
        for batch in shuffled.split(options.batch_size, dim=1):
            set_gradients(layers, *batches.take(batch))
            if l1:
                stack.gradient.add_(stack.values.sign(), alpha=l1)
            if protection:
                protection.drop_gradients()
            if options.clip_gradient is not None:
                stack.clip(options.clip_gradient)
            optimizer.step(next(rates))
            if protection:
                protection.restore()
    stack.write_back()


class _Batches:
    """Rows of a training set in the layout that ``set_gradients`` takes."""

    def __init__(self, data: TensorSet, num_classes: int) -> None:
        self._inputs = data.inputs.flatten(1)
        self._weights = data.weights
        # Classes first, as the logits; a hard label is a column of the identity.
        identity = torch.eye(num_classes, device=data.inputs.device)
        self._targets = data.targets.t().contiguous() if data.targets.ndim == 2 else identity[:, data.targets]

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return inputs (M, B, D), targets (M, C, B) and weights (M, B) at ``rows`` (M, B)."""
        flat = rows.reshape(-1)
        inputs = self._inputs.index_select(0, flat).view(*rows.shape, -1)
        targets = self._targets.index_select(1, flat).view(-1, *rows.shape).transpose(0, 1)
        weights = None if self._weights is None else self._weights.index_select(0, flat).view(rows.shape)
        return inputs, targets, weights
