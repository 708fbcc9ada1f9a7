"""The batch door with every kind of code: what is stored, what is held, and what the guard is told."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import base45
import cbor2
import pytest

from khien.kernel import clock, keys
from khien.kernel.certificates import contents, hc1
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.staff import Role, system_actor
from khien.rooms.checkpoints import verbs
from khien.rooms.checkpoints.models import HeldScan, PassCard, Scan
from khien.rooms.checkpoints.verbs.passes import text_of
from khien.rooms.checkpoints.verbs.scans import ScanAnswer
from tests.factories import NOON, make_actor, make_person, make_place, make_unit
from tests.kernel.codes import vectors
from tests.rooms.checkpoints.cards import NUMBER, event

pytestmark = pytest.mark.django_db

CONTENT = contents.dcc(
    full_name="Trần Thị Bình", birth="1985", kind=contents.VACCINATION, entry={"ci": "URN:UVCI:01:VN:1"}
)


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def gate() -> Any:
    unit = make_unit()
    place, guard = make_place(unit), make_actor(Role.GUARD, unit)

    def scan(code: str, **more: Any) -> ScanAnswer:
        return verbs.store_scans(guard, [event(place.code, code, **more)]).answers[0]

    scan.unit = unit  # type: ignore[attr-defined]
    return scan


def certificate(**life: Any) -> str:
    return hc1.issue(CONTENT, expires_at=NOON + timedelta(**(life or {"days": 365})))


def test_a_national_code_with_a_number_is_a_claim_like_a_card(gate: Any) -> None:
    person = people.register_person(
        system_actor("tests"),
        full_name="Nguyễn Văn An",
        unit=gate.unit,
        documents=[NewDocument("cccd", NUMBER)],
    )
    answer = gate(f"{NUMBER}|NGUYEN VAN AN|1990-01-15|0|VN01ABC|<1<<<")
    assert (answer.outcome, answer.person, answer.flags) == ("stored", person.pk, ())
    assert Scan.objects.get().subject_kind == "cccd"


def test_somebody_new_is_registered_from_a_whole_national_code_and_not_from_half_of_one(gate: Any) -> None:
    whole = gate(f"{NUMBER}|NGUYEN VAN AN|1990-01-15|0|VN01ABC|<1<<<")
    assert (whole.outcome, whole.flags) == ("stored", ("new_person",))
    person = Person.objects.get()
    assert (person.full_name, person.birth_year, person.sex) == ("NGUYEN VAN AN", 1990, "m")
    half = gate("035091123456|TRAN VAN BINH|1991-**-**|0|VN01ABC|<1<<<")
    assert (half.outcome, half.flags) == ("stored", ("unknown_person",))
    assert Person.objects.count() == 1


@pytest.mark.parametrize("bars", ["", "|||"])
def test_a_number_that_the_national_code_itself_contradicts_is_not_taken(gate: Any, bars: str) -> None:
    """A child's code with the declarer's number, also with bars inside its signature."""
    answer = gate(f"{NUMBER}|NGUYEN THI BE|2015-06-01|1|VN01ABC|VN01XYZ<2<<<si{bars}g")
    assert (answer.outcome, answer.reason) == ("held", "starred")


@pytest.mark.parametrize("day", ["1990-01-15", "1990-**-**", "****-**-**"])
def test_a_starred_national_code_is_held_and_asks_for_the_card(gate: Any, day: str) -> None:
    answer = gate(f"******123456|NGUYEN VAN AN|{day}|0|VN01ABC|<1<<<")
    assert (answer.outcome, answer.reason) == ("held", "starred")
    assert "CCCD" in answer.message
    assert Person.objects.count() == 0


def test_a_certificate_is_stored_without_a_name_or_an_id(gate: Any) -> None:
    answer = gate(certificate())
    assert (answer.outcome, answer.flags, answer.person) == ("stored", ("certificate",), None)
    assert (answer.verdict.colour, "hợp lệ" in answer.verdict.reason) == ("yellow", True)
    scan = Scan.objects.get()
    assert scan.subject_kind == "hc1"
    assert len(scan.subject) == 64
    again = gate(certificate(), direction="out")
    assert again.outcome == "stored"
    assert Scan.objects.values_list("subject").distinct().count() == 1, (
        "the same certificate is the same subject"
    )


def test_a_certificate_that_had_expired_when_it_was_scanned_is_flagged(gate: Any) -> None:
    answer = gate(certificate(hours=-1))
    assert (answer.outcome, answer.flags, answer.verdict.colour) == (
        "stored",
        ("certificate_expired",),
        "orange",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:40], "certificate_malformed"),
        (lambda text: next(v.text for v in vectors.load() if v.kind == "hc1"), "certificate_unknown"),
    ],
)
def test_a_certificate_that_is_not_believed_is_held(gate: Any, change: Any, reason: str) -> None:
    answer = gate(change(certificate()))
    assert (answer.outcome, answer.reason) == ("held", reason)
    assert HeldScan.objects.get().reason == reason


def test_a_forged_certificate_is_held(gate: Any) -> None:
    header, unprotected, payload, signature = cbor2.loads(hc1.unwrap(certificate())).value
    forged = cbor2.CBORTag(18, [header, unprotected, payload, bytes(reversed(signature))])
    answer = gate("HC1:" + base45.b45encode(zlib.compress(cbor2.dumps(forged))).decode())
    assert (answer.outcome, answer.reason) == ("held", "certificate_forged")


@pytest.mark.parametrize(
    ("kind", "word"),
    [("vietqr", "VietQR"), ("web", "trang web"), ("poster", "địa điểm"), ("declaration", "tờ khai")],
)
def test_what_people_show_by_mistake_is_named(gate: Any, kind: str, word: str) -> None:
    for vector in vectors.load():
        if vector.kind == kind:
            answer = gate(vector.text)
            assert (answer.outcome, answer.reason) == ("held", "unknown_code")
            assert word in answer.message


def test_a_code_that_a_keyboard_has_changed_says_how_to_mend_it(gate: Any) -> None:
    assert "Telex" in gate("YT1:ABCÂDEF").message


def test_every_vector_gets_a_final_answer_and_shows_no_number(gate: Any) -> None:
    for vector in vectors.load():
        answer = gate(vector.text)
        assert answer.outcome in {"stored", "held"}, vector.name
        assert not vector.number or vector.number not in repr(answer)
    for held in HeldScan.objects.all():
        assert NUMBER not in held.shown


def test_a_pass_of_an_old_key_still_counts_after_a_rotation(gate: Any, settings: Any, tmp_path: Any) -> None:
    settings.KHIEN_KEYS = tmp_path / "keys"
    person = make_person(unit=gate.unit)
    card = verbs.issue_pass(
        make_actor(Role.COMMUNE_OFFICER, gate.unit), person=person, kind=PassCard.Kind.PAPER
    )
    before = text_of(card)
    keys.make("pass")
    for text in (before, text_of(card)):
        answer = gate(text)
        assert (answer.outcome, answer.person, answer.flags) == ("stored", person.pk, ())
