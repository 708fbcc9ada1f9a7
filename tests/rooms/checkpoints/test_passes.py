"""The pass: signed, without a number, and nothing else passes for one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import base45
import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel import keys
from khien.kernel.documents import qr
from khien.rooms.checkpoints import passes
from khien.rooms.checkpoints.passes import Claims, PassError, mask_name, new_sub, sign, verify

CLAIMS = Claims(
    "ABCDEFGHIJKLMNOP",
    datetime(2022, 1, 10, 5, tzinfo=UTC),
    datetime(2023, 1, 10, 5, tzinfo=UTC),
    "paper",
    "N. V. An",
    1990,
)


def opened(text: str) -> list[Any]:
    return list(cbor2.loads(base45.b45decode(text[4:])).value)


def closed(parts: Any, tag: int = 18) -> str:
    return "YT1:" + base45.b45encode(cbor2.dumps(cbor2.CBORTag(tag, parts))).decode()


def test_what_is_signed_is_read_back() -> None:
    text = sign(CLAIMS)
    assert verify(text) == CLAIMS
    assert text.startswith("YT1:")
    assert qr.modules(text, error="m") <= 57, "small enough for a paper card"
    header, unprotected, payload, signature = opened(text)
    assert cbor2.loads(header)[1] == -7
    assert unprotected == {}
    assert len(signature) == 64
    assert set(cbor2.loads(payload)) == {2, 4, 6, -70001, -70002, -70003}


def test_an_old_key_still_verifies_and_a_lost_one_does_not(settings: Any, tmp_path: Any) -> None:
    settings.KHIEN_KEYS = tmp_path / "keys"
    before = sign(CLAIMS)
    keys.make("pass")
    assert len(keys.all_ids("pass")) == 2
    assert verify(before) == verify(sign(CLAIMS)) == CLAIMS
    settings.KHIEN_KEYS = tmp_path / "others"
    keys.make("pass")
    with pytest.raises(PassError) as fault:
        verify(before)
    assert fault.value.reason == "unknown_key"


def test_one_changed_claim_breaks_the_signature() -> None:
    header, unprotected, payload, signature = opened(sign(CLAIMS))
    forged = cbor2.dumps({**cbor2.loads(payload), 4: 4_000_000_000})
    with pytest.raises(PassError) as fault:
        verify(closed([header, unprotected, forged, signature]))
    assert fault.value.reason == "bad_signature"


@pytest.mark.parametrize("change", range(9))
def test_any_other_shape_is_malformed(change: int) -> None:
    header, unprotected, payload, signature = opened(sign(CLAIMS))
    other = cbor2.dumps({1: -37, 4: cbor2.loads(header)[4]})
    no_kid = cbor2.dumps({1: -7})
    text = [
        closed([header, unprotected, payload]),
        closed([header, unprotected, payload, signature, b""]),
        closed([header, unprotected, payload, signature[:-1]]),
        closed([header, unprotected, payload, signature], tag=98),
        closed([other, unprotected, payload, signature]),
        closed([no_kid, {4: cbor2.loads(header)[4]}, payload, signature]),
        closed("text"),
        sign(CLAIMS) + "000",
        "YT1:" + "A" * 700,
    ][change]
    with pytest.raises(PassError) as fault:
        verify(text)
    assert fault.value.reason == "malformed"


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200).map(lambda b: "YT1:" + base45.b45encode(b).decode()), st.text(max_size=60)
    )
)
def test_nothing_else_is_ever_a_pass(text: str) -> None:
    with pytest.raises(PassError):
        verify(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 44))
def test_no_pass_survives_a_changed_letter(at: int, letter: int) -> None:
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    text = sign(CLAIMS)
    at = 4 + at % (len(text) - 4)
    changed = text[:at] + alphabet[letter] + text[at + 1 :]
    if changed == text:
        return
    try:
        found = verify(changed)
    except PassError:
        return
    assert found == CLAIMS, "only a letter that spells the same bytes may pass"


def test_pseudonyms_and_masks() -> None:
    assert len({new_sub() for _ in range(1000)}) == 1000
    assert all(len(new_sub()) == 16 for _ in range(10))
    assert [mask_name(n) for n in ("Nguyễn Văn An", "An", "")] == ["N. V. An", "An", ""]
    assert passes.PREFIX == "YT1:"
