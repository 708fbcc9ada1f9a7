"""COSE_Sign1: what one of the keys signed, and nothing else."""

from __future__ import annotations

import itertools
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel.signing import cose

EC = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
KID = b"12345678"


def shaped(parts: Any, *tags: int) -> bytes:
    for tag in tags:
        parts = cbor2.CBORTag(tag, parts)
    return cbor2.dumps(parts)


def opened(octets: bytes) -> list[Any]:
    return list(cbor2.loads(octets).value)


@pytest.mark.parametrize("key", [EC, P384, RSA], ids=["ES256", "ES256 with P-384", "PS256"])
@settings(max_examples=20, deadline=None)
@given(payload=st.binary(max_size=200))
def test_what_is_signed_is_read_back(key: cose.PrivateKey, payload: bytes) -> None:
    message = cose.parse(cose.sign(payload, key, KID), strict=True)
    assert (message.payload, message.kid) == (payload, KID)
    assert cose.verify(message, [OTHER.public_key(), key.public_key()]) == key.public_key()


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES256", "PS256"])
def test_one_flipped_bit_anywhere_is_refused(key: cose.PrivateKey) -> None:
    octets = cose.sign(b"claims", key, KID)
    for at in range(len(octets) * 8):
        changed = bytearray(octets)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(cose.CoseError):
            cose.verify(cose.parse(bytes(changed)), [key.public_key()] if KID in changed else [])


@pytest.mark.parametrize("tags", [(), (18,), (18, 61)], ids=["no tag", "tag 18", "tags 61 and 18"])
def test_the_tags_may_be_there_or_not(tags: tuple[int, ...]) -> None:
    octets = shaped(opened(cose.sign(b"claims", EC, KID)), *tags)
    assert cose.verify(cose.parse(octets), [EC.public_key()])
    if tags != (18,):
        with pytest.raises(cose.CoseError):
            cose.parse(octets, strict=True)


def test_the_protected_key_id_wins_and_the_unprotected_stands_in() -> None:
    protected, _empty, payload, signature = opened(cose.sign(b"claims", EC, KID))
    both = cose.parse(shaped([protected, {4: b"other"}, payload, signature], 18))
    assert both.kid == KID
    bare = cose.parse(shaped([cbor2.dumps({1: -7}), {4: b"other"}, payload, signature], 18))
    assert bare.kid == b"other"


def signed(alg: int, key: Any, curve_or_padding: Any, size: int) -> bytes:
    """A message that says `alg` and is signed by `key`, whether or not the two fit."""
    protected = cbor2.dumps({1: alg, 4: KID})
    data = cbor2.dumps(["Signature1", protected, b"", b"claims"])
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(data, curve_or_padding, hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(data, curve_or_padding))
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return shaped([protected, {}, b"claims", signature], 18)


@pytest.mark.parametrize(
    ("octets", "key", "reason"),
    [
        (signed(-37, EC, ec.ECDSA(hashes.SHA256()), 32), EC, "bad_signature"),
        (signed(-7, RSA, padding.PSS(padding.MGF1(hashes.SHA256()), 32), 0), RSA, "bad_signature"),
        (signed(-37, RSA, padding.PKCS1v15(), 0), RSA, "bad_signature"),
        (signed(-37, RSA, padding.PSS(padding.MGF1(hashes.SHA256()), 20), 0), RSA, "bad_signature"),
        (signed(-7, EC, ec.ECDSA(hashes.SHA384()), 32), EC, "bad_signature"),
        (signed(-7, EC, ec.ECDSA(hashes.SHA256()), 33), EC, "bad_signature"),
        (signed(-35, EC, ec.ECDSA(hashes.SHA384()), 32), EC, "algorithm"),
        (signed(5, EC, ec.ECDSA(hashes.SHA256()), 32), EC, "algorithm"),
        (signed(-7, OTHER, ec.ECDSA(hashes.SHA256()), 32), EC, "bad_signature"),
    ],
    ids=[
        "PS256 with an EC key",
        "ES256 with an RSA key",
        "PKCS 1 instead of PSS",
        "another salt",
        "another digest",
        "a signature of 66 octets",
        "ES384",
        "HMAC",
        "somebody else's key",
    ],
)
def test_only_the_two_algorithms_with_their_own_keys(octets: bytes, key: Any, reason: str) -> None:
    with pytest.raises(cose.CoseError) as fault:
        cose.verify(cose.parse(octets), [key.public_key()])
    assert fault.value.reason == reason


def test_a_weak_key_is_no_key() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(cose.CoseError):
        cose.verify(cose.parse(cose.sign(b"claims", weak, KID)), [weak.public_key()])


def test_without_a_key_nothing_is_computed() -> None:
    with pytest.raises(cose.CoseError) as fault:
        cose.verify(cose.parse(cose.sign(b"claims", EC, KID)), [])
    assert fault.value.reason == "unknown_key"


PROTECTED, _EMPTY, PAYLOAD, SIGNATURE = opened(cose.sign(b"claims", EC, KID))


@pytest.mark.parametrize(
    "octets",
    [
        shaped([PROTECTED, {}, PAYLOAD], 18),
        shaped([PROTECTED, {}, PAYLOAD, SIGNATURE, b""], 18),
        shaped([PROTECTED, {}, None, SIGNATURE], 18),
        shaped([PROTECTED, {}, "claims", SIGNATURE], 18),
        shaped([PROTECTED, [], PAYLOAD, SIGNATURE], 18),
        shaped([{1: -7}, {}, PAYLOAD, SIGNATURE], 18),
        shaped([cbor2.dumps([]), {}, PAYLOAD, SIGNATURE], 18),
        shaped([cbor2.dumps({1: -7}), {}, PAYLOAD, SIGNATURE], 18),
        shaped([cbor2.dumps({1: -7, 4: "text"}), {}, PAYLOAD, SIGNATURE], 18),
        shaped([cbor2.dumps({1: -7, 2: [99], 99: 1, 4: KID}), {}, PAYLOAD, SIGNATURE], 18),
        shaped([b"\xa2\x01\x26\x01\x26", {4: KID}, PAYLOAD, SIGNATURE], 18),
        shaped([PROTECTED, {}, PAYLOAD, SIGNATURE], 98),
        shaped([PROTECTED, {}, PAYLOAD, SIGNATURE], 61),
        shaped([PROTECTED, {}, PAYLOAD, SIGNATURE], 18, 18),
        shaped("text"),
        shaped({1: 2}, 18),
        cose.sign(b"claims", EC, KID) + b"\0",
        cose.sign(b"claims", EC, KID)[:-1],
    ],
    ids=lambda _octets, number=itertools.count(): str(next(number)),  # signatures differ from run to run
)
def test_any_other_shape_is_malformed(octets: bytes) -> None:
    with pytest.raises(cose.CoseError) as fault:
        cose.parse(octets)
    assert fault.value.reason == "malformed"


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=120))
def test_nothing_else_is_ever_believed(octets: bytes) -> None:
    with pytest.raises(cose.CoseError):
        cose.verify(cose.parse(octets), [EC.public_key()])
