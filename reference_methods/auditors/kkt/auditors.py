"""The audit ``kkt``: how much nearer forgotten images are to what the weights give away than never-seen ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs
import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from harness import AuditCase, AuditReport, Needs, Scope
from harness.models import HasParameters
from harness.suite import ModelSpec
from reference_methods.auditors.kkt.report import Recovered, empty_report, make_report
from reference_methods.auditors.kkt.training import TrainingFacts, training_facts
from reference_methods.auditors.kkt.unseen import HeldOut, split_test

if TYPE_CHECKING:
    from reference_methods.auditors.kkt.network import ReluNetwork
    from reference_methods.auditors.kkt.reconstruct import Options, PixelRange, Reconstruction
    from reference_methods.auditors.kkt.sweep import Restart

# Logits of the network that was read from the weights and of the model itself may differ by rounding, no more.
_SAME_LOGITS = 1e-3
_CONVOLUTIONAL = ("small-cnn", "resnet18", "vgg11", "vgg19", "torchvision")


@frozen(kw_only=True)
class Kkt:
    """Reconstruction of training images from the weights of a homogeneous ReLU network (arXiv paper "UnlearnGuard").

    Candidates are recovered from the audited model alone; then each training image and each never-seen test image is
    given the correlation with its nearest candidate, without the mean image. An unlearned forget set must not be nearer
    than never-seen images are. Correlations are taken of pixels (``KKT AUC``) and of whitened pixels (``KKT white
    AUC``), which has more power. ``KKT span AUC`` does without candidates: it ranks images by their share in the span
    of the first layer's weights, where training leaves every image it has seen, as long as there are more inputs and
    units than images.

    The similarity that the paper thresholds, SSIM after adding the mean image, is reported as V but decides nothing: a
    bank of grey images alone has V true for all of MNIST at its thresholds.

    Attributes:
        restarts: runs of the sweep, all in one bank.
        steps: most steps of each; the published procedure takes 50,000.
        factor: candidates per training image; at least 2 in the papers.
        prior_steps: steps of stage 2 (algorithm 2); 0 leaves it out.
        reach: epsilon of stage 2, in units of the inputs.
        never_seen: number of test images to compare with; at most half of the test set.
        dtype: of the reconstruction.
        as_published: plain gradient descent with momentum over all pixels within [-1, 1], at constant rates.
        largest_loss: mean loss on the retain set above which the absence of evidence means nothing.
    """

    restarts: int = field(default=4, validator=validators.ge(1))
    steps: int = field(default=500, validator=validators.ge(1))
    factor: float = field(default=2.0, validator=validators.gt(0))
    prior_steps: int = field(default=0, validator=validators.ge(0))
    reach: float = field(default=0.1, validator=validators.gt(0))
    never_seen: int = field(default=200, validator=validators.ge(2))
    dtype: Literal["float32", "float64"] = field(default="float32", validator=validators.in_(("float32", "float64")))
    as_published: bool = False
    largest_loss: float = field(default=1e-2, validator=validators.gt(0))

    name: ClassVar[str] = "kkt"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset[str]] = frozenset({"parameters"})
    scopes: ClassVar[tuple[Scope, ...]] = ("sample", "class")

    @property
    def needs(self) -> Needs:
        """The model itself."""
        return Needs(models=True)

    def unsuited(self, model: ModelSpec) -> str | None:
        """Return why a network of the built-in architecture ``model`` is not homogeneous; None if it is or may be.

        Of other architectures nothing is known before the audit, which is inconclusive if they turn out not to fit.
        """
        if model.name in _CONVOLUTIONAL:
            return f"needs a homogeneous network of fully connected layers; '{model.name}' has convolutions"
        if model.name == "mlp" and model.settings.get("bias", True) is True:
            return "needs a homogeneous network; 'mlp' has a bias in every layer, train it with bias = \"first\""
        return None

    def audit(self, case: AuditCase) -> AuditReport:
        """Return the size of the bank, AUCs, correlations and V; if the bank is empty, the reason in the notes."""
        from reference_methods.auditors.kkt.network import NotHomogeneous
        from reference_methods.auditors.kkt.span import image_span

        facts = _training_facts(case)
        try:
            network = self._network(case)
        except NotHomogeneous as reason:
            return empty_report(case, str(reason), attrs.asdict(facts))
        held_out = split_test(case.data.test.labels, case.data.train.labels, case.request, self.never_seen, case.seed)
        found = self._recover(case, network, held_out)
        notes = {**attrs.asdict(facts), **_facts_of(found)}
        bank = found.candidates.flatten(0, 1).numpy()
        if len(bank) == 0 or not np.ptp(bank, axis=1).any():
            cause = "all candidates are blank" if len(bank) else "every restart diverged"
            return empty_report(case, f"the bank is empty: {cause}", notes)
        if facts.loss > self.largest_loss:
            notes["weak"] = (f"the mean loss on the retain set is {facts.loss:.3g}, above {self.largest_loss:g}: "
                             "no evidence proves nothing")
        basis = image_span(network, len(case.data.train)).basis.numpy()
        return make_report(case, held_out, Recovered(bank=bank, basis=basis), notes)

    def _network(self, case: AuditCase) -> ReluNetwork:
        """Return the audited model as matrices.

        Raises:
            NotHomogeneous: if its parameters are of another kind, or do something else than a ReLU network's would.
        """
        import torch

        from reference_methods.auditors.kkt.network import NotHomogeneous, read_network

        model = case.models["unlearned"]
        if not isinstance(model, HasParameters):
            raise NotHomogeneous(f"{type(model).__name__} has no parameters that can be read")
        probe = case.data.test.inputs[:32]
        if probe.ndim != 4 or min(probe.shape[2:]) < 3:
            raise NotHomogeneous(f"inputs of shape {probe.shape[1:]} are no images; expected (channels, height, width) "
                                 "of at least 3 x 3")
        network = read_network(model.parameters(), probe[0].size, getattr(torch, self.dtype))
        expected = case.unlearned.test[:32]
        outputs = network.outputs_of(torch.tensor(probe, dtype=network.weights[0].dtype).flatten(1)).numpy()
        if outputs.shape != expected.shape or np.abs(outputs - expected).max() > _SAME_LOGITS * (
                1 + np.abs(expected).max()):
            raise NotHomogeneous("its logits are not those of a ReLU network with its weight matrices; expected ReLU "
                                 "between fully connected layers and nothing else")
        return network

    def _recover(self, case: AuditCase, network: ReluNetwork, held_out: HeldOut) -> Reconstruction:
        from reference_methods.auditors.kkt.reconstruct import reconstruct

        public = case.data.test.inputs[held_out.public]
        restarts, pixels, options = self._procedure(public, network, case.seed)
        return reconstruct(network, len(case.data.train), restarts, pixels, seed=case.seed % 2**63, options=options,
                           factor=self.factor)

    def _procedure(self, public: NDArray[np.float32], network: ReluNetwork,
                   seed: int) -> tuple[tuple[Restart, ...], PixelRange, Options]:
        import torch

        from reference_methods.auditors.kkt.reconstruct import PUBLISHED, Options, PixelRange
        from reference_methods.auditors.kkt.sweep import adaptive_sweep, published_sweep

        dtype = network.weights[0].dtype
        chosen = PUBLISHED if self.as_published else Options()
        options = attrs.evolve(chosen, steps=self.steps, prior_steps=self.prior_steps, reach=self.reach)
        if self.as_published:
            pixels = PixelRange(low=torch.tensor(-1.0, dtype=dtype), high=torch.tensor(1.0, dtype=dtype))
            return published_sweep(self.restarts, seed), pixels, options
        flat = public.reshape(len(public), -1)
        # What public images of the same kind take: on centred digits that is the range 0 to 1 less the mean image.
        pixels = PixelRange(low=torch.tensor(flat.min(axis=0), dtype=dtype),
                            high=torch.tensor(flat.max(axis=0), dtype=dtype))
        return adaptive_sweep(self.restarts, seed), pixels, options


def _training_facts(case: AuditCase) -> TrainingFacts:
    kept = case.request.retain_mask(len(case.data.train))
    return training_facts(case.unlearned.train.astype(np.float64), case.data.train.labels, kept)


def _facts_of(found: Reconstruction) -> dict[str, Any]:
    bank = found.candidates.shape[0] * found.candidates.shape[1]
    best = {name: float(values.min()) for name, values in found.residuals.items() if len(values)}
    return {"bank": bank, "steps": found.steps, "diverged": found.diverged, "rank": found.rank, "residuals": best}
