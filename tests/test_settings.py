"""Settings: the environment, the command line on top, and clear refusals."""

import pytest

from lightning_demo.cli import build_parser
from lightning_demo.commands.options import settings_from
from lightning_demo.errors import InvalidSetting
from lightning_demo.settings import Settings, convert, variable


def test_every_setting_has_an_option_and_a_variable(monkeypatch: pytest.MonkeyPatch):
    text = build_parser()._subparsers._group_actions[0].choices["serve"].format_help()
    for name in Settings.__dataclass_fields__:
        assert "--" + name.replace("_", "-") in text
        assert variable(name) in text


def test_variables_are_read():
    settings = Settings.from_environment(
        {"LIGHTNING_PORT": "8123", "LIGHTNING_SHARE": "true", "LIGHTNING_MODEL": "miniature"}
    )
    assert (settings.port, settings.share, settings.model) == (8123, True, "miniature")


def test_options_win_over_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIGHTNING_PORT", "8123")
    monkeypatch.setenv("LIGHTNING_HOST", "0.0.0.0")  # noqa: S104
    settings = settings_from(build_parser().parse_args(["serve", "--port", "9000"]))
    assert (settings.port, settings.host) == (9000, "0.0.0.0")  # noqa: S104


def test_a_secret_may_be_a_variable_where_what_it_is_for_is_an_option(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("LIGHTNING_PRESENTER_PASSWORD", "secret")
    settings = settings_from(build_parser().parse_args(["serve", "--stage"]))
    assert (settings.stage, settings.presenter_password) == (True, "secret")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("port", "http", "whole number"),
        ("port", "70000", "0 to 65535"),
        ("model", "sd15", "auto, miniature, sdxl-lightning"),
        ("variant", "1step", "auto, unet, lora"),
        ("debounce_ms", "-1", "0 to 2000"),
        ("debounce_ms", "nan", "0 to 2000"),
        ("memory_mb", "-5", "at least 0"),
        ("max_sessions", "0", "1 to 1000"),
        ("sessions_per_address", "-1", "0 to 1000"),
        ("share", "maybe", "yes or no"),
        ("threads", "-1", "0 to 256"),
        ("auth", "only-a-user", "user:password"),
        ("presenter_password", "secret", "--stage"),
        ("attract", "4.9", "0, or from 5 to 3600"),
        ("attract", "-1", "0, or from 5 to 3600"),
        ("kiosk", "nan", "0, or from 15 to 86400"),
        ("transport", "pigeon", "auto, socket, events"),
    ],
)
def test_a_bad_setting_names_its_variable(name: str, text: str, words: str):
    with pytest.raises(InvalidSetting) as caught:
        Settings.from_environment({variable(name): text})
    assert name in str(caught.value)
    assert words in str(caught.value)


def test_an_option_may_stand_alone():
    read = build_parser().parse_args
    assert settings_from(read(["serve"])).kiosk == 0
    assert settings_from(read(["serve", "--kiosk"])).kiosk == 90
    assert settings_from(read(["serve", "--kiosk", "--attract", "60"])).attract == 60
    assert settings_from(read(["serve", "--kiosk", "20"])).kiosk == 20
    with pytest.raises(InvalidSetting, match="presenter's desk"):
        settings_from(read(["serve", "--kiosk", "--stage"]))


def test_logins_are_pairs():
    assert Settings(auth="ann:pw,bob:x:y").logins() == [("ann", "pw"), ("bob", "x:y")]
    assert Settings().logins() is None


def test_converting_keeps_the_type():
    assert convert("port", "80") == 80
    assert convert("memory_mb", "1.5") == 1.5
    assert convert("share", "no") is False
