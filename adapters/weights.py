"""Opening models whose parameters lie in a safetensors file."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BadSetting
from harness.models import Adapter, HasParameters, Model, Parameters
from harness.sources import Source


def open_weights(adapter: Adapter, source: Source) -> Model:
    """Return the model of ``source.architecture`` with the parameters in the file ``source.location``.

    Raises:
        BadSetting: if no architecture of this adapter was named, or the file cannot be read or does not fit it.
    """
    if source.architecture is None:
        raise BadSetting(f"{source.uri} holds parameters only; say of which network with --architecture NAME "
                         "(`unlearn list models`)")
    parameters = read_weights(source)
    empty = adapter.factory(source.architecture, source.input_shape, source.num_classes, source.settings,
                            source.device).build(0)
    if not isinstance(empty, HasParameters):
        raise BadSetting(f"model '{source.architecture.name}' has no parameters that a file could hold")
    try:
        return empty.with_parameters(parameters)
    except ValueError as error:
        raise BadSetting(f"{source.uri} does not fit model '{source.architecture.name}' for {source.num_classes} "
                         f"classes: {error}") from error


def read_weights(source: Source) -> Parameters:
    """Return the arrays in a safetensors file.

    Raises:
        BadSetting: if it cannot be read or is no such file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not source.location.endswith(".safetensors"):
        raise BadSetting(f"{source.uri}: expected FILE.safetensors; files made by torch.save or pickle can run code "
                         "when they are opened: convert them where you trust them")
    try:
        return dict(load(Path(source.location).read_bytes()))
    except OSError as error:
        raise BadSetting(f"{source.uri}: cannot be read: {error.strerror}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadSetting(f"{source.uri} is no safetensors file, or a part of one: {error}") from error
