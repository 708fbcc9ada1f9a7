"""Taking a specimen."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.language import dates
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.testing import reads
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.events import SPECIMEN_COLLECTED
from khien.rooms.testing.models import SamplingRequest, Specimen, Swab

COLLECTORS = (Role.SAMPLER, Role.COMMUNE_OFFICER)


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
    barcode = normalise(barcode)
    person = reads.standing_person(person)
    unit = unit or person.unit
    if unit is None:
        raise Invalid(
            _("Chưa biết người này ở xã nào."), field="unit", way_out=_("Chọn xã theo dõi người này.")
        )
    actor.must_cover(unit, *COLLECTORS)
    if swab not in Swab.values:
        raise Invalid(_("Loại mẫu không có trong danh mục."), field="swab")
    now = clock.now()
    sampled_at = sampled_at or now
    if sampled_at > now:
        raise Invalid(
            _("Giờ lấy mẫu ở tương lai."),
            field="sampled_at",
            code="future_date",
            way_out=_("Xem lại ngày giờ; đồng hồ của máy có thể sai."),
        )
    try:
        with transaction.atomic():
            specimen = Specimen.objects.create(
                barcode=barcode,
                person=person,
                unit=unit,
                swab=swab,
                sampled_at=sampled_at,
                sampled_by=actor.id,
                recorded_at=now,
            )
    except IntegrityError as fault:
        used = Specimen.objects.select_related("unit").filter(barcode=barcode).first()
        if used is None:
            raise
        if used.person_id == person.pk:
            unchanged()
            return used
        raise Conflict(
            _("Ống %(barcode)s đã chứa mẫu của người khác, lấy lúc %(when)s.")
            % {"barcode": barcode, "when": dates.moment(used.sampled_at)},
            field="barcode",
            code="tube_used",
            way_out=_("Dùng ống mới. Nếu ống này gán nhầm người, báo phòng xét nghiệm trước khi gửi."),
        ) from fault
    done = SamplingRequest.objects.filter(
        person=person, state=SamplingRequest.State.OPEN, due_on__lte=clock.local(sampled_at).date()
    ).update(state=SamplingRequest.State.DONE, settled_at=now, specimen=specimen)
    record(
        actor,
        specimen,
        persons=[person.pk],
        event=SPECIMEN_COLLECTED,
        payload={"specimen": specimen.pk, "person": person.pk, "unit": unit.pk},
        requests_done=done,
    )
    return specimen
