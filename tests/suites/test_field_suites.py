"""The suites of the field: every name in them exists, and anybody can read what they are without their data."""

import re

import pytest

from harness.cli import run_main
from harness.plugins import load_registry
from harness.suite_facts import examples_of, suite_facts

REGISTRY = load_registry(installed=False)
SUITES = [REGISTRY.suites[name] for name in REGISTRY.suites]
PAPER = [suite for suite in SUITES if suite.description.endswith("Paper tier.")]
CUT_DOWN = [suite for suite in SUITES if suite.source.endswith(", cut down")]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_data_model_and_training_of_a_suite_exist(suite):
    from adapters.torch_augmentation import AUGMENTATIONS

    architecture = REGISTRY.models[suite.model.name]
    assert REGISTRY.dataset(suite.data.name).name == suite.data.name
    assert architecture.adapter in REGISTRY.adapters.entries
    assert set(suite.recipe.augmentation) <= set(AUGMENTATIONS)
    assert set(suite.recipe.aids) <= set(REGISTRY.aids.entries)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_suite_tells_its_protocol_without_its_data(suite):
    facts = dict(suite_facts(suite, REGISTRY))

    assert suite.protocol[:12] in facts["rows"]
    assert re.match(r"[\d,]+ models trained \(", facts["cost"])
    assert facts["source"] == suite.source != ""
    assert None not in examples_of(suite, REGISTRY)


@pytest.mark.parametrize("suite", PAPER, ids=lambda suite: suite.name)
def test_a_suite_after_a_paper_says_where_it_is_from_and_beside_what_its_rows_may_stand(suite):
    assert re.search(r"arXiv:\d{4}\.\d{5}", suite.source)
    assert suite.comparable


@pytest.mark.parametrize("suite", CUT_DOWN, ids=lambda suite: suite.name)
def test_a_lite_names_the_suite_that_it_is_cut_from(suite):
    whole = REGISTRY.suites[suite.source.removesuffix(", cut down")]

    assert suite.name.endswith("-lite")
    assert whole in PAPER
    assert suite.requests.generator == whole.requests.generator


def test_the_suites_that_the_field_reports_are_there():
    assert {suite.name for suite in PAPER} >= {
        "amun-cifar10-5000-v1", "amun-cifar10-25000-v1", "amun-tiny-imagenet-10000-v1", "salun-cifar10-4500-v1",
        "salun-cifar10-22500-v1", "mnist-class-v1", "cifar10-class-v1", "cifar100-class-v1", "tiny-imagenet-class-v1",
        "deepunlearn-ulira-cifar10-2375-v1", "klom-cifar10-1000-v1", "neurips23-cifar10-1000-v1",
        "lowest-loss-cifar10-5000-v1", "highest-loss-cifar10-5000-v1", "most-memorised-cifar10-3000-v1"}


def test_suites_of_one_protocol_name_each_other():
    facts = dict(suite_facts(REGISTRY.suites["digits-v1"], REGISTRY))

    assert "digits-all-v1" in facts["rows"]


@pytest.mark.parametrize("name", ["amun-cifar10-5000-v1", "tiny-imagenet-class-v1"])
def test_show_prints_protocol_cost_source_and_what_to_compare_with(name, capsys):
    assert run_main(["show", name]) == 0

    printed = capsys.readouterr().out
    headings = {line.split("  ")[0] for line in printed.splitlines() if not line.startswith(" ")}
    assert {"source", "rows", "papers", "data", "training", "forget sets", "cost", "digest"} <= headings


def test_running_without_the_data_is_one_line_that_says_what_to_put_where(tmp_path, capsys):
    assert run_main(["plan", "amun-tiny-imagenet-10000-v1", "--store", str(tmp_path)]) == 2

    error = capsys.readouterr().err
    assert "unpack http://cs231n.stanford.edu/tiny-imagenet-200.zip so that DIR/tiny-imagenet-200/ has wnids.txt" in error
    assert error.count("\n") == 1
