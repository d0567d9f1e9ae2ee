"""`unlearn spectrum` on a file and on a stored model."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import save_file

from harness.context import Place, load_dataset
from harness.errors import BadSetting, StoreError, UnknownName
from harness.plugins import load_registry
from harness.store import Store
from harness.suite import DataSpec
from reference_methods.training.spectrum_command import spectrum
from reference_methods.training_plugin import harness_commands


def mlp():
    registry = load_registry()
    factory = registry.adapters["torch"]().factory(registry.models["mlp"], (1, 8, 8), 10, {"hidden": [16]}, "cpu")
    return factory.build(0)


def run(*arguments):
    result = CliRunner().invoke(spectrum, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def expected(model):
    weights = [torch.tensor(model.parameters()[name]) for name in ("hidden1.weight", "output.weight")]
    return [torch.linalg.svdvals(weight) for weight in weights]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(dict(mlp().parameters()), path)
    return f"torch:{path}"


NETWORK = ("--architecture", "mlp", "--setting", "hidden=[16]", "--input-shape", "1x8x8", "--classes", "10")


@pytest.fixture
def stored(tmp_path):
    """Return the folder of a store and the key of the one model in it."""
    place = Place(store=tmp_path / "store")
    data = load_dataset(load_registry(), DataSpec(name="digits"), place)
    spec = {"data": {"name": "digits", "train": None, "test": None, "seed": 0, "digest": data.digest},
            "model": {"adapter": "torch", "architecture": "mlp", "settings": {"hidden": [16]}}}
    store = Store(place.store)
    manifest = store.write("train", "original 0", spec, report={}, arrays={"weights": mlp().parameters()}, measured={})
    store.write("forget", "forget set 0", {"other": 1}, report={}, arrays={}, measured={})
    return str(place.store), manifest.key


def test_the_plugin_brings_the_command():
    assert [command.name for command in harness_commands()] == ["spectrum"]


def test_a_file_has_the_singular_values_of_its_weights(file):
    found = json.loads(run(file, *NETWORK, "--top", "3", "--json").output)

    assert [layer["layer"] for layer in found["layers"]] == ["hidden1", "output"]
    for layer, values in zip(found["layers"], expected(mlp()), strict=True):
        # The tolerance of the command.
        assert layer["values"] == pytest.approx(values[:3], rel=1e-4)
        assert layer["dense"] < 1e-4
    first, second = expected(mlp())
    assert found["lipschitz_bound"] == pytest.approx(float(first[0] * second[0]), rel=3e-3)


def test_the_table_says_that_the_bound_is_one(file):
    output = run(file, *NETWORK, "--top", "2").output

    lines = output.splitlines()
    assert lines[0].split()[:4] == ["layer", "input", "sigma_1", "sigma_2"]
    assert lines[2].split()[:3] == ["hidden1", "64", f"{float(expected(mlp())[0][0]):.4f}"]
    assert "an upper bound" in lines[-1]


def test_a_stored_model_is_found_by_the_first_digits_of_its_key(stored):
    store, key = stored

    found = json.loads(run(key[:8], "--store", store, "--json", "--top", "1").output)

    assert found["layers"][0]["values"] == pytest.approx(expected(mlp())[0][:1], rel=1e-4)


def test_a_network_without_a_bound_still_has_a_table(tmp_path):
    plugin = tmp_path / "bounded.py"
    plugin.write_text(
        "from harness import hookimpl\n"
        "class Softmaxed:\n"
        "    name, adapter, description = 'softmaxed', 'torch', 'a linear layer and a softmax'\n"
        "    def build(self, input_shape, num_classes, settings):\n"
        "        from torch import nn\n"
        "        return nn.Sequential(nn.Flatten(), nn.Linear(4, num_classes), nn.Softmax(dim=1))\n"
        "@hookimpl\n"
        "def harness_models():\n"
        "    return [Softmaxed()]\n", encoding="utf-8")
    layer = torch.nn.Linear(4, 3)
    save_file({f"1.{name}": value.detach().numpy() for name, value in layer.named_parameters()},
              tmp_path / "softmaxed.safetensors")

    output = run(f"torch:{tmp_path / 'softmaxed.safetensors'}", "--architecture", "softmaxed", "--input-shape", "4",
                 "--classes", "3", "--plugin", str(plugin)).output

    assert "the constant of Softmax" in output
    assert f"{float(torch.linalg.svdvals(layer.weight.detach())[0]):.4f}" in output


def test_what_is_missing_is_said(file, stored, tmp_path):
    store, _ = stored
    with pytest.raises(BadSetting, match="--architecture, --input-shape and --classes"):
        run(file)
    with pytest.raises(BadSetting, match="sizes joined by x"):
        run(file, "--architecture", "mlp", "--input-shape", "1,8,8", "--classes", "10")
    with pytest.raises(UnknownName, match="'cafe' is not a key in this store"):
        run("cafe", "--store", store)
    with pytest.raises(StoreError, match="there is no store"):
        run("cafe", "--store", str(tmp_path / "nowhere"))


def test_stages_that_make_no_model_are_named(stored):
    store, key = stored
    other = next(one for one in Store(Path(store)) if one != key)

    with pytest.raises(BadSetting, match="'forget set 0', which is no model"):
        run(other, "--store", store)
