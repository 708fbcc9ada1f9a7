"""The fresh step: what the phone shows now counts, a picture of it shows as one, and neither is ever refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base45
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.kernel.places import verbs as places
from khien.kernel.staff import Role, system_actor
from khien.rooms.checkpoints import passes, steps, verbs
from khien.rooms.checkpoints.models import Scan
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import NOON, make_actor, make_person, make_place, make_province
from tests.rooms.checkpoints.cards import event

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "steps.json").read_text())


def shown(text: str, key: ec.EllipticCurvePrivateKey, at: datetime) -> str:
    """What the phone with this key shows of a pass at a moment."""
    stepped = base45.b45decode(text[4:]) + int(at.timestamp() // steps.STEP_S).to_bytes(4, "big")
    r, s = decode_dss_signature(key.sign(b"khien step 1" + stepped, ec.ECDSA(hashes.SHA256())))
    return "YT2:" + base45.b45encode(stepped + r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """As a browser gives it: uncompressed."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["about"])
def test_the_vectors(case: dict[str, Any], settings: Any, tmp_path: Path) -> None:
    settings.KHIEN_KEYS = tmp_path
    (tmp_path / "pass.2022011000.key").write_text(VECTORS["pem"])
    expected = case["expect"]
    now = datetime.fromtimestamp(case["now"] / 1000, UTC)
    if "error" in expected:
        with pytest.raises(passes.PassError):
            steps.verify(case["text"])
        return
    step = steps.verify(case["text"])
    assert (step.claims.sub, step.fresh(now), step.age_s(now)) == (
        expected["sub"],
        expected["fresh"],
        expected["age_s"],
    )


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fall(data: bytes) -> None:
    with pytest.raises(passes.PassError):
        steps.verify("YT2:" + base45.b45encode(data).decode())


@pytest.mark.django_db
def test_at_the_gate_a_picture_is_stored_flagged_and_yellow() -> None:
    places.load_kinds(system_actor("test"))
    with clock.reads.frozen_at(NOON):
        commune = make_province()[2]
        market, person = make_place(commune), make_person(unit=commune)
        phone = ec.generate_private_key(ec.SECP256R1())
        officer, guard = make_actor(Role.COMMUNE_OFFICER, commune), make_actor(Role.GUARD, commune)
        card = verbs.issue_pass(officer, person=person, kind="phone", device_key=point_of(phone))
        text = text_of(card)
        assert len(bytes(card.device_key)) == 33
        answers = verbs.store_scans(
            guard,
            [
                event(market.code, shown(text, phone, NOON)),
                event(market.code, shown(text, phone, NOON - timedelta(minutes=20))),
                event(market.code, text),
            ],
        ).answers
        assert [a.outcome for a in answers] == ["stored"] * 3
        assert [a.flags for a in answers] == [(), ("stale_step",), ("stale_step",)]
        assert [a.verdict.colour for a in answers if a.verdict] == ["green", "yellow", "yellow"]
        assert "Ảnh chụp màn hình?" in (answers[1].verdict.reason if answers[1].verdict else "")
        # A gate whose clock is two hours wrong, and says when it sent: its own clock tells as well.
        late = event(market.code, shown(text, phone, NOON), at=NOON - timedelta(hours=2))
        (answer,) = verbs.store_scans(guard, [late], sent_at=NOON - timedelta(hours=2)).answers
        assert answer.flags == ("clock",)
        assert Scan.objects.filter(person_id=person.pk).count() == 4
        # Scanned without network and sent an hour later.
        early = event(
            market.code, shown(text, phone, NOON - timedelta(hours=1)), at=NOON - timedelta(hours=1)
        )
        (answer,) = verbs.store_scans(guard, [early], sent_at=NOON).answers
        assert answer.flags == ()


@pytest.mark.django_db
def test_a_key_that_is_no_point_is_refused() -> None:
    commune = make_province()[2]
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    for bad in (b"\x04" + b"\x01" * 64, b"x", base64.b64encode(b"k" * 65)):
        with pytest.raises(Invalid):
            verbs.issue_pass(officer, person=make_person(unit=commune), kind="phone", device_key=bad)
