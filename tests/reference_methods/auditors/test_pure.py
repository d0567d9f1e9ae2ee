import subprocess
import sys

import pytest

MODULES = ["signals", "rmia", "lira", "ulira", "klom", "epsilon", "mis"]


@pytest.mark.parametrize("module", MODULES)
def test_an_audits_arithmetic_imports_neither_the_harness_nor_anything_heavy(module):
    heavy = "{'torch', 'sklearn', 'scipy', 'harness'} & set(sys.modules)"
    code = f"import sys, reference_methods.auditors.{module}; sys.exit(repr({heavy}) if {heavy} else 0)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
