import subprocess
import sys
from pathlib import Path

import pytest

from harness import BadSetting, DataError, DatasetSource
from suites.plugin import harness_datasets, harness_suites, suites_in

SUITES = Path(__file__).parents[2] / "suites"


def test_the_built_in_data_sets_are_registered_under_their_names():
    assert sorted(source.name for source in harness_datasets()) == [
        "cifar10", "cifar10-centred", "cifar10-jpeg", "cifar100", "digits", "digits-parity", "fashion-mnist",
        "imagefolder", "mnist", "mnist-centred", "mnist-parity", "svhn", "tiny-imagenet"]


@pytest.mark.parametrize("source", harness_datasets(), ids=lambda source: source.name)
def test_a_source_is_one_and_has_a_line_of_description(source):
    assert isinstance(source, DatasetSource)
    assert source.description
    assert "\n" not in source.description


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"])
@pytest.mark.parametrize("given", [True, False])
def test_missing_files_are_a_line_that_says_what_to_do(name, given, tmp_path):
    source = {source.name: source for source in harness_datasets()}[name]

    with pytest.raises(DataError, match=rf"^{name}: .*--download") as caught:
        source.load(tmp_path if given else None, download=False)
    assert "\n" not in str(caught.value)


def test_every_suite_is_called_like_its_file():
    assert sorted(suite.name for suite in harness_suites()) == sorted(path.stem for path in SUITES.glob("*.toml"))


def test_every_suite_uses_a_registered_data_set():
    known = {source.name for source in harness_datasets()}

    assert {suite.data.name.partition(":")[0] for suite in harness_suites()} <= known


@pytest.mark.parametrize(("line", "message"), [
    ("name = ", "broken.toml: not a TOML file"),
    ('name = "broken-v1"\nepochs = 3', "broken.toml"),
])
def test_a_broken_suite_is_named_with_its_file(line, message, tmp_path):
    (tmp_path / "broken.toml").write_text(line)

    with pytest.raises(BadSetting, match=message) as caught:
        suites_in(tmp_path)
    assert "\n" not in str(caught.value)


def test_registering_loads_nothing_heavy():
    program = """
import sys
from suites.plugin import harness_datasets, harness_suites
harness_datasets(), harness_suites()
print([name for name in ("torch", "torchvision", "sklearn", "scipy", "PIL") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
