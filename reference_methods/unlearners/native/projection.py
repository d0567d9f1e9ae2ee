"""Kodge et al.'s projections on a PyTorch network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness import Examples, Model, UnlearnTask
from harness.digests import derive_seed
from reference_methods.unlearners.capabilities import native_torch
from reference_methods.unlearners.native.training import tensor

if TYPE_CHECKING:
    from reference_methods.unlearners.svd import Svd

_BATCH = 128


def project(method: Svd, task: UnlearnTask, retain: Examples, forget: Examples) -> Model:
    """Return the original with every linear and convolution layer's weights projected."""
    original = native_torch(task.original)
    network: nn.Module = original.native
    kept = layer_inputs(network, retain, method.patches, derive_seed(task.seed, "retain patches"))
    lost = layer_inputs(network, forget, method.patches, derive_seed(task.seed, "forget patches"))
    with torch.no_grad():
        for name in kept:
            retained = directions(kept[name], method.alpha_retain)
            forgotten = directions(lost[name], method.alpha_forget)
            weight = network.get_parameter(f"{name}.weight")
            flat, removed = weight.flatten(1), (forgotten - forgotten @ retained).to(weight)
            weight.copy_((flat - flat @ removed).reshape(weight.shape))
    return original.with_native(network)


def directions(inputs: Tensor, alpha: float) -> Tensor:
    """Return the (D, D) matrix U diag(alpha e / ((alpha - 1) e + 1)) U^T of (N, D) inputs, in float64.

    U are the principal directions of the inputs (not centred) and e their shares of the energy.
    """
    wide = inputs.double()
    energy, basis = torch.linalg.eigh(wide.T @ wide)
    energy = energy.clamp(min=0)
    share = energy / energy.sum().clamp(min=torch.finfo(torch.float64).tiny)
    projector: Tensor = (basis * (alpha * share / ((alpha - 1) * share + 1))) @ basis.T
    return projector


def layer_inputs(network: nn.Module, examples: Examples, limit: int, seed: int) -> Mapping[str, Tensor]:
    """Return the (N, D) inputs of each linear and convolution layer, at most ``limit`` of each, by layer name."""
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    random = torch.Generator().manual_seed(seed)
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}
    batches = -(-len(examples) // _BATCH)

    def watch(name: str, layer: nn.Linear | nn.Conv2d, arguments: tuple[Tensor, ...]) -> None:
        rows = _rows(layer, arguments[0])
        chosen = torch.randperm(len(rows), generator=random)[:-(-limit // batches)].to(rows.device)
        seen[name].append(rows[chosen])

    hooks = [layer.register_forward_pre_hook(lambda layer, arguments, name=name: watch(name, layer, arguments))
             for name, layer in layers.items()]
    network.eval()
    with torch.no_grad():
        for batch in torch.split(tensor(examples.inputs, network), _BATCH):
            network(batch)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(parts) for name, parts in seen.items()}


def _rows(layer: nn.Linear | nn.Conv2d, inputs: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return inputs.flatten(0, -2)
    if layer.groups != 1 or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise ValueError("svd handles convolutions with one group and zero padding given in pixels; "
                         f"got groups={layer.groups}, padding={layer.padding!r}, mode={layer.padding_mode!r}")
    patches = nn.functional.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return patches.transpose(1, 2).flatten(0, 1)
