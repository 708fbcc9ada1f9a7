"""Bad input on its whole way: from the door over presence and the segments to the contact list of a case.

Where each kind of bad input is tested, here (H) and closer to where it is noticed:

- a record that ends before it begins: H; `engine/test_command.py`, `engine/test_snapshot.py` (files, segments);
  `rooms/checkpoints/test_derivation.py` (exits without entry); `rooms/tracing/test_pair_logs.py`
- one that overlaps itself: H; `engine/test_spaces.py`; `rooms/checkpoints/test_derivation.py` (doubles);
  `rooms/tracing/test_contacts.py` (room and gate, interview and scan); `kernel/presence/test_pairs.py` (both devices)
- one that lies in the future: H; `rooms/checkpoints/test_scans.py`; `rooms/tracing/test_pair_logs.py`
- an unknown place, an unknown person: H; `rooms/checkpoints/test_scans.py`; `rooms/tracing/test_pair_logs.py`
- clocks off by hours: H; `rooms/checkpoints/test_scans.py`; `rooms/tracing/test_pair_logs.py`
- duplicate ids: H; `rooms/checkpoints/test_scans.py` (repeated, reused, two senders);
  `kernel/presence/test_presence.py` (source keys)
- a truncated or bit-flipped segment: H; `engine/test_store.py` (every kind of damage);
  `kernel/presence/test_segments.py`
- a disk that is full while a segment is written: H; `engine/test_store.py` (the kernel refuses to write);
  `kernel/presence/test_full_disk.py` (every step, a real full disk, the retry)
- a trace over a day already forgotten: H; `rooms/tracing/test_contacts.py`; `rooms/tracing/test_pair_logs.py`;
  `kernel/presence/test_presence.py` (what comes late)
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from khien.kernel import clock
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.presence import segments
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import columns
from khien.kernel.staff import Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints import jobs
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.checkpoints.models import HeldScan
from khien.rooms.tracing import verbs
from khien.rooms.tracing.models import Case, TracedContact
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province
from tests.rooms.checkpoints.cards import cccd, event
from tests.rooms.tracing.scenes import SYSTEM, at, load_rules, open_case

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SICK, FRIEND = cccd(), cccd("035090999888", "Lê Văn Bạn", "02021990")


@pytest.fixture(autouse=True)
def noon(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.KHIEN_DATA = tmp_path
    with clock.reads.frozen_at(NOON):
        load_rules()
        yield


@pytest.fixture
def commune() -> AdminUnit:
    return make_province()[2]


@pytest.fixture
def cafe(commune: AdminUnit) -> Place:
    return make_place(commune, "Cà phê", "cafe", area_m2=60)


@pytest.fixture
def scan(commune: AdminUnit) -> Any:
    guard = make_actor(Role.GUARD, commune)

    def send(*events: dict[str, Any], sent_at: datetime | None = None) -> list[str]:
        """What became of each; presence follows at once."""
        answer = checkpoints.store_scans(guard, events, sent_at=sent_at)
        assert answer.received == answer.stored + answer.duplicate + answer.held == len(events)
        jobs.derive_when_due()
        return [one.reason or one.outcome for one in answer.answers]

    return send


def there(place: Place, code: str, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    """The scans of one who comes and goes."""
    return [event(place.code, code, begin), event(place.code, code, end, direction="out")]


@pytest.fixture
def case(scan: Any, cafe: Place, commune: AdminUnit) -> Case:
    """Somebody who was at the café from 9 to 11 on the 8th and was found positive on the 9th."""
    assert scan(*there(cafe, SICK, at(8, 9), at(8, 11))) == ["stored"] * 2
    person = Person.objects.get(full_name="Nguyễn Văn An")
    return open_case(person, commune, result_id=1, sampled_at=at(9, 8), resulted_at=at(9, 20))


def listed(case: Case) -> dict[str, tuple[str, float, int]]:
    """Who is on the list as it would be now: clause, minutes, encounters."""
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    rows = case.contacts.exclude(state=TracedContact.State.WITHDRAWN).select_related("person")
    return {row.person.full_name: (row.clause, row.minutes, row.encounters) for row in rows}


def put(person: int, place: int, begin: datetime, end: datetime, key: str) -> None:
    """A stay as an import would write it."""
    presence.store(columns([person], [place], [begin], [end], [key]), source="import")


def test_an_exit_before_the_entry_makes_no_stay_that_ends_before_it_begins(scan, case, cafe) -> None:
    scan(
        event(cafe.code, FRIEND, at(8, 9, 30), direction="out"),
        event(cafe.code, FRIEND, at(8, 10, 30)),
    )
    for stay in PresenceRecord.objects.all():
        assert stay.leave is not None
        assert stay.enter <= stay.leave
    assert listed(case) == {"Lê Văn Bạn": ("b", 60, 2)}, "until 9:30, and from 10:30 on"


def test_the_record_refuses_a_stay_that_ends_before_it_begins_and_goes_on(scan, case, cafe) -> None:
    scan(*there(cafe, FRIEND, at(8, 9, 30), at(8, 10)))
    with pytest.raises(IntegrityError, match="presence_leave_after"), transaction.atomic():
        put(case.person_id, cafe.pk, at(8, 12), at(8, 11), "bad")
    assert listed(case) == {"Lê Văn Bạn": ("b", 30, 1)}


def test_a_stay_that_is_told_twice_and_overlaps_itself_counts_once(scan, case, cafe, commune) -> None:
    scan(*there(cafe, FRIEND, at(8, 9, 30), at(8, 10)), event(cafe.code, FRIEND, at(8, 9, 40)))
    friend = Person.objects.get(full_name="Lê Văn Bạn")
    put(friend.pk, cafe.pk, at(8, 9, 45), at(8, 10, 15), "again")
    put(friend.pk, cafe.pk, at(8, 9, 30), at(8, 9, 40), "within")
    put(case.person_id, cafe.pk, at(8, 8, 30), at(8, 10), "case again")
    assert listed(case) == {"Lê Văn Bạn": ("b", 45, 1)}


def test_what_lies_in_the_future_is_flagged_and_on_no_list_before_its_time(scan, case, cafe) -> None:
    assert scan(event(cafe.code, FRIEND, NOON + 5 * HOUR)) == ["stored"]
    [stay] = PresenceRecord.objects.exclude(person_id=case.person_id)
    assert stay.enter == NOON, "a moment in the future becomes the moment of receipt"
    put(case.person_id, cafe.pk, NOON + HOUR, NOON + 3 * HOUR, "mine")
    put(make_person("Người Mai Sau").pk, cafe.pk, NOON + HOUR, NOON + 3 * HOUR, "theirs")
    assert listed(case) == {}
    with clock.reads.frozen_at(NOON + 2 * HOUR):
        assert listed(case)["Người Mai Sau"] == ("b", 60, 1)


def test_scans_at_an_unknown_place_are_held_and_the_others_count(scan, case, cafe) -> None:
    bad = event("KHONGCO", FRIEND, at(8, 9, 30))
    assert scan(bad, *there(cafe, FRIEND, at(8, 9, 30), at(8, 10))) == ["unknown_place", "stored", "stored"]
    assert HeldScan.objects.get().reason == "unknown_place"
    assert listed(case) == {"Lê Văn Bạn": ("b", 30, 1)}


def test_presence_at_a_place_or_of_a_person_not_in_the_registers_breaks_no_list(
    scan, case, cafe, client: Client
) -> None:
    scan(*there(cafe, FRIEND, at(8, 9, 30), at(8, 10)))
    friend = Person.objects.get(full_name="Lê Văn Bạn")
    put(case.person_id, 987_654, at(8, 14), at(8, 15), "mine")
    put(friend.pk, 987_654, at(8, 14), at(8, 14, 20), "theirs")
    put(987_654_321, cafe.pk, at(8, 9), at(8, 11), "nobody's")
    # How large and how closed an unknown place is, is unknown: such a meeting is evidence, but no legal ground.
    assert listed(case) == {"Lê Văn Bạn": ("b", 30, 1)}
    assert case.lists.latest("version").coverage["unknown_people"] == 1
    places = set(case.contacts.get().exposures.values_list("place", flat=True))
    assert places == {cafe.pk, None}
    client.force_login(make_account(Role.TRACER, case.unit))
    text = client.get(f"/tracing/cases/{case.pk}/contacts/").content.decode()
    assert "Nơi không có trong sổ địa điểm, 14:00–14:20 08/01/2022" in text
    assert "1 người có lượt vào/ra nhưng không có trong sổ dân cư" in text


def test_a_device_whose_clock_is_off_by_hours_is_corrected_before_anything_is_traced(
    scan, case, cafe
) -> None:
    off = -5 * HOUR
    wrong = there(cafe, FRIEND, at(8, 9, 30) + off, at(8, 10) + off)
    assert scan(*wrong, sent_at=NOON + off) == ["stored"] * 2
    assert listed(case) == {"Lê Văn Bạn": ("b", 30, 1)}


def test_a_batch_that_comes_again_and_an_id_that_is_used_again_change_nothing(scan, case, cafe) -> None:
    batch = there(cafe, FRIEND, at(8, 9, 30), at(8, 10))
    assert scan(*batch, *batch) == ["stored", "stored", "duplicate", "duplicate"]
    before = listed(case)
    reused = {**batch[1], "at": at(8, 10, 50).isoformat()}
    assert scan(*batch, reused) == ["duplicate", "duplicate", "id_reused"]
    assert listed(case) == before == {"Lê Văn Bạn": ("b", 30, 1)}


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "gone", "manifest"])
def test_a_damaged_segment_is_never_served_and_made_anew(
    scan, case, cafe, tmp_path: Path, damage: str
) -> None:
    scan(*there(cafe, FRIEND, at(8, 9, 30), at(8, 10)), *there(cafe, FRIEND, at(9, 9, 30), at(9, 10)))
    right = listed(case)
    assert segments.rebuild() == 3
    path = min((tmp_path / "segments").glob("*.segment"))
    octets = bytearray(path.read_bytes())
    if damage == "manifest":
        path = path.with_name("manifest.json")
        octets = bytearray(path.read_bytes()[:-5])
    elif damage == "flipped":
        octets[24] ^= 1
    else:
        octets = octets[: 0 if damage == "emptied" else len(octets) // 2]
    path.unlink()  # a new file: whoever has the old one mapped goes on reading it
    if damage != "gone":
        path.write_bytes(octets)
    segments.reset()
    assert segments.status().damaged == (damage != "manifest")
    assert listed(case) == right == {"Lê Văn Bạn": ("b", 30, 1)}
    assert segments.keep_up(), "it is written anew at once"
    assert (segments.status().damaged, segments.status().stays) == (0, 3)
    segments.reset()
    assert listed(case) == right


def test_a_full_disk_changes_no_answer(scan, case, cafe, monkeypatch: pytest.MonkeyPatch) -> None:
    segments.rebuild()
    monkeypatch.setattr(segments, "WRITE_AFTER_CHANGES", 1)
    scan(*there(cafe, FRIEND, at(8, 9, 30), at(8, 10)))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", lambda _descriptor: (_ for _ in ()).throw(full))
        with pytest.raises(OSError, match="No space left"):
            segments.keep_up()
    assert listed(case) == {"Lê Văn Bạn": ("b", 30, 1)}
    segments.reset()
    assert listed(case) == {"Lê Văn Bạn": ("b", 30, 1)}
    assert segments.keep_up()
    assert segments.status().stays == 2


def test_a_list_over_a_day_already_forgotten_says_so_on_its_page(scan, case, cafe, client: Client) -> None:
    scan(*there(cafe, FRIEND, at(8, 9, 30), at(8, 10)))
    assert set(listed(case)) == {"Lê Văn Bạn"}
    presence.forget(date(2022, 1, 9))
    assert listed(case) == {}
    late = scan(*there(cafe, FRIEND, at(8, 9, 20), at(8, 10, 10)))
    assert late == ["stored"] * 2
    assert not PresenceRecord.objects.filter(day=date(2022, 1, 8)).exists()
    assert listed(case) == {}, "what comes late does not bring a forgotten day back"
    client.force_login(make_account(Role.TRACER, case.unit))
    text = client.get(f"/tracing/cases/{case.pk}/contacts/").content.decode()
    assert "ngày của thời kỳ lây đã quá hạn lưu lượt quét và đã bị xóa" in text
    # The case fell ill on the 9th at the latest, so that it may have been infected from 26 December on.
    assert (
        "13 ngày của thời kỳ ủ bệnh đã quá hạn lưu"
        in client.get(f"/tracing/cases/{case.pk}/").content.decode()
    )
