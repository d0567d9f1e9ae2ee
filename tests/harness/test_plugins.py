import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import harness.plugins
from harness.errors import PluginError, UnknownName
from harness.plugins import BUILT_IN, load_registry

METHOD = """
from typing import ClassVar
from attrs import frozen
from harness import hookimpl

@frozen(kw_only=True)
class Method:
    strength: float = 1.0
    name: ClassVar[str] = "{name}"
    version: ClassVar[str] = "1"
    requires: ClassVar[frozenset] = frozenset()
    access: ClassVar[tuple] = ("retain+forget",)
    scopes: ClassVar[tuple] = ("sample",)

    def unlearn(self, task):
        return task.original

@hookimpl
def harness_unlearners():
    return [Method]
"""


@pytest.fixture
def plugin(tmp_path):
    def write(content, name="mine.py"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path
    return write


def test_a_file_is_a_plugin_whose_owner_names_file_and_digest(plugin):
    path = plugin(METHOD.format(name="mine"))

    entry = load_registry([path]).unlearners.find("mine")

    assert entry.value.name == "mine"
    assert entry.owner.file == str(path)
    assert entry.owner.version == "unpackaged"
    assert len(entry.owner.digest) == 64


def test_built_in_plugins_come_through_the_same_door():
    registry = load_registry(installed=False)
    assert [owner.plugin for owner in registry.plugins] == list(BUILT_IN)
    assert {owner.distribution for owner in registry.plugins} == {"unlearning-harness"}


def test_two_plugins_with_one_name_are_an_error_that_names_both(plugin):
    path = plugin(METHOD.format(name="amun"))
    with pytest.raises(PluginError, match=r"two plugins register the unlearner 'amun': unlearning-harness .* and "
                                          r"file .*mine.py; rename one or uninstall it"):
        load_registry([path])


@pytest.mark.parametrize(("content", "message"), [
    ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
    ("def f(:", "SyntaxError"),
    ("raise SystemError('x\\ny')", "SystemError: x y"),
    ("HARNESS_API = 2", "written for plugin API 2, this harness offers 1"),
    ("from harness import hookimpl\n@hookimpl\ndef harness_unlearner(): return []", "unknown hook 'harness_unlearner'"),
    ("from harness import hookimpl\n@hookimpl\ndef harness_unlearners(x): return []", "Argument"),
    ("from harness import hookimpl\n@hookimpl\ndef harness_unlearners(): return 3", "a list, it returned 3"),
    ("from harness import hookimpl\n@hookimpl\ndef harness_unlearners(): return [int]", "has no 'name'"),
    (METHOD.format(name="mine").replace("return [Method]", "return [Method()]"), "drop the parentheses"),
    (METHOD.format(name="mine").replace("unlearn(self", "forget(self"), "unlearner 'mine' lacks unlearn"),
    (METHOD.format(name="mine").replace("@frozen(kw_only=True)", ""), "not an attrs class"),
])
def test_a_broken_file_is_named_with_its_cause(plugin, content, message):
    path = plugin(content)
    with pytest.raises(PluginError, match=message) as caught:
        load_registry([path])
    assert "mine.py" in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(PluginError, match=r"--plugin .*gone.py: there is no such file"):
        load_registry([tmp_path / "gone.py"])


def test_a_broken_installed_plugin_is_listed_and_loses_nobody_elses(monkeypatch):
    entry = EntryPoint(name="bad", value="no_such_module_anywhere", group="unlearning_harness")
    monkeypatch.setattr(harness.plugins, "entry_points", lambda group: [entry])

    registry = load_registry()

    assert [broken.owner.plugin for broken in registry.broken] == ["bad"]
    assert "No module named 'no_such_module_anywhere'" in registry.broken[0].cause
    assert "amun" in registry.unlearners.entries


def test_a_refused_plugin_leaves_no_hook_behind(plugin, monkeypatch):
    entry = EntryPoint(name="bad", value="bad_plugin_for_test", group="unlearning_harness")
    path = plugin("from harness import hookimpl\n@hookimpl\ndef harness_unlearners(): raise ValueError('no')",
                  "bad_plugin_for_test.py")
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.setattr(harness.plugins, "entry_points", lambda group: [entry])

    registry = load_registry()

    names = [name for name, _ in registry.manager.list_name_plugin()]
    assert not [name for name in names if "bad" in name]


def test_a_wrong_name_is_told_with_the_nearest_known_one():
    with pytest.raises(UnknownName, match=r"'amum' is not an unlearner; did you mean 'amun'\? known: "):
        load_registry(installed=False).unlearners["amum"]


def test_a_folder_of_another_distribution_is_told(tmp_path):
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").touch()
    code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
            "from harness.plugins import load_registry\nload_registry()")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False,
                          cwd=tmp_path)
    assert "is not the one of unlearning-harness" in done.stderr
    assert "environment of its own" in done.stderr


def test_loading_every_plugin_loads_no_framework():
    code = ("import sys; from harness.plugins import load_registry; load_registry()\n"
            "print([m for m in ('torch', 'sklearn', 'onnxruntime', 'scipy', 'torchvision') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_harness_loads_no_framework():
    code = ("import sys, harness\n"
            "print([m for m in ('torch', 'sklearn', 'onnxruntime', 'scipy', 'torchvision') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
