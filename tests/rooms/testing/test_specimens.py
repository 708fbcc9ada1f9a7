from __future__ import annotations

from datetime import timedelta

import pytest

from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.staff import Role
from khien.rooms.testing import reads, verbs
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.models import SamplingRequest, Specimen
from tests.factories import NOON, make_actor, make_person, make_unit
from tests.rooms.testing.conftest import House


def test_a_tube_holds_one_persons_specimen_and_says_so(house: House) -> None:
    specimen = house.collect(" hn-000 123 ")
    assert (specimen.barcode, specimen.person, specimen.unit) == ("HN-000123", house.an, house.commune)
    event = Event.objects.get(name="specimen_collected")
    assert event.payload == {"specimen": specimen.pk, "person": house.an.pk, "unit": house.commune.pk}
    assert AuditLine.objects.get(act="testing.collect_specimen").persons == [house.an.pk]


def test_a_double_beep_changes_nothing(house: House) -> None:
    assert house.collect("T0001") == house.collect("t0001")
    assert Specimen.objects.count() == 1
    assert AuditLine.objects.count() == 1


def test_a_tube_used_for_somebody_else_is_refused_without_naming_them(house: House) -> None:
    house.collect("T0001")
    with pytest.raises(Conflict) as refused:
        house.collect("T0001", house.binh)
    assert refused.value.code == "tube_used"
    assert "An" not in str(refused.value)
    assert refused.value.way_out
    assert Specimen.objects.get().person == house.an


@pytest.mark.parametrize(
    "text",
    ["", "  ", "abc", "T0001!", "ống-số-1", "x" * 33, "036090001234||Nguyễn Văn An|15011990|Nam|Hà Nam|"],
)
def test_what_is_no_barcode_gets_an_answer_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise(text)
    assert refused.value.code == "bad_barcode"
    assert not text.strip() or text not in str(refused.value)


def test_a_sampling_in_the_future_is_refused(house: House) -> None:
    with pytest.raises(Invalid) as refused:
        house.collect("T0001", at=NOON + timedelta(minutes=1))
    assert refused.value.code == "future_date"
    assert not Specimen.objects.exists()


def test_a_sampler_works_in_their_own_units_only(house: House) -> None:
    elsewhere = make_unit("Châu Sơn", house.district)
    with pytest.raises(NotAllowed):
        house.collect("T0001", make_person("Lê Văn Cường", elsewhere))
    with pytest.raises(NotAllowed):
        verbs.collect_specimen(make_actor(Role.GUARD, house.commune), barcode="T0001", person=house.an)


def test_a_person_without_a_commune_needs_one_named(house: House) -> None:
    stranger = make_person("Khách", None)
    with pytest.raises(Invalid) as refused:
        house.collect("T0001", stranger)
    assert refused.value.field == "unit"
    specimen = verbs.collect_specimen(house.sampler, barcode="T0001", person=stranger, unit=house.commune)
    assert specimen.unit == house.commune


def test_a_merged_record_is_followed(house: House) -> None:
    house.binh.merged_into = house.an
    house.binh.save()
    assert house.collect("T0001", house.binh).person == house.an


def test_requests_are_listed_by_day_and_done_by_the_specimen(house: House) -> None:
    today, tomorrow = NOON.date(), NOON.date() + timedelta(days=1)
    for person, day in ((house.an, today), (house.an, tomorrow), (house.binh, today)):
        verbs.request_sampling(
            house.officer, person=person, reason="symptoms", due_on=day, reference="quarantine.order:1"
        )
    assert [r.person.full_name for r in reads.open_requests(house.sampler, until=today)] == [
        "Nguyễn Văn An",
        "Trần Thị Bình",
    ]
    specimen = house.collect("T0001")
    done = SamplingRequest.objects.get(person=house.an, due_on=today)
    assert (done.state, done.specimen) == ("done", specimen)
    assert SamplingRequest.objects.get(person=house.an, due_on=tomorrow).state == "open"
    assert reads.open_requests(house.sampler, until=today).get().person == house.binh


def test_asking_twice_for_one_day_is_one_request(house: House) -> None:
    first = verbs.request_sampling(house.officer, person=house.an, reason="symptoms")
    assert verbs.request_sampling(house.officer, person=house.an, reason="other") == first
    assert Event.objects.filter(name="sampling_requested").count() == 1


def test_who_falls_ill_on_a_test_day_is_listed_as_ill(house: House) -> None:
    planned = verbs.request_sampling(house.officer, person=house.an, reason="contact_day")
    ill = verbs.request_sampling(
        house.officer, person=house.an, reason="symptoms", reference="quarantine.followup:1"
    )
    again = verbs.request_sampling(house.officer, person=house.an, reason="contact_day")
    assert ill.pk == planned.pk == again.pk
    assert (again.reason, again.reference) == ("symptoms", "quarantine.followup:1")


def test_contacts_are_asked_for_on_the_days_of_the_rule_in_force(house: House, seeded_rules: None) -> None:
    start = NOON.date()
    rows = verbs.request_contact_tests(house.officer, person=house.an, degree=1, start=start)
    assert [row.due_on for row in rows] == [start, start + timedelta(days=6)]
    assert verbs.request_contact_tests(house.officer, person=house.an, degree=1, start=start) == []
    assert SamplingRequest.objects.count() == 2
    assert verbs.request_contact_tests(house.officer, person=house.binh, degree=2, start=start) == []


def test_a_request_is_cancelled_with_a_reason(house: House) -> None:
    request = verbs.request_sampling(house.officer, person=house.an, reason="symptoms")
    with pytest.raises(Invalid):
        verbs.cancel_request(house.officer, request=request, reason=" ")
    assert verbs.cancel_request(house.officer, request=request, reason="Đã chuyển viện").state == "cancelled"
    verbs.cancel_request(house.officer, request=request, reason="Đã chuyển viện")
    assert not reads.open_requests(house.sampler).exists()


def test_a_tube_out_of_scope_is_as_unknown_as_one_that_is_not(house: House) -> None:
    house.collect("T0001")
    other = make_actor(Role.LABORATORY, make_unit("Châu Sơn", house.district))
    with pytest.raises(NotFound) as hidden:
        reads.specimen_by_barcode(other, "T0001")
    with pytest.raises(NotFound) as absent:
        reads.specimen_by_barcode(other, "T0002")
    assert hidden.value.code == absent.value.code == "unknown_tube"
