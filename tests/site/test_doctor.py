"""`khien doctor` names what is missing and how to get it."""

from __future__ import annotations

import socket

from click.testing import CliRunner

from khien.site import cli, doctor, postgres


def findings() -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in doctor.examine()}


def test_this_machine_has_what_it_needs():
    answer = CliRunner().invoke(cli.group, ["doctor"])
    assert "python" in answer.output
    found = findings()
    assert found["database"].state == "ok", found
    assert found["packages"].state == "ok", found


def test_a_database_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql:///khien?host=/nowhere")
    found = findings()["database"]
    assert found.state == "missing"
    assert "DATABASE_URL" in found.way_out
    assert CliRunner().invoke(cli.group, ["doctor"]).exit_code == 1


def test_missing_binaries_are_named(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setattr(postgres, "wheel_binaries", lambda: None)
    monkeypatch.setattr(postgres, "system_binaries", lambda: None)
    assert "apt-get install postgresql" in findings()["database"].way_out


def test_a_default_secret_in_production_is_named(monkeypatch):
    monkeypatch.setenv("KHIEN_MODE", "production")
    assert findings()["secret"].state == "missing"


def test_a_mistyped_setting_is_named(monkeypatch):
    monkeypatch.setenv("KHIEN_PROT", "1")
    assert "KHIEN_PROT" in findings()["settings"].what


def test_a_mistake_in_the_file_of_carriers_is_named(monkeypatch, tmp_path):
    assert "carriers" not in findings()
    path = tmp_path / "carriers.toml"
    monkeypatch.setenv("KHIEN_SMS_CARRIERS", str(path))
    assert findings()["carriers"].state == "missing"
    path.write_text('[viettel]\nkind = "smpp"\naddress = "smpp.example:2775"\nwindow = 0\n')
    path.chmod(0o600)
    assert "[viettel] window is not between" in findings()["carriers"].what
    path.write_text('[viettel]\nkind = "smpp"\naddress = "smpp.example:2775"\n')
    assert findings()["carriers"].state == "ok"
    assert "viettel" in findings()["carriers"].what


def test_a_taken_port_is_a_note(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("KHIEN_PORT", str(taken.getsockname()[1]))
        assert findings()["port"].state == "note"
