"""The reconstruction loss as its authors compute it: automatic differentiation of a gradient.

Written from the formulas (arXiv:2206.07758, arXiv:2307.01827 and equations 4, 11, 12 and 22), independently of the
closed form that it is a witness for.
"""

import torch


class SmoothedRelu(torch.autograd.Function):
    """ReLU forward; backward multiplies by sigmoid(sharpness * input), which is differentiable in turn."""

    @staticmethod
    def forward(context, inputs, sharpness):
        context.save_for_backward(inputs)
        context.sharpness = sharpness
        return inputs.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        (inputs,) = context.saved_tensors
        return gradient * torch.sigmoid(context.sharpness * inputs), None


def forward(weights, bias, candidates, sharpness):
    hidden = candidates
    for number, weight in enumerate(weights):
        hidden = hidden if number == 0 else SmoothedRelu.apply(hidden, sharpness)
        hidden = hidden @ weight.T
        if number == 0 and bias is not None:
            hidden = hidden + bias
    return hidden


def margins(outputs, labels):
    if outputs.shape[1] == 1:
        return outputs[:, 0] * (2.0 * labels - 1)
    rows = torch.arange(len(labels))
    others = outputs.clone()
    others[rows, labels] = -torch.inf
    return outputs[rows, labels] - others.max(dim=1).values


def loss(network, candidates, multipliers, labels, sharpness, *, lambda_min=None, low=None, high=None, prior=0.0):
    """Return the whole loss of one restart as a scalar with a graph."""
    weights = [weight.detach().clone().requires_grad_() for weight in network.weights]
    bias = None if network.bias is None else network.bias.detach().clone().requires_grad_()
    leaves = [*weights, *([] if bias is None else [bias])]
    outputs = forward(weights, bias, candidates, sharpness)
    objective = (multipliers * margins(outputs, labels)).sum() / len(candidates)
    explained = torch.autograd.grad(objective, leaves, create_graph=True)
    total = sum(((p.detach() - g) ** 2).sum() for p, g in zip(leaves, explained, strict=True))
    if lambda_min is not None:
        total = total + 5 * (torch.relu(lambda_min - multipliers) ** 2).sum()
    if high is not None:
        total = total + (torch.relu(candidates - high) ** 2).sum() + (torch.relu(low - candidates) ** 2).sum()
    if prior:
        total = total - prior * outputs.gather(1, outputs.argmax(1, keepdim=True)).abs().sum()
    return total
