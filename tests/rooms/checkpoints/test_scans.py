"""The batch door's verb: each event once, held with its reason, people recognised, orders announced."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.events.models import Event
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.places import verbs as places
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.staff import Role, system_actor
from khien.kernel.standing import verbs as standing
from khien.rooms.checkpoints import jobs, verbs
from khien.rooms.checkpoints.models import Due, HeldScan, PassCard, Scan, ScanId
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import NOON, make_actor, make_person, make_place, make_province, make_unit
from tests.rooms.checkpoints.cards import CCCD, NUMBER, cccd, event

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def commune():
    return make_province()[2]


@pytest.fixture
def market(commune):
    return make_place(commune)


@pytest.fixture
def guard(commune):
    return make_actor(Role.GUARD, commune)


def outcomes(answer: verbs.BatchAnswer) -> list[str]:
    assert answer.received == answer.stored + answer.duplicate + answer.held == len(answer.answers)
    return [a.reason or a.outcome for a in answer.answers]


def test_a_card_not_in_the_ledger_registers_its_bearer_once(guard, market, commune) -> None:
    answer = verbs.store_scans(guard, [event(market.code), event(market.code, at=NOON - timedelta(hours=1))])
    assert outcomes(answer) == ["stored", "stored"]
    person = Person.objects.get()
    assert (person.full_name, person.sex, person.birth_year, person.unit) == (
        "Nguyễn Văn An",
        "m",
        1990,
        commune,
    )
    assert set(Scan.objects.values_list("person_id", flat=True)) == {person.pk}
    assert answer.answers[0].verdict.colour == "green"
    assert answer.answers[0].verdict.name == "N. V. An"
    assert NUMBER not in str(list(Scan.objects.values())) + str(list(AuditLine.objects.values()))


def test_the_same_id_is_stored_once_whatever_is_sent_again(guard, market) -> None:
    one = event(market.code)
    assert outcomes(verbs.store_scans(guard, [one, one])) == ["stored", "duplicate"]
    assert outcomes(verbs.store_scans(guard, [one])) == ["duplicate"]
    assert Scan.objects.count() == ScanId.objects.count() == 1
    assert verbs.store_scans(guard, [one]).answers[0].verdict.colour == "green", (
        "the guard still sees an answer"
    )


def test_the_same_id_with_other_words_is_held(guard, market) -> None:
    one = event(market.code)
    changed = {**one, "direction": "out"}
    assert outcomes(verbs.store_scans(guard, [one, changed])) == ["stored", "id_reused"]
    assert outcomes(verbs.store_scans(guard, [changed])) == ["id_reused"]
    assert HeldScan.objects.count() == 1


def test_two_senders_may_use_the_same_id(guard, market, commune) -> None:
    one = event(market.code)
    verbs.store_scans(guard, [one])
    assert outcomes(verbs.store_scans(make_actor(Role.GUARD, commune), [one])) == ["stored"]


def test_the_scan_ids_outlive_the_scans(guard, market) -> None:
    one = event(market.code)
    verbs.store_scans(guard, [one])
    assert jobs.forget_scans(clock.today() + timedelta(days=1)) == 1
    assert outcomes(verbs.store_scans(guard, [one])) == ["duplicate"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "not-a-uuid"}, "malformed"),
        ({"id": None}, "malformed"),
        ({"at": "yesterday"}, "malformed"),
        ({"at": "2022-01-10T08:00:00"}, "malformed"),
        ({"direction": "up"}, "malformed"),
        ({"code": 12}, "malformed"),
        ({"person": 1}, "malformed"),
        ({"place": 1}, "malformed"),
        ({"code": "hello"}, "unknown_code"),
        ({"code": "\u0000\ud800"}, "unknown_code"),
        ({"code": f"{NUMBER}|Nguyễn Văn An|15011990"}, "card_incomplete"),
        ({"code": "YT1:ABC"}, "pass_malformed"),
        ({"place": "XXXXXXXXXX"}, "unknown_place"),
    ],
)
def test_what_cannot_be_taken_is_held_and_blocks_nothing(
    guard, market, change: dict[str, Any], reason: str
) -> None:
    bad, good = {**event(market.code), **change}, event(market.code)
    answer = verbs.store_scans(guard, [bad, good])
    assert outcomes(answer) == [reason, "stored"]
    assert answer.answers[0].message
    assert answer.answers[0].verdict.colour == "grey"
    held = HeldScan.objects.get()
    assert NUMBER not in held.shown
    assert NUMBER.encode() not in bytes(held.sealed)
    verbs.store_scans(guard, [bad])
    assert HeldScan.objects.count() == 1


@pytest.mark.parametrize("nonsense", [None, 3, "x", [], {}, {"id": {"a": 1}}])
def test_an_event_may_be_anything(guard, nonsense: Any) -> None:
    assert outcomes(verbs.store_scans(guard, [nonsense])) == ["malformed"]


def test_a_guard_scans_only_at_places_of_their_unit(market) -> None:
    stranger = make_actor(Role.GUARD, make_unit("Xã Khác"))
    assert outcomes(verbs.store_scans(stranger, [event(market.code)])) == ["unknown_place"]
    assert not Person.objects.exists()
    assert not Scan.objects.exists()


def test_a_moment_in_the_future_becomes_the_moment_of_receipt_and_is_flagged(guard, market) -> None:
    answer = verbs.store_scans(guard, [event(market.code, at=NOON + timedelta(days=1))])
    assert answer.answers[0].flags[0] == "future"
    scan = Scan.objects.get()
    assert (scan.at, scan.at_said) == (NOON, NOON + timedelta(days=1))


def test_a_wrong_clock_that_says_when_it_sent_is_corrected(guard, market) -> None:
    wrong = NOON + timedelta(days=400)
    answer = verbs.store_scans(guard, [event(market.code, at=wrong - timedelta(hours=2))], sent_at=wrong)
    assert "clock" in answer.answers[0].flags
    assert Scan.objects.get().at == NOON - timedelta(hours=2)


def test_a_closed_place_is_a_flag_because_the_past_is_not_refused(guard, market) -> None:
    with clock.reads.frozen_at(NOON - timedelta(hours=1)):
        places.close_place(SYSTEM, place=market)
    assert "closed_place" in verbs.store_scans(guard, [event(market.code)]).answers[0].flags


def test_our_pass_is_read_and_an_old_one_makes_the_guard_look(guard, market, commune) -> None:
    person = make_person("Trần Thị Bình", commune)
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    with clock.reads.frozen_at(NOON - timedelta(days=1)):
        old = verbs.issue_pass(officer, person=person, kind="paper")
    with clock.reads.frozen_at(NOON - timedelta(hours=1)):
        new = verbs.issue_pass(officer, person=person, kind="paper")
    answer = verbs.store_scans(guard, [event(market.code, text_of(new)), event(market.code, text_of(old))])
    assert outcomes(answer) == ["stored", "stored"]
    assert [a.verdict.colour for a in answer.answers] == ["green", "orange"]
    assert answer.answers[1].flags == ("pass_revoked",)
    assert answer.answers[0].verdict.name == "T. T. Bình"
    PassCard.objects.all().delete()
    assert outcomes(verbs.store_scans(guard, [event(market.code, text_of(new))])) == ["unknown_pass"]


def test_a_typed_number_of_nobody_is_kept_and_linked_when_somebody_is_registered(
    guard, market, commune
) -> None:
    answer = verbs.store_scans(guard, [event(market.code, NUMBER)])
    assert answer.answers[0].flags == ("unknown_person",)
    assert answer.answers[0].verdict.colour == "yellow"
    assert not Due.objects.exists()
    person = register_person(
        SYSTEM, full_name="Lê Thị Hoa", unit=commune, documents=[NewDocument("cccd", NUMBER)]
    )
    assert jobs.link_unknown_people() == 1
    assert Scan.objects.get().person_id == person.pk
    assert Due.objects.get().person_id == person.pk


def test_a_damaged_card_of_a_known_number_still_finds_its_person(guard, market, commune) -> None:
    person = register_person(
        SYSTEM, full_name="Lê Thị Hoa", unit=commune, documents=[NewDocument("cccd", NUMBER)]
    )
    verbs.store_scans(guard, [event(market.code, f"{NUMBER}||Le6 Thi5 Hoa|??|N|x|y")])
    assert Scan.objects.get().person_id == person.pk
    assert IdentityDocument.objects.count() == 1


def test_somebody_under_order_is_red_and_announced_once_a_scan(guard, market, commune) -> None:
    person = make_person("Phạm Văn Cường", commune)
    standing.impose(
        person.pk,
        "under_order",
        start=NOON - timedelta(days=1),
        end=NOON + timedelta(days=6),
        colour="red",
        reason="Đang cách ly tại nhà.",
        authority=person,
    )
    one = {**event(market.code), "person": person.pk}
    answer = verbs.store_scans(SYSTEM, [one])
    verdict = answer.answers[0].verdict
    assert (verdict.colour, verdict.word, verdict.reason) == ("red", "Dừng lại", "Đang cách ly tại nhà.")
    verbs.store_scans(SYSTEM, [one])
    found = Event.objects.get(name="person_under_order_scanned")
    assert found.payload == {
        "scan": Scan.objects.get().id,
        "person": person.pk,
        "place": market.pk,
        "unit": commune.pk,
        "at": NOON.isoformat(),
    }
    late = {**one, "id": str(uuid4()), "at": (NOON - timedelta(days=3)).isoformat()}
    verbs.store_scans(SYSTEM, [late])
    assert Event.objects.filter(name="person_under_order_scanned").count() == 1, "no order held then"


def test_presence_follows_and_late_scans_derive_it_anew(market, commune) -> None:
    person = make_person(unit=commune)

    def scan(minutes: int, direction: str) -> dict[str, Any]:
        at = NOON - timedelta(minutes=minutes)
        return {**event(market.pk, at=at, direction=direction), "person": person.pk}

    verbs.store_scans(SYSTEM, [scan(300, "in")], verdicts=False)
    assert jobs.derive_when_due() == 1
    first = PresenceRecord.objects.get()
    assert first.exit_inferred
    assert first.leave - first.enter == timedelta(minutes=60)
    verbs.store_scans(SYSTEM, [scan(250, "out"), scan(301, "in")], verdicts=False)
    jobs.derive_when_due()
    again = PresenceRecord.objects.get()
    assert not again.exit_inferred
    assert (again.enter, again.leave) == (NOON - timedelta(minutes=301), NOON - timedelta(minutes=250))
    assert again.commit_order > first.commit_order
    assert jobs.derive_when_due() == 0
    assert not Due.objects.exists()


def test_any_order_of_arrival_ends_in_the_same_presence(commune) -> None:
    """The same 60 scans, all at once, or one by one backwards with a derivation after each."""
    shop, home = make_place(commune, "Quán", "restaurant"), make_place(commune, "Nhà", "home")
    first, second = make_person(unit=commune), make_person(unit=commune)

    def facts(person: int) -> list[dict[str, Any]]:
        return [
            {
                "id": str(uuid4()),
                "place": (shop, home)[number % 2].pk,
                "at": (NOON - timedelta(minutes=97 * number)).isoformat(),
                "direction": ("in", "out", "in", "in", "unknown")[number % 5],
                "person": person,
            }
            for number in range(60)
        ]

    verbs.store_scans(SYSTEM, facts(first.pk), verdicts=False)
    jobs.derive_when_due()
    for fact in facts(second.pk):
        verbs.store_scans(SYSTEM, [fact], verdicts=False)
        jobs.derive_when_due()

    def told(person: int) -> list[tuple[Any, ...]]:
        rows = PresenceRecord.objects.filter(person_id=person).order_by("enter", "place_id", "leave")
        return list(rows.values_list("place_id", "enter", "leave", "entry_inferred", "exit_inferred"))

    assert told(first.pk) == told(second.pk) != []


def test_the_audit_names_the_people_shown_to_a_guard_but_only_counts_in_bulk(guard, market) -> None:
    verbs.store_scans(guard, [event(market.code)])
    person = Person.objects.get().pk
    assert AuditLine.objects.get(act="checkpoints.store_scans").persons == [person]
    verbs.store_scans(SYSTEM, [{**event(market.pk), "person": person}], verdicts=False)
    assert AuditLine.objects.filter(act="checkpoints.store_scans").latest("pk").persons == []


def test_several_people_of_one_batch(guard, market) -> None:
    batch = [event(market.code, cccd(f"0350901234{n:02d}", "Đỗ Văn Bảy")) for n in range(40)]
    assert verbs.store_scans(guard, batch).stored == 40
    assert Person.objects.count() == 40
    assert CCCD.split("|")[2] == "Nguyễn Văn An"
