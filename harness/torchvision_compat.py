"""An `import torchvision` that also works beside a CPU build of torch."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch.library import Library

Torchvision = Literal["native", "python-only", "absent"]


def ensure_torchvision() -> Torchvision:
    """Return what there is of torchvision, after mending what would make its import fail; call it before importing.

    The torchvision wheel on PyPI for Linux is a CUDA build. Beside a CPU build of torch its compiled operators cannot
    be loaded, and its import stops with ``operator torchvision::nms does not exist``, because it describes two
    operators to the compiler without asking whether they are there (pytorch/vision #9077, #9085). Declaring their
    schemas is enough for its models, transforms and data sets, none of which calls them.

    Returns:
        ``native``: the compiled operators work. ``python-only``: everything works but ``torchvision.ops.nms`` and
        ``torchvision.io``. ``absent``: torchvision is not installed.
    """
    spec = find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return "absent"
    if not _has_operator("nms"):
        _load_operators(Path(spec.submodule_search_locations[0]))
    if not _has_operator("nms"):
        _declare_schemas()
    return "native" if _has_operator("roi_align") else "python-only"


def _has_operator(name: str) -> bool:
    import torch

    return hasattr(torch.ops.torchvision, name)


def _load_operators(package: Path) -> None:
    import torch

    for library in [*package.glob("_C*.so"), *package.glob("_C*.pyd")]:
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:
            continue


@cache  # Torch forgets the schemas once the library that declared them is collected.
def _declare_schemas() -> Library:
    from torch.library import Library

    # A fragment, so that somebody else's declaration of the same namespace is no error.
    library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    return library
