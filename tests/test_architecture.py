"""Rules about the source tree itself, read from its syntax trees."""

import ast
from pathlib import Path

import pytest

from harness import hookspecs
from harness.provenance import imported_modules

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "adapters", "reference_methods", "suites", "leaderboard")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def testimported_modules_keep_their_direction(path):
    own = path.relative_to(ROOT).parts[0]
    allowed = {own} if own == "harness" else {own, "harness"}
    used = {name.partition(".")[0] for name in imported_modules(path.read_bytes(), module_name(path))}
    assert used & set(PACKAGES) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_has_a_subject_and_a_docstring(path):
    assert path.stem not in {"utils", "helpers", "common", "misc", "base"}
    assert ast.get_docstring(ast.parse(path.read_bytes()))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_nothing_is_unpickled_or_evaluated(path):
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    assert not {"eval", "exec", "pickle.load", "pickle.loads", "torch.load", "joblib.load"} & set(calls)
    assert "allow_pickle=True" not in path.read_text(encoding="utf-8")


def test_every_hook_is_documented_typed_and_without_keyword_only_arguments():
    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("harness_")]
    assert len(hooks) == 11
    for hook in hooks:
        assert hook.__doc__
        assert "return" in hook.__annotations__
        assert hook.__kwdefaults__ is None


def test_every_package_is_built_and_typed():
    build = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package in PACKAGES:
        assert f'"{package}"' in build
        assert (ROOT / package / "py.typed").is_file()
