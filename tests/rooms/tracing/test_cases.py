"""Opening, timing and closing a case."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.events.models import Event
from khien.kernel.staff import Role
from khien.rooms.tracing import verbs
from khien.rooms.tracing.models import Case, CaseStep
from tests.factories import NOON, make_actor, make_person, make_place, make_province, make_unit
from tests.rooms.tracing.scenes import SYSTEM, at, load_rules, open_case, stay

pytestmark = pytest.mark.django_db
RESULT = {"result_id": 1, "sampled_at": at(9, 8), "resulted_at": at(9, 20)}


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        load_rules()
        yield


@pytest.fixture
def unit():
    return make_province()[2]


def test_the_same_result_twice_opens_one_case_and_announces_it_once(unit) -> None:
    person = make_person(unit=unit)
    first, again = open_case(person, unit, **RESULT), open_case(person, unit, **RESULT)
    assert first.pk == again.pk
    event = Event.objects.get(name="case_opened")
    assert event.payload == {"case": first.pk, "person": person.pk, "unit": unit.pk}


def test_another_positive_result_while_the_case_is_open_changes_nothing(unit) -> None:
    person = make_person(unit=unit)
    first = open_case(person, unit, **RESULT)
    assert open_case(person, unit, **{**RESULT, "result_id": 2}).pk == first.pk
    assert Case.objects.count() == 1


def test_a_result_for_a_closed_case_gets_a_clear_answer_and_changes_nothing(unit) -> None:
    person = make_person(unit=unit)
    case = open_case(person, unit, **RESULT)
    verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi bệnh")
    late = {"result_id": 2, "sampled_at": at(10, 7), "resulted_at": at(10, 11)}
    with pytest.raises(Conflict) as problem:
        open_case(person, unit, **late)
    assert problem.value.code == "case_closed"
    assert case.label in str(problem.value.message)
    assert problem.value.way_out
    assert Case.objects.count() == 1
    held = verbs.hold_result(
        SYSTEM, person_id=person.pk, unit_id=unit.pk, reason=str(problem.value.message), **late
    )
    assert held.case == case
    verbs.settle_held_result(SYSTEM, held_id=held.pk, decision="reopen")
    case.refresh_from_db()
    assert case.status == "open"


def test_a_sample_taken_after_the_case_was_closed_opens_another(unit) -> None:
    person = make_person(unit=unit)
    case = open_case(person, unit, **RESULT)
    verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi bệnh")
    later = NOON + timedelta(days=60)
    with clock.reads.frozen_at(later):
        again = open_case(person, unit, result_id=2, sampled_at=later - timedelta(hours=5), resulted_at=later)
    assert again.pk != case.pk


def test_the_window_runs_by_the_rule_and_ends_with_isolation(unit) -> None:
    case = open_case(make_person(unit=unit), unit, **RESULT)
    assert clock.local(case.infectious_from).date() == date(2022, 1, 7)  # 2 days before the sample
    case = verbs.enter_symptoms(SYSTEM, case_id=case.pk, onset_on=date(2022, 1, 6), symptoms="Sốt, ho")
    assert clock.local(case.infectious_from).date() == date(2022, 1, 4)
    case = verbs.mark_isolated(SYSTEM, case_id=case.pk, at=at(10, 9))
    assert case.infectious_until == at(10, 9)
    assert case.window_rule.decision == "11042/BYT-DP"


def test_days_in_the_future_are_refused(unit) -> None:
    case = open_case(make_person(unit=unit), unit, **RESULT)
    with pytest.raises(Invalid) as problem:
        verbs.enter_symptoms(SYSTEM, case_id=case.pk, onset_on=date(2022, 2, 1))
    assert problem.value.field == "onset_on"
    with pytest.raises(Invalid):
        open_case(make_person(unit=unit), unit, **{**RESULT, "sampled_at": NOON + timedelta(hours=1)})
    with pytest.raises(Invalid):
        verbs.add_hand_contact(
            SYSTEM, case_id=case.pk, full_name="Ai", kind="near", day=date(2022, 2, 1), minutes=5
        )


def test_a_step_keeps_its_first_time(unit) -> None:
    case = open_case(make_person(unit=unit), unit, **RESULT)
    verbs.mark_step(SYSTEM, case_id=case.pk, step="ordered", at=at(10, 9))
    verbs.mark_step(SYSTEM, case_id=case.pk, step="ordered", at=at(10, 11))
    assert CaseStep.objects.get(case=case, step="ordered").at == at(10, 9)


def test_a_case_with_undecided_close_contacts_is_not_closed(unit) -> None:
    person, friend = make_person(unit=unit), make_person("Lê Văn Bạn", unit)
    cafe = make_place(unit, "Cà phê", "cafe", area_m2=50)
    stay(person, cafe, at(8, 9), 60)
    stay(friend, cafe, at(8, 9), 60)
    case = open_case(person, unit, **RESULT)
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    with pytest.raises(Conflict):
        verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi bệnh")
    verbs.reject_contact(SYSTEM, contact_id=case.contacts.get().pk, reason="Nhầm người")
    assert verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi bệnh").status == "closed"


def test_a_closed_case_takes_no_more_contacts(unit) -> None:
    case = open_case(make_person(unit=unit), unit, **RESULT)
    verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi bệnh")
    with pytest.raises(Conflict) as problem:
        verbs.list_contacts(SYSTEM, case_id=case.pk)
    assert problem.value.code == "case_closed"


def test_a_tracer_opens_cases_only_in_their_units(unit) -> None:
    person = make_person(unit=unit)
    assert open_case(person, unit, make_actor(Role.TRACER, unit), **RESULT)
    with pytest.raises(NotAllowed):
        open_case(make_person(unit=unit), unit, make_actor(Role.TRACER, make_unit()), sampled_at=at(9, 8))
    with pytest.raises(NotAllowed):
        open_case(make_person(unit=unit), unit, make_actor(Role.GUARD, unit))


def test_a_chain_never_closes_on_itself(unit) -> None:
    one, two = (open_case(make_person(unit=unit), unit, sampled_at=at(9, 8)) for _ in range(2))
    verbs.link_source(SYSTEM, case_id=two.pk, source_case_id=one.pk)
    with pytest.raises(Conflict):
        verbs.link_source(SYSTEM, case_id=one.pk, source_case_id=two.pk)
    with pytest.raises(Conflict):
        verbs.link_source(SYSTEM, case_id=one.pk, source_case_id=one.pk)


def test_contacts_of_a_case_closed_long_ago_are_forgotten_but_not_who_infected_whom(unit) -> None:
    person, friend = make_person(unit=unit), make_person("Lê Văn Bạn", unit)
    cafe = make_place(unit, "Cà phê", "cafe", area_m2=50)
    stay(person, cafe, at(8, 9), 60)
    stay(friend, cafe, at(8, 9), 60)
    case = open_case(person, unit, **RESULT)
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    second = open_case(friend, unit, result_id=2, sampled_at=at(10, 8), resulted_at=at(10, 11))
    verbs.approve_contacts(SYSTEM, case_id=case.pk, contact_ids=[case.contacts.get().pk])
    verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi bệnh")
    assert verbs.forget_contacts(date(2022, 1, 10)) == 0
    assert verbs.forget_contacts(date(2022, 1, 11)) == 1
    assert not case.contacts.exists()
    assert not case.lists.exists()
    assert second.sources.get().source_case == case
