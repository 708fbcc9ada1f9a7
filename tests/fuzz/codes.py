"""A fuzzer over everything that a stranger's QR code reaches: `make fuzz`, or `python -m tests.fuzz.codes --runs N`.

Needs `atheris` (dependency group `fuzz`). Each target may answer or raise its own error; any other exception, a
signature that nobody made, a number in a text, or a reading that takes seconds ends the run and leaves the input.
What was run is in `docs/fuzzing.md`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import atheris

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
os.environ.setdefault("KHIEN_KEYS", tempfile.mkdtemp(prefix="khien-fuzz-"))

with atheris.instrument_imports(include=["khien.kernel.codes", "khien.kernel.signing", "base45"]):
    from khien.kernel import codes
    from khien.kernel.codes import cards, keyboards, national, vietqr
    from khien.kernel.signing import cbor, cose
with atheris.instrument_imports(include=["khien.kernel.certificates"]):
    from khien.kernel.certificates import contents, hc1, ours, trust

import base45

from khien.kernel import keys
from tests.kernel.codes import vectors

TRUSTED = trust.gathered([trust.signer(ours.certificate(keys.current(ours.PURPOSE)))])
SIGNER = TRUSTED.of(next(iter(TRUSTED.signers)))[0]


def a_certificate() -> str:
    content = contents.dcc(
        full_name="Nguyễn Văn An",
        birth="1990-01-15",
        kind=contents.VACCINATION,
        entry={"ci": "URN:UVCI:01:VN:FUZZ"},
    )
    return hc1.issue(content, expires_at=datetime(2099, 1, 1, tzinfo=UTC))


CERTIFICATE = a_certificate()
MESSAGE = hc1.unwrap(CERTIFICATE)
GENUINE = cose.parse(MESSAGE)


def one_of(reason: str, reasons: tuple[str, ...]) -> None:
    if reason not in reasons:
        raise AssertionError(f"a reason that nobody declared: {reason}")


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def target_parse(data: bytes) -> None:
    """Any text into `codes.parse`."""
    text = text_of(data)
    try:
        found = codes.parse(text)
    except codes.CodeError as fault:
        one_of(fault.reason, codes.REASONS)
        return
    number = getattr(found, "number", None)
    if number:
        assert number.isascii(), "a number of other digits"
        assert number not in repr(found), "a number in a text"


def target_cards(data: bytes) -> None:
    """The readers of cards, of the national code and of what a keyboard left, past what `parse` sorts out."""
    text = cards.clean(text_of(data))
    for read in (cards.read_card, national.read, keyboards.read_damaged):
        with suppress(cards.CardIncomplete, codes.CodeError):
            read(text)


def target_vietqr(data: bytes) -> None:
    """Payment codes, with a checksum that is right so that the reader gets further."""
    text = "000201" + text_of(data) + "6304"
    text += f"{vietqr.crc16(text.encode('utf-8', 'surrogatepass')):04X}"
    with suppress(vietqr.PaymentError):
        vietqr.read(text)


def target_cbor(data: bytes) -> None:
    """Any octets into the strict CBOR reader."""
    with suppress(cbor.CborError):
        cbor.decode(data)


def target_cose(data: bytes) -> None:
    """Any octets as a COSE_Sign1 message: nobody but the key's owner makes one that verifies."""
    for strict in (False, True):
        try:
            message = cose.parse(data, strict=strict)
            cose.verify(message, [SIGNER.key])
        except cose.CoseError as fault:
            one_of(fault.reason, cose.REASONS)
        else:
            assert (message.protected, message.payload) == (GENUINE.protected, GENUINE.payload), "forged"


def target_hc1(data: bytes) -> None:
    """Octets as the text of a certificate, and as what is compressed in one."""
    for text in (
        "HC1:" + data.decode("latin-1"),
        "HC1:" + base45.b45encode(data).decode(),
        "HC1:" + base45.b45encode(zlib.compress(data, 1)).decode(),
    ):
        try:
            found = hc1.verify(text, TRUSTED)
        except hc1.CertificateError as fault:
            one_of(fault.reason, hc1.REASONS)
        else:
            assert found.content.unique_id == "URN:UVCI:01:VN:FUZZ", "forged"


def target_claims(data: bytes) -> None:
    """Octets that a trusted key has signed: a clumsy issuer may say anything."""
    try:
        claims = cbor.decode(data)
    except cbor.CborError:
        return
    for claim in (
        claims,
        {hc1.EXP: 2_000_000_000, hc1.HCERT: {contents.DCC: claims, contents.WHO_DVC: claims}},
    ):
        try:
            found = hc1._certificate(claim, GENUINE, SIGNER)
        except hc1.CertificateError as fault:
            one_of(fault.reason, hc1.REASONS)
        else:
            assert found.content.kinds
            repr(found)
            _ = (found.content.birth_date, found.content.birth_year, found.unique_id)


TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("target_"): function
    for name, function in sorted(globals().items())
    if name.startswith("target_")
}


# Octets; longer inputs cost time and reach nothing new.
LONGEST = {"hc1": 1_000, "claims": 600, "cose": 600, "cbor": 600}


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with: the codes of the test vectors, and the layers of a certificate."""
    texts = [vector.text.encode("utf-8", "surrogatepass") for vector in vectors.load()]
    payload = GENUINE.payload
    dcc = cbor.encode(cbor.decode(payload)[hc1.HCERT][contents.DCC])
    return {
        "parse": [*texts, CERTIFICATE.encode()],
        "cards": texts,
        "vietqr": [text[6:-8] for text in texts if text.startswith(b"000201")],
        "cbor": [MESSAGE, payload, dcc],
        "cose": [MESSAGE],
        "hc1": [CERTIFICATE[4:].encode(), MESSAGE, zlib.compress(MESSAGE)],
        "claims": [payload, dcc, cbor.encode({"n": "A", "dob": "1990-01-15", "v": {"dn": "1"}})],
    }


def main(arguments: list[str]) -> None:
    """`--target NAME` (default: each in turn, in a process of its own), `--runs N` for each, then libFuzzer's own."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    runs = int(options.get("--runs", "100000"))
    name = options.get("--target")
    if name is None:
        for one in TARGETS:
            began = time.monotonic()
            command = [sys.executable, "-m", "tests.fuzz.codes", "--target", one, "--runs", str(runs)]
            status = os.spawnv(os.P_WAIT, sys.executable, command)
            print(f"{one}: {runs:,} inputs, {time.monotonic() - began:.0f} s, status {status}", flush=True)
            if status:
                sys.exit(f"{one} found something: see crash-* or timeout-* here")
        return
    with tempfile.TemporaryDirectory(prefix=f"khien-fuzz-{name}-") as corpus:
        for number, seed in enumerate(seeds()[name]):
            (Path(corpus) / f"seed-{number:03d}").write_bytes(seed)
        flags = [
            f"-runs={runs}",
            f"-max_len={LONGEST.get(name, 400)}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *flags, corpus], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
