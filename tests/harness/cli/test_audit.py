"""`unlearn audit`, from files to a verdict and an exit code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.linear_model import LinearFactory, LinearModel
from harness.cli import run_main
from harness.membership import balanced_halves
from harness.models import FitOptions, TrainingSet
from tests.adapters.oip_server import Manners, serving
from tests.adapters.onnx_files import affine

# Overfitted on purpose: 60 examples of 64 noisy numbers, so that a model knows its training set.
TRAIN, TEST, CLASSES, FORGET = 60, 200, 3, np.arange(15)
RECIPE = FitOptions(epochs=120, batch_size=60, lr=1.0)


def _data() -> dict[str, Any]:
    random = np.random.default_rng(0)
    labels = random.integers(CLASSES, size=TRAIN + TEST)
    inputs = (random.normal(size=(TRAIN + TEST, 64)) + 0.5 * np.eye(64)[labels]).astype(np.float32)
    return {"train_inputs": inputs[:TRAIN], "train_labels": labels[:TRAIN], "test_inputs": inputs[TRAIN:],
            "test_labels": labels[TRAIN:]}


def _trained(data: dict[str, Any], rows: Any, seed: int) -> LinearModel:
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(rows))
    pool = np.concatenate([data["train_inputs"], data["test_inputs"]])
    labels = np.concatenate([data["train_labels"], data["test_labels"]])
    factory = LinearFactory(input_shape=(64,), num_classes=CLASSES, scale=20.0)
    return factory.build(seed).fit(TrainingSet(inputs=pool[chosen], targets=labels[chosen]), RECIPE, seed)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, a forget set, an original, four oracles, a retrained model and references."""
    from safetensors.numpy import save_file

    folder, data = tmp_path_factory.mktemp("audit"), _data()
    np.savez(folder / "data.npz", **data)
    np.savetxt(folder / "forget.txt", FORGET, fmt="%d")
    everything = np.arange(TRAIN + TEST) < TRAIN
    retain = everything & ~np.isin(np.arange(TRAIN + TEST), FORGET)
    models = {"original": _trained(data, everything, 0), "retrained": _trained(data, retain, 9),
              **{f"oracle{k}": _trained(data, retain, 1 + k) for k in range(4)}}
    for name, model in models.items():
        save_file(dict(model.parameters()), folder / f"{name}.safetensors")
    membership = balanced_halves(8, TRAIN + TEST, seed=1)
    pool = np.concatenate([data["train_inputs"], data["test_inputs"]])
    logits = np.stack([_trained(data, rows, 20 + m).logits(pool) for m, rows in enumerate(membership)])
    np.savez(folder / "references.npz", logits=logits, membership=membership)
    broken = dict(models["original"].parameters())
    broken["output.weight"] = np.random.default_rng(3).normal(size=(CLASSES, 64)).astype(np.float32)
    save_file(broken, folder / "broken.safetensors")
    return folder


@pytest.fixture
def audit(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that audits a model of the folder and gives exit code, output and errors."""
    monkeypatch.chdir(files)

    def run(model: str, *more: str) -> tuple[int, str, str]:
        given = ["--data", "data.npz", "--forget", "forget.txt"] if "--suite" not in more else []
        code = run_main(["audit", model, *given, *more])
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return run


COMPARED = ["--original", "linear:original.safetensors", "--references", "references.npz",
            *(word for k in range(4) for word in ("--oracle", f"linear:oracle{k}.safetensors"))]
OUTPUTS_ONLY = ["--auditor", "accuracy", "--auditor", "rmia", "--auditor", "lira", "--auditor", "mis"]


def test_doing_nothing_is_found(audit: Any) -> None:
    code, out, _ = audit("linear:original.safetensors", *COMPARED, *OUTPUTS_ONLY)

    assert code == 1
    assert out.splitlines()[-1].startswith("residual membership signal, ")
    assert "against oracle" in out.splitlines()[-1]
    assert "15 training examples to forget (sample request), 45 retained, 200 test examples; 4 oracles, 8 references" in out


def test_retraining_is_consistent_with_retraining(audit: Any) -> None:
    code, out, _ = audit("linear:retrained.safetensors", *COMPARED, *OUTPUTS_ONLY)

    assert code == 0
    assert out.splitlines()[-1].startswith("consistent with retraining: none of ")


def test_a_broken_model_is_not_called_unlearned(audit: Any) -> None:
    code, out, _ = audit("linear:broken.safetensors", *COMPARED, *OUTPUTS_ONLY)

    assert code == 1
    assert "not like a retrained model: " in out or "stands out the other way round" in out


def test_random_weights_are_no_signal_of_the_forget_set(audit: Any) -> None:
    code, out, _ = audit("linear:broken.safetensors", *COMPARED, "--auditor", "output-distance")

    assert code == 1
    assert out.splitlines()[-1].startswith("not like a retrained model: ")


def test_without_oracles_the_verdict_is_inconclusive_and_all_that_is_skipped_is_listed(audit: Any) -> None:
    code, out, _ = audit("linear:original.safetensors")

    assert code == 0
    assert out.splitlines()[-1].startswith("inconclusive: no oracle was given")
    assert "rmia: skipped, needs references, none given (--references or --suite)" in out
    assert "average-gap: skipped, needs 1 oracle, none given (--oracle or --suite)" in out
    assert "UA" in out


def test_every_registered_auditor_is_accounted_for(audit: Any) -> None:
    from harness.plugins import load_registry

    code, out, _ = audit("linear:original.safetensors", *COMPARED, "--json")

    found = json.loads(out)
    told = {score["auditor"] for score in found["scores"]} | set(found["skipped"]) | set(found["failed"])
    assert told == set(load_registry().auditors)
    assert found["failed"] == {}
    assert code == 1


def test_json_holds_what_the_table_shows_and_what_it_rests_on(audit: Any) -> None:
    _, out, _ = audit("linear:original.safetensors", *COMPARED, *OUTPUTS_ONLY, "--json")

    found = json.loads(out)
    score = next(one for one in found["scores"] if one["name"] == "FT AUC")
    assert found["verdict"]["kind"] == "residual"
    assert len(score["oracle_values"]) == 4
    assert score["original_value"] == pytest.approx(score["value"])
    assert score["p"] < 1
    assert found["request"] == {"digest": found["request"]["digest"], "scope": "sample", "classes": [], "forget": 15}
    assert found["references"]["count"] == 8
    assert found["model"]["name"] == "linear:original.safetensors"


def test_the_seed_and_nothing_else_moves_the_numbers(audit: Any) -> None:
    first, second = (audit("linear:original.safetensors", *COMPARED, *OUTPUTS_ONLY, "--json")[1] for _ in range(2))

    assert first == second


@pytest.mark.parametrize(("arguments", "message"), [
    (["linear:original.safetensors", "--retain", "forget.txt"], "is in the forget set and in the retain set"),
    (["linear:gone.safetensors"], "linear:gone.safetensors: cannot be read: No such file"),
    (["torch:original.safetensors"], "say of which network with --architecture NAME"),
    (["torch:original.safetensors", "--architecture", "mpl"], "'mpl' is not a model; did you mean 'mlp'"),
    (["torch:original.safetensors", "--architecture", "mlp", "--setting", "hidden"], "expected KEY=VALUE"),
    (["torch:original.safetensors", "--architecture", "mlp"], "does not fit model 'mlp' for 3 classes"),
    (["original.safetensors"], "'original.safetensors' names no model; write ADAPTER:LOCATION"),
    (["linear:original.safetensors", "--auditor", "rmai"], "'rmai' is not an auditor; did you mean 'rmia'"),
    (["linear:original.safetensors", "--references", "data.npz"], "data.npz: has no array 'logits'"),
    (["signals:references.npz"], "references.npz: has no array 'train'"),
    (["http://127.0.0.1:1/v1/models/m"], "expected http(s)://HOST[:PORT]/v2/models/NAME"),
    (["linear:original.safetensors", "--timeout", "0"], "Invalid value for '--timeout'"),
])
def test_mistakes_are_told_in_one_line(arguments: list[str], message: str, audit: Any) -> None:
    code, out, error = audit(*arguments)

    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1


def test_the_report_says_what_the_terminal_says(audit: Any, tmp_path: Path) -> None:
    _, out, _ = audit("linear:original.safetensors", *COMPARED, *OUTPUTS_ONLY, "--out", str(tmp_path / "report.html"))

    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    verdict = out.splitlines()[-1]
    assert verdict[1:] in html
    assert "rmia" in html
    # The original itself was audited.
    assert "every answer of linear:original.safetensors is that of the original" in out


def test_the_audit_of_a_served_model_in_the_help_runs_as_written(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    weights = {name: np.random.default_rng(k).normal(size=(64, 10)).astype(np.float32)
               for k, name in enumerate(("before", "o1", "o2", "o3"))}
    for name, weight in weights.items():
        affine(Path(f"{name}.onnx"), weight=weight)
    np.savetxt("forget.txt", FORGET, fmt="%d")
    run_main(["audit", "--help"])
    [command] = re.findall(r"unlearn audit (http:.*)", capsys.readouterr().out.replace("\\\n", ""))
    manners = Manners(predict=lambda inputs: inputs.reshape(-1, 64) @ weights["before"])

    with serving(manners) as url:
        # Only the port differs.
        code = run_main(["audit", *shlex.split(command.replace("http://127.0.0.1:8080/v2/models/digits", url))])

    captured = capsys.readouterr()
    assert code in (0, 1)
    assert captured.err == ""
    assert "15 training examples to forget (sample request), 885 retained" in captured.out
    assert "is that of the original onnx:before.onnx" in captured.out
    assert Path("report.html").is_file()


def test_something_must_have_been_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(["audit", "onnx:m.onnx"]) == 2
    assert "say what was forgotten: --data and --forget, or --suite" in capsys.readouterr().err


SUITE = """
name = "audited-v1"
description = "softmax regression on some digits"
originals = 1
oracles = 3
runs = 1
access = ["retain+forget"]
data = { name = "digits", train = 100, test = 100 }
model = { name = "linear", settings = { scale = 10.0 } }
recipe = { epochs = 40, batch_size = 20, lr = 1.0 }
requests = { generator = "random", size = 0.2, count = 2 }
references = { count = 8, block = 4 }
unlearners = [{ name = "original" }, { name = "retrain" }]
auditors = [{ name = "accuracy" }, { name = "rmia", settings = { temperature = 1.0 } }]
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a suite, and the models of one run of it."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "audited-v1.toml").write_text(SUITE, encoding="utf-8")
    common = ["--store", str(folder / "store")]
    assert run_main(["run", str(folder / "audited-v1.toml"), *common, "--jobs", "0"]) == 0
    for method in ("original", "retrain"):
        assert run_main(["export", "audited-v1", *common, "--method", method, "--request", "1",
                         "--out", str(folder / f"{method}.safetensors")]) == 0
    return folder


def test_a_suite_brings_everything_to_compare_with(suite: Path, audit: Any, capsys: Any) -> None:
    where = ["--suite", str(suite / "audited-v1.toml"), "--store", str(suite / "store"), "--request", "1", "--json"]

    code, out, error = audit(f"linear:{suite}/original.safetensors", *where)

    found = json.loads(out)
    assert "to compute" not in error
    assert code == int(found["verdict"]["kind"] in ("residual", "reversed", "differs"))
    assert found["original"]["name"] == "audited-v1: train original 0"
    assert [oracle["name"] for oracle in found["oracles"]] == [
        f"audited-v1: retrain request 1 oracle {k}" for k in range(3)]
    assert found["references"]["count"] == 8
    assert found["request"]["forget"] == 20
    by_name = {(score["auditor"], score["name"]): score for score in found["scores"]}
    # The original audited against itself.
    assert by_name["rmia", "FT AUC"]["value"] == by_name["rmia", "FT AUC"]["original_value"]
    assert {"accuracy", "rmia", "lira", "mis"} <= {score["auditor"] for score in found["scores"]}


def test_what_the_store_lacks_is_trained(suite: Path, audit: Any, tmp_path: Path) -> None:
    where = ["--suite", str(suite / "audited-v1.toml"), "--store", str(tmp_path / "empty"), "--jobs", "0", "--json"]

    _, out, error = audit(f"linear:{suite}/original.safetensors", *where, "--request", "1")

    # An original, a forget set, three oracles, two blocks of references.
    assert "7 stages, 0 stored, 7 to compute" in error
    assert len(json.loads(out)["oracles"]) == 3


@pytest.mark.parametrize(("more", "message"), [
    (["--request", "2"], "--request 2: suite 'audited-v1' has 2 forget sets, 0 to 1"),
    (["--data", "digits"], "--data: suite 'audited-v1' brings its own; leave out --data or --suite"),
    (["--forget", "f.txt"], "--forget: suite 'audited-v1' brings its own"),
])
def test_a_suite_and_other_data_do_not_go_together(more: list[str], message: str, suite: Path, audit: Any) -> None:
    where = ["--suite", str(suite / "audited-v1.toml"), "--store", str(suite / "store")]

    code, _, error = audit("onnx:m.onnx", *where, *more)

    assert code == 2
    assert message in error
