"""Models seen through one capability, with an error that names it where it is missing.

The engine checks ``requires`` before anything runs; these are for callers of the Python API, and for the type checker.
"""

from __future__ import annotations

from harness import Model
from harness.models import Differentiable, HasParameters, NativeTorch
from reference_methods.unlearners.searches import Attackable


def parametrised(model: Model) -> HasParameters:
    """Return ``model``, whose parameters can be read and replaced, or raise TypeError."""
    if not isinstance(model, HasParameters):
        raise _lacking(model, "parameters")
    return model


def differentiable(model: Model) -> Differentiable:
    """Return ``model``, which has gradients of its parameters, or raise TypeError."""
    if not isinstance(model, Differentiable):
        raise _lacking(model, "loss-gradients")
    return model


def attackable(model: Model) -> Attackable:
    """Return ``model``, which has gradients of its inputs, or raise TypeError."""
    if not isinstance(model, Attackable):
        raise _lacking(model, "input-gradients")
    return model


def native_torch(model: Model) -> NativeTorch:
    """Return ``model``, which gives its PyTorch network out, or raise TypeError."""
    if not isinstance(model, NativeTorch):
        raise _lacking(model, "native-torch")
    return model


def _lacking(model: Model, capability: str) -> TypeError:
    return TypeError(f"{type(model).__name__} lacks the capability '{capability}', which this unlearner needs")
