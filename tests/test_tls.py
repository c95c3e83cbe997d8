"""Certificates that cannot serve are refused in one sentence, before anything starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lightning_demo import cli, private
from lightning_demo.errors import InvalidSetting
from lightning_demo.settings import Settings
from lightning_demo.tls import check_certificate

from .certificates import make_certificate

Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def refusal(certificate: Path, key: Path) -> str:
    """What is said of a certificate and a key."""
    with pytest.raises(InvalidSetting) as caught:
        check_certificate(Settings(tls_cert=str(certificate), tls_key=str(key)))
    return caught.value.message


def test_a_certificate_and_its_key_are_fine(pair: Pair):
    certificate, key = map(str, pair)
    check_certificate(Settings(tls_cert=certificate, tls_key=key))
    check_certificate(Settings())


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_a_key_that_others_can_read_is_told(
    pair: Pair, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(private, "in_container", lambda: False)
    certificate, key = map(str, pair)
    for rights, words in ((0o644, f"can read {key}: chmod 600"), (0o600, "")):
        caplog.clear()
        pair[1].chmod(rights)
        check_certificate(Settings(tls_cert=certificate, tls_key=key))
        assert words in caplog.text and bool(words) == bool(caplog.text)


def test_one_without_the_other():
    with pytest.raises(InvalidSetting, match="give both, or none"):
        Settings(tls_cert="cert.pem")


def test_a_file_that_is_not_there_is_named(pair: Pair, tmp_path: Path):
    certificate, key = pair
    missing = tmp_path / "missing.pem"
    for said, setting in ((refusal(missing, key), "cert"), (refusal(certificate, missing), "key")):
        assert f"LIGHTNING_TLS_{setting.upper()}" in said
        assert str(missing) in said
        assert said.count(". ") == 0


def test_files_that_hold_something_else(pair: Pair, tmp_path: Path):
    certificate, key = pair
    assert "holds no certificate" in refusal(key, key)
    assert "holds no private key" in refusal(certificate, certificate)
    damaged = tmp_path / "damaged.pem"
    damaged.write_text(certificate.read_text()[:80] + "\n-----END CERTIFICATE-----\n")
    assert "damaged" in refusal(damaged, key)


def test_a_key_of_another_certificate(pair: Pair, tmp_path: Path):
    _, other = make_certificate(tmp_path / "other")
    assert "do not belong together" in refusal(pair[0], other)


def test_a_key_with_a_password(pair: Pair, tmp_path: Path):
    locked = tmp_path / "locked.pem"
    openssl = shutil.which("openssl") or "openssl"
    command = [openssl, "ec", "-aes256", "-passout", "pass:1234", "-in", pair[1], "-out", locked]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    assert "without a password" in refusal(pair[0], locked)


def test_nothing_is_loaded_for_it(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def build(*given: object, **named: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("lightning_demo.engine.build.build_engine", build)
    missing = str(tmp_path / "missing.pem")
    arguments = ["serve", "--port", "0", "--tls-cert", missing, "--tls-key", str(pair[1])]
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[0].startswith("error: tls_cert")
