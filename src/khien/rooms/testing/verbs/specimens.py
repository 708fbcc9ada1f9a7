"""Taking specimens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.bulk import reserve_ids
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.language import dates
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.testing import reads
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.events import SPECIMEN_COLLECTED
from khien.rooms.testing.models import Specimen, Swab

COLLECTORS = (Role.SAMPLER, Role.COMMUNE_OFFICER)


@dataclass(frozen=True, slots=True)
class Taken:
    """One specimen as it was taken: `sampled_at` None for now; `unit` None for the person's own commune."""

    barcode: str
    person: Person
    sampled_at: datetime | None = None
    unit: AdminUnit | None = None
    swab: str = Swab.NASOPHARYNGEAL


@verb(*COLLECTORS)
def collect_specimen(
    actor: Actor,
    *,
    barcode: str,
    person: Person,
    sampled_at: datetime | None = None,
    unit: AdminUnit | None = None,
    swab: str = Swab.NASOPHARYNGEAL,
) -> Specimen:
    """Put a person's specimen into a tube; the requests of that person up to that day are then done.

    `sampled_at` is now when not given; `unit` the commune that follows the person up, by default their own.
    The same tube for the same person again is no fault (a scanner beeps twice). Raises `Conflict`
    (code `tube_used`) when the tube holds somebody else's specimen.
    """
    return _collect(actor, [Taken(barcode, person, sampled_at, unit, swab)])[0]


@verb(*COLLECTORS)
def collect_specimens(actor: Actor, *, taken: Sequence[Taken]) -> list[Specimen]:
    """As `collect_specimen`, a whole round at once; one that is refused refuses all, and nothing is stored."""
    return _collect(actor, taken)


def _collect(actor: Actor, taken: Sequence[Taken]) -> list[Specimen]:
    now = clock.now()
    wanted = [_checked(actor, one, now) for one in taken]
    for specimen, pk in zip(wanted, reserve_ids(Specimen, len(wanted)) if wanted else (), strict=True):
        specimen.pk = pk
    # A tube that is there already keeps what it holds; whose it is shows in what is read afterwards.
    Specimen.objects.bulk_create(wanted, ignore_conflicts=True, batch_size=2000)
    held = Specimen.objects.select_related("unit").in_bulk(
        [specimen.barcode for specimen in wanted], field_name="barcode"
    )
    for specimen in wanted:
        if held[specimen.barcode].person_id != specimen.person_id:
            raise _tube_used(held[specimen.barcode])
    new = [specimen for specimen in wanted if held[specimen.barcode].pk == specimen.pk]
    if not new:
        unchanged()
    else:
        record(
            actor,
            new[0] if len(new) == 1 else "testing.specimen",
            persons=[specimen.person_id for specimen in new],
            event=SPECIMEN_COLLECTED,
            payloads=[
                {"specimen": specimen.pk, "person": specimen.person_id, "unit": specimen.unit_id}
                for specimen in new
            ],
            requests_done=_settle_requests(new, now),
        )
    return [held[specimen.barcode] for specimen in wanted]


def _checked(actor: Actor, taken: Taken, now: datetime) -> Specimen:
    """The row that is about to be stored; raises its problem."""
    barcode = normalise(taken.barcode)
    person = reads.standing_person(taken.person)
    unit = taken.unit or person.unit
    if unit is None:
        raise Invalid(
            _("Chưa biết người này ở xã nào."), field="unit", way_out=_("Chọn xã theo dõi người này.")
        )
    actor.must_cover(unit, *COLLECTORS)
    if taken.swab not in Swab.values:
        raise Invalid(_("Loại mẫu không có trong danh mục."), field="swab")
    sampled_at = taken.sampled_at or now
    if sampled_at > now:
        raise Invalid(
            _("Giờ lấy mẫu ở tương lai."),
            field="sampled_at",
            code="future_date",
            way_out=_("Xem lại ngày giờ; đồng hồ của máy có thể sai."),
        )
    return Specimen(
        barcode=barcode,
        person=person,
        unit=unit,
        swab=taken.swab,
        sampled_at=sampled_at,
        sampled_by=actor.id,
        recorded_at=now,
    )


def _tube_used(used: Specimen) -> Conflict:
    return Conflict(
        _("Ống %(barcode)s đã chứa mẫu của người khác, lấy lúc %(when)s.")
        % {"barcode": used.barcode, "when": dates.moment(used.sampled_at)},
        field="barcode",
        code="tube_used",
        way_out=_("Dùng ống mới. Nếu ống này gán nhầm người, báo phòng xét nghiệm trước khi gửi."),
    )


def _settle_requests(new: Sequence[Specimen], now: datetime) -> int:
    """The open requests of these people up to the day of sampling are done; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE testing_samplingrequest r SET state = 'done', settled_at = %s, specimen_id = t.specimen"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::date[]) AS t (specimen, person, day)"
            " WHERE r.person_id = t.person AND r.state = 'open' AND r.due_on <= t.day",
            [
                now,
                [specimen.pk for specimen in new],
                [specimen.person_id for specimen in new],
                [_day(specimen) for specimen in new],
            ],
        )
        return cursor.rowcount


def _day(specimen: Specimen) -> date:
    return clock.local(specimen.sampled_at).date()
