"""Finding contacts and deciding on them: the law is a hard layer, the score only ranks."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.events.models import Event
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.pairs import FIRST_PAIR, PairContacts, store_pairs
from khien.kernel.registries import MeetingsSeen
from khien.kernel.rules.models import Rule
from khien.kernel.staff import Role
from khien.rooms.tracing import reads, verbs
from khien.rooms.tracing.models import Case, TracedContact
from tests.factories import (
    NOON,
    make_actor,
    make_household,
    make_person,
    make_place,
    make_province,
    make_unit,
)
from tests.rooms.tracing.scenes import SYSTEM, at, load_rules, open_case, stay

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        load_rules()
        yield


@pytest.fixture
def scene():
    _province, _district, commune = make_province()
    return {
        "unit": commune,
        "case": make_person("Trần Thị Ca", commune),
        "cafe": make_place(commune, "Cà phê", "cafe", area_m2=60),
        "market": make_place(commune, "Chợ", "market", area_m2=5000),
    }


def listed(case: Case) -> dict[str, TracedContact]:
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    return {c.person.full_name: c for c in case.contacts.select_related("person")}


def positive(scene, **more) -> Case:
    more = {"result_id": 1, "sampled_at": at(9, 8), "resulted_at": at(9, 20), **more}
    return open_case(scene["case"], scene["unit"], **more)


def test_fifteen_minutes_in_a_small_closed_room_make_f1_and_the_row_says_why(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(friend, scene["cafe"], at(8, 9, 30), 60)
    contact = listed(positive(scene))["Lê Văn Bạn"]
    assert (contact.degree, contact.clause) == (1, "b")
    assert contact.minutes == 30
    exposure = contact.exposures.get()
    assert (exposure.place, exposure.clause, exposure.minutes) == (scene["cafe"], "b", 30)
    assert (exposure.start, exposure.end) == (at(8, 9, 30), at(8, 10))


def test_several_short_meetings_never_add_up_to_a_legal_contact(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    for day in (8, 9):
        stay(scene["case"], scene["cafe"], at(day, 9), 10)
        stay(friend, scene["cafe"], at(day, 9), 10)
    contact = listed(positive(scene, sampled_at=at(9, 18), resulted_at=at(9, 20)))["Lê Văn Bạn"]
    assert (contact.clause, contact.encounters, contact.minutes) == ("", 2, 20)


def test_a_large_open_market_gives_an_exposure_without_legal_ground(scene) -> None:
    seller = make_person("Phạm Thị Chợ", scene["unit"])
    stay(scene["case"], scene["market"], at(8, 9), 60)
    stay(seller, scene["market"], at(8, 8), 300)
    contact = listed(positive(scene))["Phạm Thị Chợ"]
    assert contact.clause == ""
    assert not contact.is_legal_f1


def test_the_score_never_hides_a_legal_contact(scene) -> None:
    """A rule that lists nobody by risk still lists everybody whom a clause names."""
    rule = Rule.objects.get(key__key="tracing.f2", during__contains=date(2022, 1, 9))
    rule.value = {**rule.value, "max_listed": 0}
    rule.save()
    zero = Rule.objects.get(key__key="tracing.risk_model", during__contains=date(2022, 1, 9))
    zero.value = {"rate_per_hour": 0.0, "others_listed": 0}
    zero.save()
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    names = {f"Người {n}" for n in range(40)}
    for name in sorted(names):
        stay(make_person(name, scene["unit"]), scene["cafe"], at(8, 9), 20)
    stay(make_person("Ở chợ", scene["unit"]), scene["market"], at(8, 9), 20)
    found = listed(positive(scene))
    assert set(found) == names
    assert all(c.is_legal_f1 and c.score == 0 for c in found.values())


def test_household_members_are_f1_and_rank_above_a_short_meeting(scene) -> None:
    mother = make_person("Mẹ", scene["unit"])
    make_household(scene["unit"], scene["case"], mother)
    guest = make_person("Khách", scene["unit"])
    stay(scene["case"], scene["cafe"], at(8, 9), 20)
    stay(guest, scene["cafe"], at(8, 9), 20)
    case = positive(scene)
    case.person.refresh_from_db()
    found = listed(case)
    assert found["Mẹ"].clause == "cùng nhà"
    assert found["Mẹ"].exposures.get().kind == "household"
    assert found["Mẹ"].score > found["Khách"].score


def test_whom_the_case_names_in_the_interview_is_f1_by_the_clause_of_the_kind(scene) -> None:
    case = positive(scene)
    verbs.add_hand_contact(
        SYSTEM,
        case_id=case.pk,
        full_name="Ông Bảy",
        phone="0912345678",
        kind="body",
        day=date(2022, 1, 8),
        minutes=2,
    )
    verbs.add_hand_contact(
        SYSTEM,
        case_id=case.pk,
        full_name="Bà Tám",
        kind="near",
        day=date(2022, 1, 8),
        minutes=5,
        masked=True,
    )
    found = listed(case)
    assert found["Ông Bảy"].clause == "a"
    assert found["Bà Tám"].clause == ""  # masked and under 15 minutes


def test_f2_met_an_f1_only_after_the_f1_may_have_become_infectious(scene) -> None:
    first = make_person("F1", scene["unit"])
    early, late = make_person("Sớm", scene["unit"]), make_person("Muộn", scene["unit"])
    shop = make_place(scene["unit"], "Quán ăn", "restaurant", area_m2=50)
    stay(scene["case"], scene["cafe"], at(7, 9), 60)
    stay(first, scene["cafe"], at(7, 9), 60)
    stay(first, shop, at(8, 9), 60)
    stay(early, shop, at(8, 9), 60)
    stay(first, shop, at(9, 15), 60)
    stay(late, shop, at(9, 15), 60)
    found = listed(positive(scene))
    assert found["F1"].degree == 1
    assert (found["Muộn"].degree, found["Muộn"].clause) == (2, "F2")
    assert found["Muộn"].from_person == first
    assert "Sớm" not in found


def test_an_old_case_is_listed_and_explained_by_the_rule_of_its_day(scene) -> None:
    """In August 2021 five minutes in a closed room were enough, and the window began three days before."""
    friend = make_person("Lê Văn Bạn", scene["unit"])
    stay(scene["case"], scene["cafe"], at(7, 9, month=8, year=2021), 5)
    stay(friend, scene["cafe"], at(7, 9, month=8, year=2021), 5)
    case = positive(
        scene,
        sampled_at=at(10, 8, month=8, year=2021),
        resulted_at=at(10, 20, month=8, year=2021),
        onset_on=date(2021, 8, 10),
    )
    assert clock.local(case.infectious_from).date() == date(2021, 8, 7)
    contact = listed(case)["Lê Văn Bạn"]
    assert contact.clause == "2 m"
    rules = contact.contact_list.rules["tracing.contact_definition"]
    assert rules["decision"] == "3638/QĐ-BYT"


def test_coverage_says_how_many_places_of_the_case_have_scans_of_others(scene) -> None:
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(scene["case"], scene["market"], at(8, 12), 60)
    stay(make_person("Khách", scene["unit"]), scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    verbs.add_landmark(SYSTEM, case_id=case.pk, text="Đám cưới nhà ông Năm", start=at(9, 10), end=at(9, 12))
    made = verbs.list_contacts(SYSTEM, case_id=case.pk)
    assert (made.coverage["places"], made.coverage["places_with_scans"]) == (3, 1)
    assert (made.coverage["days"], made.coverage["days_known"]) == (4, 2)


def test_a_landmark_at_a_place_counts_as_a_stay_there(scene) -> None:
    stay(make_person("Khách", scene["unit"]), scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    assert "Khách" not in listed(case)
    verbs.add_landmark(SYSTEM, case_id=case.pk, place=scene["cafe"], start=at(8, 9), end=at(8, 10))
    assert listed(case)["Khách"].clause == "b"


def test_dropping_a_legal_contact_needs_a_reason_and_nothing_happens_without(scene) -> None:
    one, two = make_person("Một", scene["unit"]), make_person("Hai", scene["unit"])
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(one, scene["cafe"], at(8, 9), 60)
    stay(two, scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    found = listed(case)
    with pytest.raises(Invalid) as problem:
        verbs.approve_contacts(SYSTEM, case_id=case.pk, contact_ids=[found["Một"].pk])
    assert problem.value.code == "legal_contact_needs_reason"
    assert set(case.contacts.values_list("state", flat=True)) == {"proposed"}
    verbs.approve_contacts(
        SYSTEM, case_id=case.pk, contact_ids=[found["Một"].pk], reason="Không có mặt, đưa mã cho người khác"
    )
    found = {c.person.full_name: c for c in case.contacts.all()}
    assert (found["Một"].state, found["Hai"].state) == ("approved", "rejected")
    assert found["Hai"].reason
    event = Event.objects.get(name="contacts_approved")
    assert event.payload["contacts"] == [
        {
            "contact": found["Một"].pk,
            "person": one.pk,
            "degree": 1,
            "last_exposure": at(8, 10).isoformat(),
        }
    ]


def test_approving_a_list_that_has_changed_meanwhile_is_refused(scene) -> None:
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(make_person("Một", scene["unit"]), scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    old = verbs.list_contacts(SYSTEM, case_id=case.pk)
    contact = listed(case)["Một"]
    with pytest.raises(Conflict) as problem:
        verbs.approve_contacts(SYSTEM, case_id=case.pk, contact_ids=[contact.pk], list_id=old.pk)
    assert problem.value.code == "list_changed"


def test_a_relisting_keeps_decisions_and_withdraws_what_is_no_longer_found(scene) -> None:
    kept, gone = make_person("Giữ", scene["unit"]), make_person("Rút", scene["unit"])
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(kept, scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    stay(gone, scene["market"], at(7, 9), 60)
    mark = verbs.add_landmark(SYSTEM, case_id=case.pk, place=scene["market"], start=at(7, 9), end=at(7, 10))
    found = listed(case)
    verbs.approve_contacts(SYSTEM, case_id=case.pk, contact_ids=[found["Giữ"].pk])
    verbs.remove_landmark(SYSTEM, landmark_id=mark.pk)
    again = listed(case)
    assert (again["Giữ"].state, again["Giữ"].contact_list.version) == ("approved", 1)
    assert again["Rút"].state == "withdrawn"


def test_sources_are_sought_backward_and_those_already_cases_stand_first(scene) -> None:
    known, other = make_person("Ca trước", scene["unit"]), make_person("Người lạ", scene["unit"])
    day = at(3, 9)
    stay(scene["case"], scene["cafe"], day, 60)
    stay(known, scene["cafe"], day, 20)
    stay(other, scene["cafe"], day, 60)
    earlier = open_case(known, scene["unit"], result_id=7, sampled_at=at(4, 8), resulted_at=at(4, 20))
    case = positive(scene, onset_on=date(2022, 1, 8))
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    rows = list(case.sources.order_by("id").values_list("person__full_name", "source_case_id", "state"))
    assert rows == [("Ca trước", earlier.pk, "proposed"), ("Người lạ", None, "proposed")]
    assert case.sources.first().place == scene["cafe"]


def test_a_contact_who_turns_positive_is_converted_and_gets_the_case_as_presumed_source(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(friend, scene["cafe"], at(8, 9), 60)
    first = positive(scene)
    listed(first)
    second = open_case(friend, scene["unit"], result_id=2, sampled_at=at(10, 8), resulted_at=at(10, 11))
    contact = first.contacts.get()
    assert contact.converted_case == second
    assert second.source_case == first
    assert second.sources.get().how == "contact"
    with clock.reads.frozen_at(NOON + timedelta(hours=1)):
        verbs.approve_contacts(SYSTEM, case_id=first.pk, contact_ids=[contact.pk])
    assert Event.objects.get(name="contacts_approved").payload["contacts"] == []


def test_a_tracer_of_another_unit_neither_sees_nor_decides(scene) -> None:
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(make_person("Một", scene["unit"]), scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    contact = listed(case)["Một"]
    stranger = make_actor(Role.TRACER, make_unit("Nơi khác"))
    with pytest.raises(NotFound):
        verbs.list_contacts(stranger, case_id=case.pk)
    with pytest.raises(NotFound):
        verbs.reject_contact(stranger, contact_id=contact.pk, reason="x")
    assert TracedContact.objects.seen_by(stranger).count() == 0


def test_without_onset_and_sample_the_answer_says_what_to_enter(scene) -> None:
    case = open_case(scene["case"], scene["unit"])
    with pytest.raises(Invalid) as problem:
        verbs.list_contacts(SYSTEM, case_id=case.pk)
    assert problem.value.field == "onset_on"


def test_that_a_case_has_no_contacts_is_approved_too_and_the_clock_goes_on(scene) -> None:
    case = positive(scene)
    made = verbs.list_contacts(SYSTEM, case_id=case.pk)
    assert made.counts["f1"] == 0
    verbs.approve_contacts(SYSTEM, case_id=case.pk, contact_ids=[], list_id=made.pk)
    assert case.steps.filter(step="approved").exists()
    assert Event.objects.get(name="contacts_approved").payload["contacts"] == []
    verbs.approve_contacts(SYSTEM, case_id=case.pk, contact_ids=[])
    assert Event.objects.filter(name="contacts_approved").count() == 1


# Rooms, masks, pairs, and what is forgotten ----------------------------------------------------------


def test_a_room_within_a_building_is_shared_with_whom_was_seen_at_the_gate(scene) -> None:
    school = make_place(scene["unit"], "Trường", "school", area_m2=150)
    room, other = (
        make_place(scene["unit"], name, "class", area_m2=50, parent=school) for name in ("Lớp 1", "Lớp 2")
    )
    beside, gate, apart = (make_person(name, scene["unit"]) for name in ("Cùng lớp", "Ở cổng", "Lớp khác"))
    stay(scene["case"], room, at(8, 7), 60)
    stay(beside, room, at(8, 7), 60)
    stay(gate, school, at(8, 7), 60)
    stay(apart, other, at(8, 7), 60)
    found = listed(positive(scene))
    assert set(found) == {"Cùng lớp", "Ở cổng"}
    assert found["Cùng lớp"].exposures.get().place == room
    assert found["Ở cổng"].exposures.get().place == school
    assert found["Cùng lớp"].score > found["Ở cổng"].score


def test_minutes_in_a_room_are_not_counted_again_at_the_gate(scene) -> None:
    school = make_place(scene["unit"], "Trường", "school", area_m2=2500)
    room = make_place(scene["unit"], "Lớp 1", "class", area_m2=50, parent=school)
    beside = make_person("Cùng lớp", scene["unit"])
    for person in (scene["case"], beside):
        stay(person, school, at(8, 7), 120)
        stay(person, room, at(8, 7, 30), 60)
    contact = listed(positive(scene))["Cùng lớp"]
    # The hour in the room counts by law; the further hour in the building does not, and neither counts twice.
    assert (contact.clause, contact.minutes) == ("b", 60)
    assert contact.exposures.count() == 2


@pytest.mark.parametrize(("masked", "clause"), [(None, ""), (True, ""), (False, "c")])
def test_a_case_that_wore_no_mask_makes_f1_at_once(scene, masked, clause) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    stay(friend, scene["cafe"], at(8, 9), 60)
    case = positive(scene)
    verbs.add_landmark(
        SYSTEM, case_id=case.pk, place=scene["cafe"], start=at(8, 9, 55), end=at(8, 11), masked=masked
    )
    contact = listed(case)["Lê Văn Bạn"]
    assert contact.clause == clause
    assert contact.exposures.get().mask == {None: "", True: "masked", False: "unmasked"}[masked]


def test_what_was_told_of_a_scanned_hour_is_one_meeting(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    stay(scene["case"], scene["cafe"], at(8, 9), 60)
    stay(friend, scene["cafe"], at(8, 9), 180)
    case = positive(scene)
    verbs.add_landmark(SYSTEM, case_id=case.pk, place=scene["cafe"], start=at(8, 9, 30), end=at(8, 11))
    contact = listed(case)["Lê Văn Bạn"]
    assert (contact.encounters, contact.minutes) == (1, 120)


def test_whom_an_earlier_case_named_is_found_as_its_contact_and_as_its_possible_source(scene) -> None:
    """What one case says in the interview is known when the other falls ill."""
    friend = make_person("Lê Văn Bạn", scene["unit"])
    case = positive(scene)
    verbs.add_hand_contact(
        SYSTEM, case_id=case.pk, person=friend, kind="near", day=date(2022, 1, 8), minutes=30, masked=False
    )
    mine = listed(case)["Lê Văn Bạn"]
    assert (mine.clause, mine.encounters, mine.exposures.get().kind) == ("c", 1, "hand")
    later = open_case(friend, scene["unit"], result_id=2, onset_on=date(2022, 1, 10), resulted_at=at(10, 11))
    verbs.list_contacts(SYSTEM, case_id=later.pk)
    back = later.contacts.get()
    assert back.person == scene["case"]
    assert (back.exposures.get().kind, back.minutes) == ("pair", 30)


def test_changing_what_was_said_changes_the_pair(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    case = positive(scene)
    for minutes in (30, 45):
        verbs.add_hand_contact(
            SYSTEM, case_id=case.pk, person=friend, kind="near", day=date(2022, 1, 8), minutes=minutes
        )
    stays = PresenceRecord.objects.filter(person_id=friend.pk)
    assert [(s.leave - s.enter).total_seconds() for s in stays] == [45 * 60]
    assert stays.get().place_id >= FIRST_PAIR


def test_a_pair_near_each_other_by_their_devices_is_found_once_however_often_it_is_told(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    begin = int(at(8, 9).timestamp()) * 1_000_000
    told = PairContacts(
        np.array([scene["case"].pk]),
        np.array([friend.pk]),
        np.array([begin]),
        np.array([begin + 20 * 60_000_000]),
        ["b1"],
    )
    assert [store_pairs(told, source="bluetooth") for _ in range(2)] == [1, 0]
    contact = listed(positive(scene))["Lê Văn Bạn"]
    assert (contact.clause, contact.encounters, contact.minutes) == ("b", 1, 20)
    exposure = contact.exposures.get()
    assert (exposure.kind, exposure.place) == ("pair", None)


def test_a_list_over_days_already_forgotten_says_so(scene) -> None:
    friend = make_person("Lê Văn Bạn", scene["unit"])
    stay(scene["case"], scene["cafe"], at(7, 9), 60)
    stay(friend, scene["cafe"], at(7, 9), 60)
    case = positive(scene)
    assert set(listed(case)) == {"Lê Văn Bạn"}
    presence.forget(date(2022, 1, 8))
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    assert case.contacts.get().state == "withdrawn"
    assert case.lists.get(version=2).coverage["days_forgotten"] == 1


def test_a_list_says_how_much_was_seen_once_enough_is_told(scene) -> None:
    """Every second stay told was scanned, each with one other of whom every second was scanned too."""
    kind = [make_place(scene["unit"], f"Quán {n}", "cafe") for n in range(20)]
    for n in range(8):
        person = make_person(f"Người Kể {n}", scene["unit"])
        made = open_case(person, scene["unit"], result_id=100 + n, sampled_at=at(9, 8), resulted_at=at(9, 20))
        for hour in range(5):
            place = kind[(5 * n + hour) % 20]
            verbs.add_landmark(
                SYSTEM, case_id=made.pk, place=place, start=at(8, 8 + hour), end=at(8, 8 + hour, 50)
            )
            if hour % 2:
                stay(person, place, at(8, 8 + hour), 50)
            stay(make_person(f"Khách {n} {hour}", scene["unit"]), place, at(8, 8 + hour), 50)
    last = made
    told = verbs.list_contacts(SYSTEM, case_id=last.pk).coverage
    assert told["interviews"] == 8
    # 2 of 5 stays were scanned, so of the others about as many: one seen stands for two and a half.
    assert 30 <= told["seen_percent"] <= 50
    alone = open_case(
        make_person("Người Im", scene["unit"]), scene["unit"], result_id=200, sampled_at=at(9, 8)
    )
    silent = verbs.list_contacts(SYSTEM, case_id=alone.pk).coverage["seen_percent"]
    assert silent is not None
    # What the pages of coverage say of the commune: the median of its cases, each by its last list.
    verbs.list_contacts(SYSTEM, case_id=last.pk)
    known = reads.meetings_seen(scene["unit"].path, at(1, 8))
    assert known == MeetingsSeen(pytest.approx((told["seen_percent"] + silent) / 200), 2)
    assert reads.meetings_seen("999.", at(1, 8)) is None
    assert reads.meetings_seen("", at(31, 8)) is None


def test_a_list_says_nothing_of_what_was_seen_before_enough_is_told(scene) -> None:
    made = open_case(make_person("Người Kể", scene["unit"]), scene["unit"], result_id=1, sampled_at=at(9, 8))
    verbs.add_landmark(
        SYSTEM, case_id=made.pk, place=make_place(scene["unit"], "Quán", "cafe"), start=at(8, 8), end=at(8, 9)
    )
    told = verbs.list_contacts(SYSTEM, case_id=made.pk).coverage
    assert (told["interviews"], told["seen_percent"]) == (1, None)
