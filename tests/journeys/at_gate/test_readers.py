"""The readers in the browser are held to the vectors that hold those of the server."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import base45  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from khien.kernel.signing import cbor, cose
from khien.rooms.checkpoints import filters
from tests.journeys import gate
from tests.journeys.conftest import Visitor

pytestmark = pytest.mark.django_db(transaction=True)

VECTORS = Path(__file__).parents[2] / "vectors"


def test_the_readers_in_the_browser_agree_with_the_vectors(phone: Visitor, live_server: Any) -> None:
    page = phone.page
    page.goto(live_server.url + gate.APP)
    vectors = json.loads((VECTORS / "codes.json").read_text())
    found = page.evaluate(
        """async (vectors) => {
          const { read } = await import(document.body.dataset.base + "checkpoints/gate/codes.js");
          const keys = { pass_keys: [], signers: [] };
          const made = [];
          for (const vector of vectors) {
            const seen = await read(vector.text, keys);
            made.push([seen.kind, seen.numbers?.[0]?.[1] ?? "", seen.name ?? "", seen.birth ?? ""]);
          }
          return made;
        }""",
        vectors,
    )
    kinds = {"certificate": "hc1", "place": "poster", "bank": "vietqr", "address": "web"}
    kinds |= dict.fromkeys(("unknown", "incomplete", "keyboard"), "refused")
    wrong = []
    for vector, (kind, number, name, birth) in zip(vectors, found, strict=True):
        want = [vector["kind"], vector["number"], vector["full_name"], vector["birth"]]
        got = [kinds.get(kind, kind), number, name, birth]
        if want[0] in {"pass", "hc1"}:  # whose contents only a verified one has
            want, got = want[:2], got[:2]
        if want != got:
            wrong.append((vector["name"], want[0], got[0]))
    assert wrong == []
    assert len(vectors) > 40


def test_the_browser_reads_the_filter_as_the_server_does(phone: Visitor, live_server: Any) -> None:
    key = bytes(range(32))
    members = {filters.digest(key, "cccd", f"{n:012d}"): n % 16 for n in range(3000)}
    octets = filters.build(members)
    page = phone.page
    page.goto(live_server.url + gate.APP)
    found = page.evaluate(
        """async ([octets, key]) => {
          const { FilterMap } = await import(document.body.dataset.base + "checkpoints/gate/map.js");
          const map = new FilterMap(Uint8Array.from(octets).buffer, Uint8Array.from(key));
          const made = [];
          for (let n = 0; n < 4000; n += 1) made.push(await map.get("cccd", String(n).padStart(12, "0")));
          return made;
        }""",
        [list(octets), list(key)],
    )
    read = filters.Filter.of(octets)
    assert found == read.get_many(filters.digest(key, "cccd", f"{n:012d}") for n in range(4000)).tolist()
    assert found[:3000] == [n % 16 for n in range(3000)]


def test_official_certificates_are_verified_in_the_browser(phone: Visitor, live_server: Any) -> None:
    """The vectors of the European network: what it expects to verify does, what it expects to fail does not."""
    folder = Path(os.environ.get("KHIEN_TEST_DATA", "../shared/data")) / "dcc-testdata"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: set KHIEN_TEST_DATA to the folder of the official test data")
    cases = list(official(folder))
    page = phone.page
    page.goto(live_server.url + gate.APP)
    found = page.evaluate(
        """async (cases) => {
          const { read } = await import(document.body.dataset.base + "checkpoints/gate/codes.js");
          const made = [];
          for (const [text, kid, spki] of cases) {
            const seen = await read(text, { pass_keys: [], signers: [{ kid, spki }] });
            made.push(seen.kind === "certificate" && !seen.forged);
          }
          return made;
        }""",
        [case[1:4] for case in cases],
    )
    wrong = [name for (name, *_rest, want), got in zip(cases, found, strict=True) if want != got]
    assert wrong == []
    assert len(cases) > 150


def official(folder: Path) -> Iterator[tuple[str, str, str, str, bool]]:
    """(name, text, kid, public key, whether it verifies) of every case that says so and names its certificate."""
    for path in sorted(folder.rglob("*.json")):
        case = json.loads(path.read_text())
        want = case.get("EXPECTEDRESULTS", {}).get("EXPECTEDVERIFY")
        certificate = case.get("TESTCTX", {}).get("CERTIFICATE")
        if want is None or not certificate or "PREFIX" not in case:
            continue
        der = base64.b64decode(certificate)
        try:
            key = x509.load_der_x509_certificate(der).public_key()
        except ValueError:
            continue
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        name = f"{path.relative_to(folder).parts[0]}/{path.name}"
        yield (
            name,
            case["PREFIX"],
            base64.urlsafe_b64encode(hashlib.sha256(der).digest()[:8]).decode(),
            base64.urlsafe_b64encode(spki).decode(),
            want,
        )


def test_a_certificate_is_believed_with_the_keys_that_the_server_believes(
    phone: Visitor, live_server: Any
) -> None:
    """ES256 goes with P-256 and P-384, PS256 with RSA of 2,048 bits and more; another key or length is refused."""
    keys: dict[str, Any] = {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "P-521": ec.generate_private_key(ec.SECP521R1()),
        "RSA 2048": rsa.generate_private_key(65537, 2048),
        "RSA 1024": rsa.generate_private_key(65537, 1024),
    }
    cases, expected = [], {}
    for signed_by, key in keys.items():
        octets = cose.sign(cbor.encode({4: 2_000_000_000, -260: {1: {}}}), key, b"12345678")
        text = "HC1:" + base45.b45encode(zlib.compress(octets)).decode()
        for known, other in keys.items():
            cases.append((f"{signed_by}, known {known}", text, base64.b64encode(spki_of(other)).decode()))
            try:
                cose.verify(cose.parse(octets), [other.public_key()])
            except cose.CoseError as fault:
                expected[cases[-1][0]] = fault.reason
            else:
                expected[cases[-1][0]] = ""
    critical = [cbor.encode({1: cose.ES256, 2: ["x"], 4: b"12345678"}), {}, b"", bytes(64)]
    text = "HC1:" + base45.b45encode(zlib.compress(cbor.encode(critical))).decode()
    cases.append(("critical header", text, cases[0][2]))
    expected["critical header"] = "malformed"
    page = phone.page
    page.goto(live_server.url + gate.APP)
    found = page.evaluate(
        """async (cases) => {
          const { read } = await import(document.body.dataset.base + "checkpoints/gate/codes.js");
          const made = {};
          for (const [name, text, spki] of cases) {
            const seen = await read(text, { pass_keys: [], signers: [{ kid: btoa("12345678"), spki }] });
            made[name] = seen.forged ?? "";
          }
          return made;
        }""",
        cases,
    )
    assert found == expected
    believed = ["P-256, known P-256", "P-384, known P-384", "RSA 2048, known RSA 2048"]
    assert sorted(name for name, reason in found.items() if not reason) == believed


def test_a_signer_is_believed_for_its_uses_and_its_time(phone: Visitor, live_server: Any) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    claims = {4: 2_000_000_000, 6: 1_640_000_000, -260: {1: {"nam": {"fn": "An"}, "v": [{"dn": 1}], "t": []}}}
    octets = cose.sign(cbor.encode(claims), key, b"12345678")
    text = "HC1:" + base45.b45encode(zlib.compress(octets)).decode()
    signer = {
        "kid": base64.b64encode(b"12345678").decode(),
        "spki": base64.b64encode(spki_of(key)).decode(),
    }
    page = phone.page
    page.goto(live_server.url + gate.APP)
    found = page.evaluate(
        """async ([text, signers]) => {
          const { read } = await import(document.body.dataset.base + "checkpoints/gate/codes.js");
          const made = [];
          for (const signer of signers) {
            const seen = await read(text, { pass_keys: [], signers: [signer] });
            made.push(seen.forged ?? [seen.name, seen.expires]);
          }
          return made;
        }""",
        [
            text,
            [
                signer,
                {**signer, "uses": [], "until": 1_640_000_000},
                {**signer, "uses": ["test", "vaccination"], "until": 1_700_000_000},
                {**signer, "uses": ["test", "recovery"], "until": 1_700_000_000},
                {**signer, "uses": [], "until": 1_639_999_999},
            ],
        ],
    )
    assert found == [["An", 2_000_000_000_000]] * 3 + ["wrong_use"] * 2


def spki_of(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def test_a_picture_of_a_phones_pass_is_named_one(phone: Visitor, live_server: Any) -> None:
    """The vectors of passes with steps, read as the gate reads them."""
    vectors = json.loads((VECTORS / "steps.json").read_text())
    keys = []
    for kid, jwk in vectors["passKeys"].items():
        point = b"\4" + b"".join(base64.urlsafe_b64decode(jwk[axis] + "==") for axis in "xy")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        spki = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        keys.append(
            {
                "kid": base64.urlsafe_b64encode(bytes.fromhex(kid)).decode(),
                "spki": base64.b64encode(spki).decode(),
            }
        )
    page = phone.page
    page.goto(live_server.url + gate.APP)
    found = page.evaluate(
        """async ([cases, keys]) => {
          const { read } = await import(document.body.dataset.base + "checkpoints/gate/codes.js");
          const made = [];
          for (const one of cases) {
            const seen = await read(one.text, { pass_keys: keys, signers: [] }, one.now);
            made.push(seen.forged || seen.kind !== "pass" ? "refused" : seen.copied ? "copied" : "fresh");
          }
          return made;
        }""",
        [vectors["cases"], keys],
    )
    expected = [case["expect"] for case in vectors["cases"]]
    assert found == ["refused" if "error" in e else "fresh" if e["fresh"] else "copied" for e in expected]
    assert {"fresh", "copied"} <= set(found)
