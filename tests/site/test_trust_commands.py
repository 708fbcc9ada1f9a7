"""`khien trust`: an administrator sees whose certificates are believed, and can give ours to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from khien.kernel import keys
from khien.kernel.certificates import ours, trust
from khien.site import trust_commands
from tests.kernel.certificates.test_trust import CERTIFICATE


def test_the_list_names_signers_and_problems(settings: Any, tmp_path: Path) -> None:
    settings.KHIEN_TRUST_LIST = str(tmp_path)
    (tmp_path / "at.pem").write_bytes(CERTIFICATE.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "bad.der").write_bytes(b"nothing")
    answer = CliRunner().invoke(trust_commands.show)
    assert answer.exit_code == 0
    own = trust.signer(ours.certificate(keys.current(ours.PURPOSE)))
    assert f"{own.kid.hex()} VN until {own.valid_until:%Y-%m-%d}" in answer.output
    assert f"{trust.signer(CERTIFICATE).kid.hex()} AT until 2023-06-01" in answer.output
    assert "left out: bad.der, entry 1: not a certificate" in answer.output
    signers = len(keys.all_ids(ours.PURPOSE)) + 1
    assert answer.output.splitlines()[-1] == f"{signers} signers, 1 problems"


def test_our_certificate_is_printed_for_others() -> None:
    answer = CliRunner().invoke(trust_commands.certificate)
    printed = x509.load_pem_x509_certificate(answer.output.encode())
    assert printed == ours.certificate(keys.current(ours.PURPOSE))
    assert "PRIVATE" not in answer.output
