"""Health certificates: issued, read back, and hardened against what is no certificate."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import base45
import cbor2
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from khien.kernel import clock, keys
from khien.kernel.certificates import contents, hc1, ours, trust
from khien.kernel.certificates.hc1 import CertificateError
from khien.kernel.documents import qr
from khien.kernel.signing import cose

NOW = datetime(2022, 1, 10, 5, tzinfo=UTC)
LATER = NOW + timedelta(days=365)
ENTRY = {
    "tg": "840539006",
    "vp": "1119349007",
    "mp": "EU/1/20/1528",
    "ma": "ORG-100030215",
    "dn": 2,
    "sd": 2,
    "dt": "2021-11-20",
    "co": "VN",
    "is": "General Department of Preventive Medicine",
    "ci": "URN:UVCI:01:VN:35A0000001",
}
CONTENT = contents.dcc(full_name="Trần Thị Bình", birth="1985-02-01", kind=contents.VACCINATION, entry=ENTRY)


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOW):
        yield


def message(text: str) -> list[Any]:
    return list(cbor2.loads(hc1.unwrap(text)).value)


def wrapped(octets: bytes) -> str:
    return hc1.PREFIX + base45.b45encode(zlib.compress(octets)).decode()


def signed(claims: Any, key: cose.PrivateKey | None = None, kid: bytes = b"") -> str:
    """Claims signed with our own key (or another one), whatever they say."""
    own = keys.current(ours.PURPOSE)
    kid = kid or trust.signer(ours.certificate(own)).kid
    return wrapped(cose.sign(cbor2.dumps(claims), key or own.es256(), kid))


CLAIMS = {1: "VN", 4: int(LATER.timestamp()), 6: int(NOW.timestamp()), -260: {1: CONTENT}}


def test_what_is_issued_is_read_back() -> None:
    text = hc1.issue(CONTENT, expires_at=LATER)
    found = hc1.verify(text)
    assert (found.issuer, found.issued_at, found.expires_at) == ("VN", NOW, LATER)
    assert found.content.kinds == ("vaccination",)
    assert found.content.full_name == "Trần Thị Bình"
    assert (found.content.birth_date, found.content.birth_year) == (date(1985, 2, 1), 1985)
    assert found.unique_id == ENTRY["ci"]
    assert dict(found.content.entry) == ENTRY
    assert found.signer.kid == message_kid(text)
    assert CONTENT["nam"] == {"fn": "Trần", "gn": "Thị Bình", "fnt": "TRAN", "gnt": "THI<BINH"}


def message_kid(text: str) -> bytes:
    return cbor2.loads(message(text)[0])[4]


def test_a_printed_certificate_is_read_by_another_reader() -> None:
    text = hc1.issue(CONTENT, expires_at=LATER)
    assert qr.modules(text, error="q") <= 97
    picture = Image.open(io.BytesIO(qr.png(text, error="q")))
    assert [code.text for code in zxingcpp.read_barcodes(picture)] == [text]


def test_it_holds_from_its_issue_to_its_last_moment() -> None:
    found = hc1.verify(hc1.issue(CONTENT, expires_at=LATER))
    second = timedelta(seconds=1)
    assert [found.holds(at) for at in (NOW - second, NOW, LATER, LATER + second)] == [
        False,
        True,
        True,
        False,
    ]


def test_nothing_of_it_is_said_in_a_log() -> None:
    found = hc1.verify(hc1.issue(CONTENT, expires_at=LATER))
    for secret in ("Bình", "1985", "35A0000001", found.fingerprint):
        assert secret not in repr(found)


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyáạảãàếềểệ ", min_size=1, max_size=40).filter(str.strip),
    st.one_of(
        st.dates(date(1880, 1, 1), date(2021, 12, 31)).map(date.isoformat),
        st.sampled_from(["1950", "1950-07", ""]),
    ),
    st.sampled_from([contents.VACCINATION, contents.TEST, contents.RECOVERY]),
    st.text(alphabet="ABC:/#0123456789", min_size=1, max_size=60),
)
def test_whatever_is_issued_is_read_back(name: str, birth: str, kind: str, ci: str) -> None:
    content = contents.dcc(full_name=name, birth=birth, kind=kind, entry={"ci": ci, "dt": "2021-11-20"})
    found = hc1.verify(hc1.issue(content, expires_at=LATER))
    assert (found.content.kind, found.content.birth, found.unique_id) == (kind, birth, ci)
    assert found.content.full_name == " ".join(name.split())


@pytest.mark.parametrize(
    ("full_name", "birth", "entry"),
    [("", "1985", ENTRY), ("An", "01/02/1985", ENTRY), ("An", "1985", {"dn": 1}), ("An", "1985", {})],
)
def test_what_nobody_could_read_is_not_issued(full_name: str, birth: str, entry: dict[str, Any]) -> None:
    with pytest.raises(contents.ContentError):
        contents.dcc(full_name=full_name, birth=birth, kind=contents.TEST, entry=entry)
    with pytest.raises(contents.ContentError):
        hc1.issue({"v": []}, expires_at=LATER)


def test_one_flipped_bit_anywhere_is_refused() -> None:
    octets = hc1.unwrap(hc1.issue(CONTENT, expires_at=LATER))
    trusted = trust.current()
    for at in range(len(octets) * 8):
        changed = bytearray(octets)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(CertificateError):
            hc1.verify_message(bytes(changed), trusted)


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "another prefix": (lambda: "HC2:" + hc1.issue(CONTENT, expires_at=LATER)[4:], "malformed"),
    "longer than a QR code": (lambda: "HC1:" + "0" * 4_300, "malformed"),
    "no base45": (lambda: "HC1:äöü", "malformed"),
    "base45 beyond 16 bits": (lambda: "HC1::::", "malformed"),
    "nothing compressed": (lambda: "HC1:" + base45.b45encode(b"plain").decode(), "malformed"),
    "a bomb": (lambda: wrapped(b"\0" * 10_000_000), "malformed"),
    "one octet over the limit": (lambda: wrapped(b"\0" * (hc1.MAX_INFLATED + 1)), "malformed"),
    "a stream cut short": (
        lambda: hc1.PREFIX + base45.b45encode(zlib.compress(hc1.unwrap(signed(CLAIMS)))[:-3]).decode(),
        "malformed",
    ),
    "something behind the stream": (
        lambda: hc1.PREFIX + base45.b45encode(zlib.compress(hc1.unwrap(signed(CLAIMS))) + b"x").decode(),
        "malformed",
    ),
    "something behind the message": (lambda: wrapped(hc1.unwrap(signed(CLAIMS)) + b"\0"), "malformed"),
    "three parts": (
        lambda: wrapped(cbor2.dumps(cbor2.CBORTag(18, message(signed(CLAIMS))[:3]))),
        "malformed",
    ),
    "five parts": (
        lambda: wrapped(cbor2.dumps(cbor2.CBORTag(18, [*message(signed(CLAIMS)), b""]))),
        "malformed",
    ),
    "another algorithm": (
        lambda: wrapped(
            cbor2.dumps(
                cbor2.CBORTag(
                    18, [cbor2.dumps({1: -35, 4: message_kid(signed(CLAIMS))}), *message(signed(CLAIMS))[1:]]
                )
            )
        ),
        "malformed",
    ),
    "no key id": (
        lambda: wrapped(cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({1: -7}), *message(signed(CLAIMS))[1:]]))),
        "malformed",
    ),
    "a key that nobody knows": (lambda: signed(CLAIMS, kid=b"unknown1"), "unknown_key"),
    "somebody else's key under our id": (
        lambda: signed(CLAIMS, ec.generate_private_key(ec.SECP256R1())),
        "bad_signature",
    ),
    "an RSA key under our id": (
        lambda: signed(CLAIMS, rsa.generate_private_key(65537, 2048)),
        "bad_signature",
    ),
    "an empty signature": (
        lambda: wrapped(cbor2.dumps(cbor2.CBORTag(18, [*message(signed(CLAIMS))[:3], b""]))),
        "bad_signature",
    ),
    "a signature of zeros": (
        lambda: wrapped(cbor2.dumps(cbor2.CBORTag(18, [*message(signed(CLAIMS))[:3], bytes(64)]))),
        "bad_signature",
    ),
    "claims that are a list": (lambda: signed([1, 2]), "malformed"),
    "no moment of expiry": (lambda: signed({k: v for k, v in CLAIMS.items() if k != 4}), "malformed"),
    "expiry beyond all calendars": (lambda: signed({**CLAIMS, 4: 2**62}), "malformed"),
    "no certificate": (lambda: signed({**CLAIMS, -260: {}}), "unknown_content"),
    "a kind that nobody knows": (lambda: signed({**CLAIMS, -260: {99: CONTENT}}), "unknown_content"),
    "a certificate of nobody": (lambda: signed({**CLAIMS, -260: {1: {"v": [ENTRY]}}}), "unknown_content"),
    "a certificate of nothing": (
        lambda: signed({**CLAIMS, -260: {1: {"nam": CONTENT["nam"]}}}),
        "unknown_content",
    ),
    "signed after the key's last day": (
        lambda: signed({**CLAIMS, 6: 4_102_444_800, 4: 4_102_444_900}),
        "wrong_use",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_certificate_is_refused_for_its_reason(name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(CertificateError) as fault:
        hc1.verify(make())
    assert fault.value.reason == reason


def test_the_key_is_looked_up_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = signed(CLAIMS, kid=b"unknown1")
    monkeypatch.setattr(cose, "_holds", lambda *_: pytest.fail("computed a signature for an unknown key"))
    with pytest.raises(CertificateError):
        hc1.verify(text)


def test_names_are_composed() -> None:
    content = {**CONTENT, "nam": {"fn": "Tra\u0302\u0300n", "gn": "Thi\u0323 Bi\u0300nh"}}
    assert hc1.verify(signed({**CLAIMS, -260: {1: content}})).content.full_name == "Trần Thị Bình"


def test_a_name_in_machine_letters_alone_is_read() -> None:
    content = {**CONTENT, "nam": {"fnt": "TRAN", "gnt": "THI<BINH"}}
    assert hc1.verify(signed({**CLAIMS, -260: {1: content}})).content.full_name == "TRAN THI BINH"


def test_the_certificate_of_the_who_is_read() -> None:
    payload = {"n": "Trần Thị Bình", "dob": "1985-02-01", "s": "F", "v": {"dn": "1", "tg": "1F03"}}
    found = hc1.verify(hc1.issue(payload, expires_at=LATER, subclaim=contents.WHO_DVC))
    assert (found.content.kind, found.content.full_name) == ("vaccination", "Trần Thị Bình")
    assert found.unique_id == found.fingerprint
    assert len(found.unique_id) == 64


def test_another_kind_of_content_is_a_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "READERS", dict(contents.READERS))

    @contents.reader(-99)
    def _read(claim: Any) -> contents.Content:
        return contents.Content(("test",), claim["who"], "", "", claim)

    assert hc1.verify(signed({**CLAIMS, -260: {-99: {"who": "An"}}})).content.full_name == "An"


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(max_size=60).map(lambda t: "HC1:" + t),
        st.binary(max_size=200).map(lambda b: "HC1:" + base45.b45encode(b).decode()),
        st.binary(max_size=200).map(wrapped),
    )
)
def test_nothing_else_is_ever_a_certificate(text: str) -> None:
    with pytest.raises(CertificateError):
        hc1.verify(text)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=12)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["nam", "v", "t", "fn", "ci"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([1, 4, 6]), values), values)
def test_a_clumsy_issuer_is_read_or_refused(claims: dict[int, Any], content: Any) -> None:
    try:
        found = hc1.verify(signed({**claims, -260: {1: content}}))
    except CertificateError:
        return
    assert found.content.kinds
