"""FastClip and TRADES as a training loop sees them: settings, and what to call after a step, an epoch, or for the loss.

A loop needs to know `harness.training.Attached` only, and an aid attaches itself to a network before the first step::

    attached = aid.attach(network, inputs[:1], seed)
    for epoch in range(epochs):
        for batch in batches:
            ...                       # the loss is attached.loss(network, inputs, targets, weights) where there is one
            optimizer.step()
            attached.after_step()
        attached.after_epoch()

This module loads no framework; `attach` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import field, frozen, validators

from harness.training import Attached

if TYPE_CHECKING:
    from torch import Tensor, nn


@frozen(kw_only=True)
class FastClipAid:
    """Clip the largest singular value of every affine layer at a limit (`reference_methods.training.clipping`).

    Attributes:
        limit: the largest singular value allowed.
        every: number of steps between two corrections; each epoch ends with an exact one.
        batch_norm: ``composition`` clips a layer and the batch norm behind it as one, ``ignore`` the layer alone.
        as_published: do what the released code does, which raises small singular values and does not end exactly; it
            clips layers alone, every 100 steps.
    """

    name: ClassVar[str] = "fastclip"
    version: ClassVar[str] = "1"
    framework: ClassVar[str] = "torch"
    constrains: ClassVar[bool] = True

    limit: float = field(default=1.0, validator=validators.gt(0))
    every: int = field(default=20, validator=validators.ge(1))
    batch_norm: Literal["composition", "ignore"] = field(
        default="composition", validator=validators.in_(("composition", "ignore")))
    as_published: bool = False

    def attach(self, network: nn.Module, inputs: Tensor, seed: int) -> Attached:
        """Return what clips ``network``, whose layers are found by running it on ``inputs`` (B, ...) once."""
        from reference_methods.training.clipping import FastClip
        from reference_methods.training.published import PublishedFastClip

        if self.as_published:
            published = PublishedFastClip(network, inputs, limit=self.limit, seed=seed)
            return Attached(after_step=published.step)
        clip = FastClip(network, inputs, limit=self.limit, every=self.every, batch_norm=self.batch_norm, seed=seed)
        return Attached(after_step=clip.step, after_epoch=clip.clip)


@frozen(kw_only=True)
class TradesAid:
    """Train for predictions that are right and do not change within a ball (`reference_methods.training.trades`).

    The defaults are those of the released code for CIFAR-10.

    Attributes:
        beta: weight of the robust term, the paper's 1/lambda.
        norm: of the ball: ``linf`` or ``l2``.
        epsilon: its radius, in units of the inputs.
        step_size: of each step of the inner maximisation. None is what the released code takes for ten steps: 7/31 of
            the radius for ``linf``, 1/5 of it for ``l2``.
        steps: of the inner maximisation.
        pixels: whether inputs are confined to [0, 1].
    """

    name: ClassVar[str] = "trades"
    version: ClassVar[str] = "1"
    framework: ClassVar[str] = "torch"
    constrains: ClassVar[bool] = False

    beta: float = field(default=6.0, validator=validators.ge(0))
    norm: Literal["linf", "l2"] = field(default="linf", validator=validators.in_(("linf", "l2")))
    epsilon: float = field(default=0.031, validator=validators.ge(0))
    step_size: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    steps: int = field(default=10, validator=validators.ge(1))
    pixels: bool = True

    def attach(self, network: nn.Module, inputs: Tensor, seed: int) -> Attached:
        """Return the loss; ``seed`` decides where its maximisations start."""
        import torch

        from reference_methods.training.trades import trades_loss

        generator = torch.Generator().manual_seed(seed)

        def loss(network: nn.Module, inputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
            return trades_loss(network, inputs, targets, weights, settings=self, generator=generator)

        return Attached(loss=loss)
