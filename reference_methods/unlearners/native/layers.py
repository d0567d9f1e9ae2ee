"""Finding layers in PyTorch networks."""

from __future__ import annotations

from torch import nn


def last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    """Return the last linear layer, in the order of ``named_modules``, with its name.

    Raises:
        ValueError: if there is none, or if it is the network itself and so cannot be replaced.
    """
    linear = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear) and name]
    if not linear:
        raise ValueError("the network has no linear layer among its parts; this method changes the last one")
    return linear[-1]
