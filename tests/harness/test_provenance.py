import subprocess
import sys

import pytest

from harness.provenance import imported_modules, source_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "sample_plugin"
    root.mkdir()
    (root / "__init__.py").touch()
    (root / "method.py").write_text("def f():\n    from sample_plugin.attack import g\n    return g\n")
    (root / "attack.py").write_text("from . import shared\n")
    (root / "shared.py").write_text("x = 1\n")
    (root / "other.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source_digest.cache_clear()
    yield root
    source_digest.cache_clear()


def digest_after(package, name):
    before = source_digest("sample_plugin.method")
    with (package / name).open("a") as file:
        file.write("y = 2\n")
    source_digest.cache_clear()
    return before, source_digest("sample_plugin.method")


@pytest.mark.parametrize("name", ["method.py", "attack.py", "shared.py"])
def test_a_change_of_anything_that_a_method_imports_changes_its_digest(package, name):
    before, after = digest_after(package, name)
    assert before != after


def test_a_change_elsewhere_in_the_package_does_not(package):
    before, after = digest_after(package, "other.py")
    assert before == after


def test_imports_are_found_in_functions_and_relative_ones_are_resolved():
    source = b"import a.b\ndef f():\n    from ..c import d\n"
    assert set(imported_modules(source, "p.q.r")) == {"a.b", "p.c", "p.c.d"}


def test_finding_sources_imports_nothing():
    code = ("import sys; from harness.provenance import source_digest; source_digest('adapters.torch_adapter')\n"
            "print('torch' in sys.modules, 'adapters.torch_model' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
