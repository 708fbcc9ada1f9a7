"""Whose certificates are believed: our own keys, and the list that the installation is given."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from khien.kernel import keys
from khien.kernel.certificates import contents, hc1, ours, trust
from khien.kernel.certificates.hc1 import CertificateError
from khien.kernel.signing import cbor, cose
from tests.kernel.certificates.test_hc1 import CLAIMS, CONTENT, LATER, wrapped

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
DAY = datetime(2021, 6, 1, tzinfo=UTC)


def certificate(key: Any, *, country: str = "AT", uses: tuple[int, ...] = ()) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, country)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(DAY)
        .not_valid_after(DAY + timedelta(days=730))
    )
    if uses:
        oids = [x509.ObjectIdentifier(f"1.3.6.1.4.1.1847.2021.1.{number}") for number in uses]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


KEY, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
CERTIFICATE, RSA_CERTIFICATE = certificate(KEY), certificate(RSA, country="IS")


def text_by(key: cose.PrivateKey, kid: bytes, claims: Any = CLAIMS) -> str:
    return wrapped(cose.sign(cbor.encode(claims), key, kid))


def kid_of(one: x509.Certificate) -> bytes:
    return trust.signer(one).kid


@pytest.mark.parametrize("layout", ["pem", "der", "folder", "list", "table", "bare list"])
def test_a_list_is_a_file_or_a_folder_of_certificates(layout: str, tmp_path: Path) -> None:
    both = (CERTIFICATE, RSA_CERTIFICATE)
    raw = [base64.b64encode(one.public_bytes(DER)).decode() for one in both]
    ids = [base64.b64encode(kid_of(one)).decode() for one in both]
    path = tmp_path / "list.json"
    if layout == "pem":
        path = tmp_path / "list.pem"
        path.write_bytes(b"".join(one.public_bytes(PEM) for one in both))
    elif layout == "der":
        path = tmp_path / "at.der"
        path.write_bytes(CERTIFICATE.public_bytes(DER))
    elif layout == "folder":
        path = tmp_path
        (tmp_path / "at").mkdir()
        (tmp_path / "at" / "one.cer").write_bytes(CERTIFICATE.public_bytes(DER))
        (tmp_path / "is.crt").write_bytes(RSA_CERTIFICATE.public_bytes(PEM))
        (tmp_path / "README.md").write_text("not a certificate")
    elif layout == "list":
        rows = [{"kid": kid, "country": "XX", "rawData": one} for kid, one in zip(ids, raw, strict=True)]
        path.write_text(json.dumps({"certificates": rows}))
    elif layout == "table":
        path.write_text(json.dumps(dict(zip(ids, raw, strict=True))))
    else:
        path.write_text(json.dumps(raw))
    found = trust.load(path)
    assert found.problems == ()
    assert len(found) == (1 if layout == "der" else 2)
    assert [one.country for one in found.of(kid_of(CERTIFICATE))] == ["XX" if layout == "list" else "AT"]
    assert hc1.verify(text_by(KEY, kid_of(CERTIFICATE)), found).content.kind == "vaccination"
    if layout != "der":
        assert hc1.verify(text_by(RSA, kid_of(RSA_CERTIFICATE)), found)


def test_bad_entries_are_named_and_stop_no_other(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    small = certificate(rsa.generate_private_key(65537, 1024))
    raw = [
        base64.b64encode(one.public_bytes(DER)).decode() for one in (certificate(other), small, CERTIFICATE)
    ]
    (tmp_path / "a.json").write_text(json.dumps([*raw, "no base64!", 7, None, {"kid": 3}]))
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").write_text("3")
    (tmp_path / "d.der").write_bytes(b"nothing")
    found = trust.load(tmp_path)
    assert len(found) == 1
    assert [problem.split(":")[0] for problem in found.problems] == [
        *(f"a.json, entry {number}" for number in (1, 2, 4, 5, 6, 7)),
        "b.json",
        "c.json",
        "d.der, entry 1",
    ]
    assert trust.load(tmp_path / "gone").problems == (f"{tmp_path / 'gone'} does not exist",)


def test_a_key_signs_only_what_its_certificate_allows() -> None:
    for_tests = certificate(KEY, uses=(1,))
    found = trust.gathered([trust.signer(for_tests)])
    assert found.of(kid_of(for_tests))[0].uses == {contents.TEST}
    with pytest.raises(CertificateError) as fault:
        hc1.verify(text_by(KEY, kid_of(for_tests)), found)
    assert fault.value.reason == "wrong_use"
    test = contents.dcc(full_name="An", birth="1985", kind=contents.TEST, entry={"ci": "X"})
    assert hc1.verify(text_by(KEY, kid_of(for_tests), {**CLAIMS, -260: {1: test}}), found)


def test_every_signer_with_the_key_id_is_tried() -> None:
    kid = kid_of(CERTIFICATE)
    signers = [
        trust.signer(RSA_CERTIFICATE, kid),
        trust.signer(CERTIFICATE, kid),
        trust.signer(CERTIFICATE, kid),
    ]
    found = trust.gathered(signers)
    assert len(found) == 2
    assert hc1.verify(text_by(KEY, kid), found).signer.country == "AT"
    assert hc1.verify(text_by(RSA, kid), found).signer.country == "IS"


def test_our_own_certificate_follows_from_the_key_alone() -> None:
    key = keys.current(ours.PURPOSE)
    one = ours.certificate(key)
    assert one.public_bytes(DER) == ours.certificate(key).public_bytes(DER)
    one.verify_directly_issued_by(one)
    assert trust.signer(one).uses == {contents.VACCINATION, contents.TEST, contents.RECOVERY}
    assert trust.signer(one).country == "VN"


def test_after_a_rotation_old_certificates_hold_and_the_new_key_signs(settings: Any, tmp_path: Path) -> None:
    settings.KHIEN_KEYS = tmp_path / "keys"
    before = hc1.issue(CONTENT, expires_at=LATER)
    keys.make(ours.PURPOSE)
    after = hc1.issue(CONTENT, expires_at=LATER)
    kids = [hc1.verify(text).signer.kid for text in (before, after)]
    assert kids[0] != kids[1]
    assert kids[1] == kid_of(ours.certificate(keys.current(ours.PURPOSE)))
    settings.KHIEN_KEYS = tmp_path / "others"
    with pytest.raises(CertificateError) as fault:
        hc1.verify(before)
    assert fault.value.reason == "unknown_key"


def test_the_installations_list_counts_and_is_read_again_when_it_changes(
    settings: Any, tmp_path: Path
) -> None:
    text = text_by(KEY, kid_of(CERTIFICATE))
    settings.KHIEN_TRUST_LIST = str(tmp_path)
    with pytest.raises(CertificateError):
        hc1.verify(text)
    (tmp_path / "at.pem").write_bytes(CERTIFICATE.public_bytes(PEM))
    assert hc1.verify(text).signer.country == "AT"
    assert hc1.verify(hc1.issue(CONTENT, expires_at=LATER)).signer.country == "VN"
    (tmp_path / "at.pem").unlink()
    with pytest.raises(CertificateError):
        hc1.verify(text)
