"""The one test that a plugin needs; `pytest tests/example_plugin` runs it where the example is installed."""

import pytest

pytest.importorskip("unlearning_example", reason="the example is not installed: pip install tests/example_plugin")

from unlearning_example.adapter import FourierAdapter
from unlearning_example.auditor import MarginAuc
from unlearning_example.unlearner import AscendRepair

from harness.conformance import parametrize_with_checks


@parametrize_with_checks([AscendRepair(), MarginAuc(), FourierAdapter()])
def test_conformance(check):
    check()
