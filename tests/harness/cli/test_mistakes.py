"""A user's mistake is one line on standard error and exit code 2, and nothing is lost."""

import pytest

from harness.cli import run_main
from harness.store import Store


@pytest.fixture
def unlearn(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNLEARN_DATA_ROOT", raising=False)

    def call(*arguments):
        code = run_main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return call


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "digit-v1"], "'digit-v1' is not a suite; did you mean 'digits-v1'? known: "),
    (["run", "digits-v1", "--method", "amum"], "'amum' is not an unlearner; did you mean 'amun'? known: "),
    (["run", "digits-v1", "--auditor", "rmai"], "'rmai' is not an auditor; did you mean 'rmia'? known: "),
    (["run", "digits-v1", "--set", "amun.epoch=3"],
     "method 'amun': no parameter is called 'epoch'; did you mean 'epochs'? known: "),
    (["run", "digits-v1", "--set", "amun.epochs=many"], "method 'amun'.epochs: expected int, got 'many'"),
    (["run", "digits-v1", "--set", "amun.epochs=-1"], "'epochs' must be >= "),
    (["run", "digits-v1", "--set", "amun"], "--set 'amun': expected METHOD.PARAMETER=VALUE, e.g. amun.lr=0.01"),
    (["run", "digits-v1", "--set", "gaa.lr=1"], "'gaa' is not a method of this run; did you mean 'ga'?"),
    (["run", "mnist-random-v1-lite"], "--data-root"),
    (["run", "mnist-random-v1-lite", "--data-root", "nowhere"], "nowhere"),
    (["run", "digits-v1", "--plugin", "gone.py"], "--plugin gone.py: there is no such file"),
    (["run", "digits-v1", "--device", "tpu"], "--device tpu: expected cpu, cuda, cuda:N or auto"),
    (["run", "digits-v1", "--device", "cuda:99"], "--device cuda:99: this machine has "),
    (["run", "digits-v1", "--references", "33"], "--references 33: references: count 33 must be a multiple of"),
    (["run", "gone.toml"], "gone.toml: cannot be read: No such file or directory"),
    (["run"], "Missing argument 'SUITE'"),
    (["run", "digits-v1", "--metod", "ft"], "No such option '--metod'"),
    (["rn", "digits-v1"], "'rn' is not a command; did you mean 'run'?"),
    (["show", "amum"], "'amum' is not a registered name; did you mean 'amun'? known: "),
    (["list", "methods"], "'methods' is not one of 'unlearners', 'auditors'"),
    (["verify", "gone.jsonl"], "gone.jsonl"),
])
def test_a_wrong_name_flag_or_value_is_told_in_one_line(unlearn, arguments, message):
    code, out, err = unlearn(*arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("unlearn: ")
    assert err.count("\n") == 1


def test_a_store_that_cannot_be_written_is_told(unlearn, tmp_path, tiny_file):
    (tmp_path / "file").touch()
    code, _, err = unlearn("run", tiny_file, "--store", "file", "--jobs", 0)
    assert code == 2
    assert "store file cannot be written" in err
    assert "name another with --store" in err


def test_a_broken_suite_file_is_told_with_every_wrong_key(unlearn, tiny_file):
    tiny_file.write_text(tiny_file.read_text().replace("originals = 2", "original = 2\nruns_ = 1"))
    code, _, err = unlearn("plan", tiny_file)
    assert code == 2
    assert "no parameter is called 'original'; did you mean 'originals'?" in err
    assert "'runs_'" in err


def test_a_suite_file_that_is_no_toml_is_told(unlearn, tiny_file):
    tiny_file.write_text("name = ")
    assert "not a TOML file" in unlearn("plan", tiny_file)[2]


def test_a_broken_plugin_is_told_with_its_cause(unlearn, tmp_path):
    (tmp_path / "mine.py").write_text("import nowhere")
    code, _, err = unlearn("run", "digits-v1", "--plugin", "mine.py")
    assert code == 2
    assert "plugin file mine.py cannot be loaded: ModuleNotFoundError: No module named 'nowhere'" in err


def test_a_damaged_object_is_told_and_nothing_else_is_lost(unlearn, tmp_path, tiny_file):
    assert unlearn("run", tiny_file, "--jobs", 0)[0] == 0
    store = Store(tmp_path / "unlearn-store")
    keys = list(store)
    victim = next(key for key in keys if store.manifest(key).stage == "train")
    path = store.path(victim) / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"train original', b'"TRAIN original'))

    code, _, err = unlearn("run", tiny_file, "--jobs", 0)

    assert code == 2
    assert f"object {victim[:12]} in store unlearn-store is damaged" in err
    assert "computes it again" in err
    assert list(store) == keys
