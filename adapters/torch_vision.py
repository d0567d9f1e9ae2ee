"""The one place where torchvision is made importable."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from harness.errors import BadSetting

_OPERATORS = ("nms", "qnms")


@cache
def ensure_torchvision() -> torch.library.Library | None:
    """Make ``import torchvision`` work beside a CPU build of torch; call it before the first import.

    torchvision's wheels on PyPI are built for CUDA. Beside a CPU build of torch their compiled operators cannot be
    loaded, and the import then fails with ``operator torchvision::nms does not exist``, because stand-ins are
    registered for two operators that nothing has declared (pytorch/vision issues 9077 and 9085). Declaring the two is
    enough: transforms and models work after it, and only the operators themselves are missing.

    Returns:
        The declarations, which last as long as the object does, or None where the compiled operators load.

    Raises:
        BadSetting: if torchvision is not installed.
    """
    spec = find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise BadSetting("torchvision is not installed; `pip install torchvision`")
    compiled = sorted(Path(spec.submodule_search_locations[0]).glob("_C*.so"))
    try:
        torch.ops.load_library(str(compiled[0]))
    except (OSError, IndexError):
        library = torch.library.Library("torchvision", "DEF")
        for operator in _OPERATORS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None
