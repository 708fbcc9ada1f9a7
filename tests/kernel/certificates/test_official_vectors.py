"""Every official vector, step by step: what must succeed succeeds, what must fail fails.

Each table names the vectors whose expectation cannot be met and why; all others must agree, and how many there are is
part of the test.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import base45
import pytest
import zxingcpp
from PIL import Image, UnidentifiedImageError

from khien.kernel.certificates import hc1
from khien.kernel.certificates.hc1 import CertificateError
from khien.kernel.signing import cbor, cose
from tests.kernel.certificates import dcc_testdata
from tests.kernel.certificates.dcc_testdata import Vector


def compared(
    key: str, step: Callable[[Vector], bool], known: dict[str, str] | None = None
) -> tuple[Counter[bool], set[str]]:
    """(how many agreed by what was expected, the names that did not); those in `known` are data errors."""
    agreed: Counter[bool] = Counter()
    others = set()
    for vector, expected in dcc_testdata.expecting(key):
        if step(vector) == expected:
            agreed[expected] += 1
        else:
            others.add(vector.name)
    assert others == set(known or {}), key
    return agreed, others


def works(step: Callable[[], Any]) -> bool:
    try:
        step()
    except (CertificateError, cose.CoseError, ValueError):
        return False
    return True


def signature_holds(vector: Vector) -> bool:
    def step() -> None:
        message = cose.parse(vector.cose)
        cose.verify(message, [one.key for one in vector.trusted.of(message.kid)])

    return works(step)


def test_signatures() -> None:
    no_certificate = {f"FI/{number}": "the file names no certificate" for number in range(1, 6)}
    agreed, _others = compared("EXPECTEDVERIFY", signature_holds, no_certificate)
    assert agreed == {True: 165, False: 5}


def test_base45_and_prefix() -> None:
    def unprefixed(vector: Vector) -> bool:
        return vector.data["PREFIX"].startswith(hc1.PREFIX)

    agreed, _others = compared("EXPECTEDUNPREFIX", unprefixed)
    assert agreed == {True: 157, False: 3}
    agreed, _others = compared(
        "EXPECTEDB45DECODE",
        lambda v: works(
            lambda: base45.b45decode(v.data.get("BASE45") or v.data["PREFIX"].removeprefix("HC1:"))
        ),
    )
    assert agreed == {True: 157, False: 1}


def test_compression() -> None:
    agreed, _others = compared("EXPECTEDCOMPRESSION", lambda v: works(lambda: hc1.unwrap(v.data["PREFIX"])))
    assert agreed == {True: 128, False: 2}


def picture_of(vector: Vector) -> str:
    return vector.data.get("2DCODE") or vector.data.get("_2DCODE") or ""


def test_pictures() -> None:
    without = {
        v.name for v, _expected in dcc_testdata.expecting("EXPECTEDPICTUREDECODE") if not picture_of(v)
    }

    def read(vector: Vector) -> bool:
        picture = picture_of(vector)
        if not picture:
            return not vector.expects["EXPECTEDPICTUREDECODE"]
        try:
            found = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(picture))))
        except UnidentifiedImageError:
            return False
        return any(code.text == vector.data["PREFIX"] for code in found)

    agreed, _others = compared(
        "EXPECTEDPICTUREDECODE", read, dict.fromkeys(without, "no picture in the file")
    )
    assert agreed == {True: 136, False: 1}


def test_expiry_at_the_clock_of_the_vector() -> None:
    def holds(vector: Vector) -> bool:
        claims = cbor.decode(cose.parse(vector.cose).payload)
        issued, expires = hc1._moment(claims.get(hc1.IAT)), hc1._moment(claims.get(hc1.EXP))
        return expires is not None and (issued is None or issued <= vector.clock) and vector.clock <= expires

    agreed, _others = compared("EXPECTEDEXPIRATIONCHECK", holds)
    assert agreed == {True: 113, False: 3}


def test_key_usage() -> None:
    """Through the whole verifier: what its certificate allows its key to sign."""
    known = {
        "common/CO15": "its certificate is malformed DER, and so no certificate",
        "PL/6": "its message must not verify, so nobody asks for its usage",
        "IS/3": "its certificate names no usage, so it may sign everything",
    }
    two_types = {
        vector.name: "two kinds in one certificate, signed by a key for one"
        for vector in dcc_testdata.load()
        if vector.name.startswith("NL/") and "+" in vector.name
    }
    agreed, _others = compared(
        "EXPECTEDKEYUSAGE",
        lambda vector: works(lambda: hc1.verify_message(vector.cose, vector.trusted)),
        {**known, **two_types},
    )
    assert len(two_types) == 4
    assert agreed == {True: 54, False: 6}


def test_what_is_read_is_what_the_json_says() -> None:
    known = {"FR/test_pcr_ok"}  # its JSON is two hours off
    equal, others = 0, set()
    for vector in dcc_testdata.load():
        if {"JSON", "COSE"} <= set(vector.data) and vector.expects.get("EXPECTEDVERIFY", True):
            claims = cbor.decode(cose.parse(vector.cose).payload)
            if plain(claims[hc1.HCERT][1]) == plain(vector.data["JSON"]):
                equal += 1
            else:
                others.add(vector.name)
    assert (equal, others) == (165, known)


def plain(value: Any) -> Any:
    """The same value with moments in one spelling, and without what is empty."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {key: plain(inner) for key, inner in value.items() if inner not in (None, [], "")}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if isinstance(value, str) and value[:4].isdigit() and "T" in value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment.timestamp() if moment.tzinfo else moment.isoformat()
    return value


def test_nobody_is_named_without_a_signature_and_everybody_with_one() -> None:
    named, refused = 0, Counter[str]()
    for vector in dcc_testdata.load():
        if signature_holds(vector) and vector.expects.get("EXPECTEDVERIFY"):
            try:
                found = hc1.verify_message(vector.cose, vector.trusted)
            except CertificateError as fault:
                refused[fault.reason] += 1
                continue
            assert found.content.full_name, vector.name
            assert found.content.full_name not in repr(found)
            named += 1
        elif "COSE" in vector.data and not signature_holds(vector):
            with pytest.raises(CertificateError):
                hc1.verify_message(vector.cose, vector.trusted)
    assert (named, refused) == (161, {"wrong_use": 4})
