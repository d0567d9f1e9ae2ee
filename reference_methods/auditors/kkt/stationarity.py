"""How far candidates are from explaining a network's weights, and the way downhill, without double backward.

The KKT conditions of the margin problem say theta = sum_i lambda_i grad_theta margin(x_i) (equations 9 and 22). The
gradient of a fully connected layer is the product of two matrices that one forward and one backward pass give, so
both passes and their derivatives are written out here as matrix products.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from reference_methods.auditors.kkt.network import ReluNetwork, competing_directions


@frozen(kw_only=True, eq=False)
class Passes:
    """What a forward and a backward pass of all candidates leave behind, for R restarts of m candidates.

    Attributes:
        inputs: (R, m, ...) of each linear layer, the candidates first.
        products: (R, m, ...) of inputs and weights, without the bias.
        gates: (R, m, ...) smoothed derivative of the ReLU after each layer but the last.
        arriving: (R, m, ...) backward signal before each gate.
        deltas: (R, m, ...) backward signal after each gate, and of the outputs last: sum_i lambda_i margin_i / m by
            the layer's result.
        outputs: (R, m, C) of the network.
        directions: (R, m, C), see `competing_directions`.
    """

    inputs: list[Tensor]
    products: list[Tensor]
    gates: list[Tensor]
    arriving: list[Tensor]
    deltas: list[Tensor]
    outputs: Tensor
    directions: Tensor


@frozen(kw_only=True, eq=False)
class Stationarity:
    """The stationarity loss sum_p ||p - g_p||^2 over all parameters p, g_p = d/dp (1/m) sum_i lambda_i margin_i.

    The forward pass has the exact ReLU; wherever its derivative is taken, sigmoid(sharpness * pre-activation) stands
    for the step, and is differentiated itself: otherwise nothing would tell a candidate how to move a gate.

    Attributes:
        network: the one to explain.
        labels: (m,) int64 class of every candidate.
        sharpness: (R, 1, 1) of the smoothed derivative, one a restart.
        input_weights: (D,) what squared errors in each column of the first weight matrix count; 1 when None.

    Source: equations 11 and 22; factor 1/m and smoothing as in the code of Haim et al. 2022 (arXiv:2206.07758) and
    Buzaglo et al. 2023 (arXiv:2307.01827).
    """

    network: ReluNetwork
    labels: Tensor
    sharpness: Tensor
    input_weights: Tensor | None = None

    def passes(self, candidates: Tensor, multipliers: Tensor) -> Passes:
        """Return both passes for candidates (R, m, D) with multipliers lambda (R, m)."""
        network = self.network
        inputs, products, gates = [candidates], [], []
        for number, weight in enumerate(network.weights):
            products.append(inputs[-1] @ weight.T)
            if number < len(network.weights) - 1:
                before = products[-1] if number or network.bias is None else products[-1] + network.bias
                gates.append(torch.sigmoid(self.sharpness * before))
                inputs.append(before.relu())
        outputs = products[-1] if gates or network.bias is None else products[-1] + network.bias
        directions = competing_directions(outputs, self.labels)
        deltas = [directions * (multipliers / candidates.shape[1])[..., None]]
        arriving: list[Tensor] = []
        for gate, weight in zip(reversed(gates), reversed(network.weights[1:]), strict=True):
            arriving.insert(0, deltas[0] @ weight)
            deltas.insert(0, arriving[0] * gate)
        return Passes(inputs=inputs, products=products, gates=gates, arriving=arriving, deltas=deltas,
                      outputs=outputs, directions=directions)

    def explained(self, passes: Passes) -> dict[str, Tensor]:
        """Return g_p (R, *shape of p) of every parameter p by name."""
        named = {f"W{number}": delta.mT @ inputs
                 for number, (delta, inputs) in enumerate(zip(passes.deltas, passes.inputs, strict=True), start=1)}
        if self.network.bias is not None:
            named["b1"] = passes.deltas[0].sum(dim=1)
        return named

    def residuals(self, candidates: Tensor, multipliers: Tensor) -> dict[str, Tensor]:
        """Return ||p - g_p||^2 (R,) of every parameter p by name."""
        explained = self.explained(self.passes(candidates, multipliers))
        return {name: (explained[name] - value).square().flatten(1).sum(dim=1)
                for name, value in self.network.parameters.items()}

    def gradients(self, candidates: Tensor, multipliers: Tensor, prior: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return the gradients by candidates (R, m, D) and by multipliers (R, m) of the loss.

        Args:
            candidates: (R, m, D).
            multipliers: (R, m).
            prior: weight of L_prior (equation 4), the sum over candidates of -|output of the predicted class|.
        """
        passes = self.passes(candidates, multipliers)
        by_delta, by_input = self._pulls(passes)
        by_multiplier = (by_delta[-1] * passes.directions).sum(dim=-1) / candidates.shape[1]
        by_result = _prior_gradient(passes.outputs, prior)
        for layer in reversed(range(len(self.network.weights))):
            by_entry = self._through(layer, by_input[layer], by_result, passes.deltas[layer])
            if layer:
                gate, arriving = passes.gates[layer - 1], passes.arriving[layer - 1]
                through_gate = by_delta[layer - 1] * arriving * self.sharpness * (1 - gate)
                by_result = gate * (by_entry + through_gate)
        return by_entry, by_multiplier

    def _pulls(self, passes: Passes) -> tuple[list[Tensor], list[Tensor]]:
        """Return the loss's derivative by every delta, complete, and delta G (R, m, ...) of every layer."""
        by_delta: list[Tensor] = []
        by_input: list[Tensor] = []
        for layer, (delta, inputs) in enumerate(zip(passes.deltas, passes.inputs, strict=True)):
            weighted, products = self._weighted(layer, inputs, passes.products[layer])
            of_delta, of_input = _products_of_outer(delta, inputs, weighted)
            gradient = 2 * (of_delta - products)
            if layer == 0 and self.network.bias is not None:
                gradient += 2 * (delta.sum(dim=1, keepdim=True) - self.network.bias)
            if layer:
                gradient += (by_delta[-1] * passes.gates[layer - 1]) @ self.network.weights[layer].T
            by_delta.append(gradient)
            by_input.append(of_input)
        return by_delta, by_input

    def _weighted(self, layer: int, inputs: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
        if layer or self.input_weights is None:
            return inputs, products
        weighted = inputs * self.input_weights
        return weighted, weighted @ self.network.weights[0].T

    def _through(self, layer: int, of_input: Tensor, by_result: Tensor, delta: Tensor) -> Tensor:
        """Return the derivative by a layer's input: of the loss's squares there, and of all that comes after."""
        weight = self.network.weights[layer]
        if layer or self.input_weights is None:
            # <p, g_p> adds -2 delta @ weight, and the layers behind by_result @ weight: one product serves both.
            return 2 * of_input + (by_result - 2 * delta) @ weight
        return 2 * (of_input - delta @ weight) * self.input_weights + by_result @ weight


def _prior_gradient(outputs: Tensor, weight: float) -> Tensor:
    if weight == 0.0:
        return torch.zeros_like(outputs)
    predicted = outputs.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(outputs).scatter(-1, predicted, -weight * outputs.gather(-1, predicted).sign())


def _products_of_outer(delta: Tensor, inputs: Tensor, weighted: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted G^T and delta G for G = delta^T inputs, multiplied in the cheaper order.

    With few candidates the Gram matrices are smaller than the layer, and G itself is never needed.
    """
    count, wide, narrow = delta.shape[1], delta.shape[2], inputs.shape[2]
    if 2 * count * (wide + narrow) < 3 * wide * narrow:
        return (weighted @ inputs.mT) @ delta, (delta @ delta.mT) @ inputs
    outer = delta.mT @ inputs
    return weighted @ outer.mT, delta @ outer
