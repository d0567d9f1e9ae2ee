import pytest
from attrs import field, frozen, validators

from harness.errors import BadSetting
from harness.settings import as_json, configure, parse_assignment


@frozen(kw_only=True)
class Method:
    epochs: int = field(default=5, validator=validators.ge(0))
    lr: float = 0.1
    name: str = "x"
    sizes: tuple[int, ...] = ()


def test_settings_become_an_instance_with_defaults_for_the_rest():
    assert configure(Method, {"lr": 1, "sizes": [1, 2]}, "m") == Method(lr=1.0, sizes=(1, 2))


@pytest.mark.parametrize(("settings", "message"), [
    ({"epoch": 3}, r"m: no parameter is called 'epoch'; did you mean 'epochs'\? known: epochs, lr, name, sizes"),
    ({"epochs": 3.5}, "m.epochs: expected int, got 3.5"),
    ({"epochs": "3"}, "m.epochs: expected int, got '3'"),
    ({"epochs": True}, "m.epochs: expected int, got True"),
    ({"epochs": -1}, "m: 'epochs' must be >= 0: -1"),
    ({"name": 3}, "m.name: expected str, got 3"),
    ({"sizes": [1, 2.5]}, r"m.sizes\[1\]: expected int, got 2.5"),
])
def test_a_setting_that_does_not_fit_is_named_with_its_value(settings, message):
    with pytest.raises(BadSetting, match=message):
        configure(Method, settings, "m")


def test_all_problems_are_told_at_once():
    with pytest.raises(BadSetting, match=r"m.epochs: .*; m.name: "):
        configure(Method, {"epochs": "a", "name": 1}, "m")


def test_values_become_plain_json():
    assert as_json(Method(sizes=(1,))) == {"epochs": 5, "lr": 0.1, "name": "x", "sizes": [1]}


@pytest.mark.parametrize(("text", "expected"), [
    ("amun.lr=0.01", ("amun", "lr", 0.01)),
    ("amun.epochs=3", ("amun", "epochs", 3)),
    ("amun.adv_only=true", ("amun", "adv_only", True)),
    ("amun.attack=pgd", ("amun", "attack", "pgd")),
    ("neggrad+.alpha=1", ("neggrad+", "alpha", 1)),
])
def test_an_assignment_is_read_as_toml_or_else_as_text(text, expected):
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["amun", "lr=1", "amun.lr", ".lr=1", "amun.=1"])
def test_an_assignment_of_another_form_is_refused(text):
    with pytest.raises(BadSetting, match=r"expected METHOD.PARAMETER=VALUE"):
        parse_assignment(text)
