import subprocess
import sys
from importlib.util import find_spec

import pytest

from harness import torchvision_compat

PROGRAM = """
import sys
from harness.torchvision_compat import ensure_torchvision
assert "torch" not in sys.modules
first = ensure_torchvision()
import torchvision
from torchvision.transforms import v2
import torch
assert ensure_torchvision() == first
assert v2.RandomHorizontalFlip(p=1)(torch.arange(2).reshape(1, 1, 2)).flatten().tolist() == [1, 0]
print(first)
"""


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")
def test_torchvision_can_be_imported_afterwards_and_asking_twice_is_harmless():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("native", "python-only")


def test_a_missing_torchvision_is_said_to_be_absent(monkeypatch):
    monkeypatch.setattr(torchvision_compat, "find_spec", lambda name: None)

    assert torchvision_compat.ensure_torchvision() == "absent"
