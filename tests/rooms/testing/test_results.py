from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.staff import Role
from khien.kernel.staff.reads import actor_of_resident
from khien.rooms.testing import reads, verbs
from khien.rooms.testing.models import Result
from tests.factories import NOON, make_actor
from tests.rooms.testing.conftest import House


def test_a_positive_is_announced_with_ids_and_times(house: House) -> None:
    specimen = house.collect("T0001")
    result = verbs.record_result(
        house.laboratory, specimen=specimen, value="positive", ct_value="24,5", assay="RT-PCR"
    )
    assert (result.ct_value, result.assay, result.version) == (Decimal("24.50"), "RT-PCR", 1)
    event = Event.objects.get(name="result_recorded")
    assert event.payload == {
        "result": result.pk,
        "specimen": specimen.pk,
        "person": house.an.pk,
        "unit": house.commune.pk,
        "value": "positive",
        "sampled_at": (NOON - timedelta(hours=6)).isoformat(),
        "resulted_at": NOON.isoformat(),
    }


def test_the_same_result_again_changes_nothing(house: House) -> None:
    specimen = house.collect("T0001")
    first = verbs.record_result(house.laboratory, specimen=specimen, value="negative")
    again = verbs.record_result(house.laboratory, specimen=specimen, value="negative")
    assert again == first
    assert Event.objects.filter(name="result_recorded").count() == 1


def test_another_value_is_a_conflict_and_never_overwrites(house: House) -> None:
    specimen = house.collect("T0001")
    verbs.record_result(house.laboratory, specimen=specimen, value="negative")
    with pytest.raises(Conflict) as refused:
        verbs.record_result(house.laboratory, specimen=specimen, value="positive")
    assert refused.value.code == "result_exists"
    assert Result.objects.get().value == "negative"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"value": "maybe"}, "bad_value"),
        ({"value": "negative", "resulted_at": NOON + timedelta(seconds=1)}, "future_date"),
        ({"value": "negative", "resulted_at": NOON - timedelta(hours=7)}, "before_sampling"),
        ({"value": "positive", "ct_value": "thấp"}, "bad_ct"),
        ({"value": "positive", "ct_value": 0}, "bad_ct"),
        ({"value": "positive", "ct_value": 51}, "bad_ct"),
        ({"value": "positive", "ct_value": "NaN"}, "bad_ct"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(house: House, given: dict, code: str) -> None:
    specimen = house.collect("T0001")
    with pytest.raises(Invalid) as refused:
        verbs.record_result(house.laboratory, specimen=specimen, **given)
    assert refused.value.code == code
    assert refused.value.way_out
    assert not Result.objects.exists()


def test_a_correction_is_a_new_version_with_its_reason(house: House) -> None:
    specimen = house.collect("T0001")
    first = verbs.record_result(house.laboratory, specimen=specimen, value="negative", assay="RT-PCR")
    with pytest.raises(Invalid) as refused:
        verbs.correct_result(house.laboratory, specimen=specimen, value="positive", reason=" ")
    assert refused.value.field == "reason"
    second = verbs.correct_result(
        house.laboratory, specimen=specimen, value="positive", ct_value=22, reason="Nhầm giếng"
    )
    assert [(r.version, r.value, r.is_current) for r in reads.versions(house.laboratory, specimen)] == [
        (2, "positive", True),
        (1, "negative", False),
    ]
    assert second.assay == "RT-PCR"
    corrected = Event.objects.get(name="result_corrected").payload
    assert (corrected["previous"], corrected["was"], corrected["value"]) == (first.pk, "negative", "positive")
    assert [e.payload["value"] for e in Event.objects.filter(name="result_recorded").order_by("pk")] == [
        "negative",
        "positive",
    ]
    assert (
        verbs.correct_result(
            house.laboratory, specimen=specimen, value="positive", ct_value=22, reason="Nhầm giếng"
        )
        == second
    )


def test_a_correction_of_the_ct_value_alone_opens_no_new_conclusion(house: House) -> None:
    specimen = house.collect("T0001")
    verbs.record_result(house.laboratory, specimen=specimen, value="positive", ct_value=22)
    verbs.correct_result(house.laboratory, specimen=specimen, value="positive", ct_value=32, reason="Gõ nhầm")
    assert Event.objects.filter(name="result_recorded").count() == 1
    assert Event.objects.filter(name="result_corrected").count() == 1


def test_there_is_nothing_to_correct_before_the_first_result(house: House) -> None:
    with pytest.raises(NotFound):
        verbs.correct_result(
            house.laboratory, specimen=house.collect("T0001"), value="positive", reason="Nhầm"
        )


def test_only_a_laboratory_of_that_place_records(house: House) -> None:
    specimen = house.collect("T0001")
    with pytest.raises(NotAllowed):
        verbs.record_result(house.sampler, specimen=specimen, value="negative")


def test_leaders_see_how_many_and_never_whom(house: House) -> None:
    yesterday = NOON - timedelta(days=1)
    for number, value in enumerate(["positive", "negative", "negative", "indeterminate"]):
        specimen = house.collect(f"T000{number}", at=yesterday)
        verbs.record_result(house.laboratory, specimen=specimen, value=value)
    house.collect("T0009")
    days = reads.daily_counts(house.leader, yesterday.date(), NOON.date())
    assert [(d.tests, d.positive, d.negative, d.indeterminate, d.positivity) for d in days] == [
        (0, 0, 0, 0, None),
        (4, 1, 2, 1, pytest.approx(1 / 3)),
    ]
    counts = reads.unit_counts(house.leader, NOON.date(), NOON.date())
    assert [(c.name, c.tests, c.positive) for c in counts] == [("Phường Quang Trung", 4, 1)]
    assert reads.waiting_count(house.leader) == 1
    assert not reads.specimens(house.leader).exists()
    assert reads.specimens_of(house.leader, house.an.pk) == []
    guard = make_actor(Role.GUARD, house.province)
    assert reads.daily_counts(guard, NOON.date(), NOON.date())[0].tests == 0


def test_a_result_late_at_night_counts_on_its_vietnamese_day(house: House) -> None:
    evening = NOON - timedelta(hours=11, minutes=30)  # 00:30 in Viet Nam, the day before in UTC
    specimen = house.collect("T0001", at=evening - timedelta(hours=1))
    verbs.record_result(house.laboratory, specimen=specimen, value="negative", resulted_at=evening)
    assert reads.daily_counts(house.leader, NOON.date(), NOON.date())[0].tests == 1


def test_people_see_their_own_tests_and_no_others(house: House) -> None:
    specimen = house.collect("T0001")
    house.collect("T0002", house.binh)
    verbs.record_result(house.laboratory, specimen=specimen, value="negative")
    own = reads.specimens_of(actor_of_resident(house.an.pk), house.an.pk)
    assert [(s.barcode, r.value if r else None) for s, r in own] == [("T0001", "negative")]
    assert reads.specimens_of(actor_of_resident(house.an.pk), house.binh.pk) == []


def test_lists_are_narrowed_by_day_unit_state_and_barcode(house: House) -> None:
    old = house.collect("A0001", at=NOON - timedelta(days=3))
    positive = house.collect("B0001")
    verbs.record_result(house.laboratory, specimen=positive, value="positive")
    lab = house.laboratory

    def barcodes(**how: object) -> list[str]:
        return [s.barcode for s in reads.specimens(lab, **how)]

    assert barcodes() == ["B0001", "A0001"]
    assert barcodes(start=NOON.date()) == ["B0001"]
    assert barcodes(end=NOON.date() - timedelta(days=1)) == ["A0001"]
    assert barcodes(state="waiting") == [old.barcode]
    assert barcodes(state="positive") == ["B0001"]
    assert barcodes(text="b") == ["B0001"]
    assert barcodes(unit_path=house.commune.path) == ["B0001", "A0001"]


def test_old_results_are_forgotten_with_their_specimens(house: House) -> None:
    specimen = house.collect("T0001", at=NOON - timedelta(days=40))
    verbs.record_result(house.laboratory, specimen=specimen, value="negative")
    house.collect("T0002")
    assert verbs.forget_results(NOON.date() - timedelta(days=30)) == 1
    assert not Result.objects.exists()
    assert reads.specimens(house.laboratory).get().barcode == "T0002"
