"""What a number depends on beside its inputs: versions, platform, revision."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("unlearning-harness", "torch", "torchvision", "numpy", "scikit-learn", "scipy", "onnxruntime", "attrs",
            "pluggy", "safetensors")


def environment(device: str) -> dict[str, Any]:
    """Return versions of the packages that compute, Python, platform, device, git revision and its dirty flag."""
    revision, dirty = _revision()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "device": device,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "revision": revision,
        "dirty": dirty,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _revision() -> tuple[str, bool]:
    """Return (commit, has local changes) of the checkout that this package lies in, or ("", False)."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "", False
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return "", False


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
