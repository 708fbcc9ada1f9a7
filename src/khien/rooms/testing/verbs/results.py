"""What the laboratory found, and what it corrects."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.language import dates
from khien.kernel.staff import Actor, Role
from khien.rooms.testing.events import RESULT_CORRECTED, RESULT_RECORDED
from khien.rooms.testing.models import Result, Specimen, Value


@verb(Role.LABORATORY)
def record_result(
    actor: Actor,
    *,
    specimen: Specimen,
    value: str,
    resulted_at: datetime | None = None,
    ct_value: Decimal | float | str | None = None,
    assay: str = "",
) -> Result:
    """Record what was found in a tube, `resulted_at` now when not given; announces `result_recorded`.

    The same result again changes nothing. Another value raises `Conflict` (code `result_exists`): a result
    is corrected with a reason, never overwritten. Raises `Invalid` for a time in the future or before the
    sampling.
    """
    actor.must_cover(specimen.unit, Role.LABORATORY)
    Specimen.objects.select_for_update().get(pk=specimen.pk)
    current = Result.objects.filter(specimen=specimen, is_current=True).first()
    result = first_result(
        actor, specimen, current, value=value, resulted_at=resulted_at, ct_value=ct_value, assay=assay
    )
    if result is current:
        unchanged()
        return result
    result.save()
    record(
        actor,
        result,
        persons=[specimen.person_id],
        event=RESULT_RECORDED,
        payload=payload_of(result, specimen),
        value=result.value,
    )
    return result


def first_result(
    actor: Actor,
    specimen: Specimen,
    current: Result | None,
    *,
    value: str,
    resulted_at: datetime | None,
    ct_value: Decimal | float | str | None,
    assay: str,
) -> Result:
    """The row that `record_result` is about to store, or `current` when that says the same. Raises its
    problems. The caller holds the specimen's lock."""
    resulted_at = resulted_at or clock.now()
    ct = _checked(specimen, value, resulted_at, ct_value)
    if current is None:
        return Result(
            specimen=specimen,
            value=value,
            ct_value=ct,
            assay=assay.strip()[:60],
            resulted_at=resulted_at,
            recorded_at=clock.now(),
            recorded_by=actor.id,
        )
    if current.value == value and (ct is None or current.ct_value is None or ct == current.ct_value):
        return current
    raise Conflict(
        _("Ống %(barcode)s đã có kết quả %(value)s lúc %(when)s.")
        % {
            "barcode": specimen.barcode,
            "value": current.get_value_display().lower(),
            "when": dates.moment(current.resulted_at),
        },
        field="value",
        code="result_exists",
        way_out=_("Nếu kết quả cũ sai, dùng “Đính chính” và ghi lý do."),
    )


@verb(Role.LABORATORY)
def correct_result(
    actor: Actor,
    *,
    specimen: Specimen,
    value: str,
    reason: str,
    resulted_at: datetime | None = None,
    ct_value: Decimal | float | str | None = None,
    assay: str | None = None,
) -> Result:
    """A new version of a result, with the reason; the old one stays readable. What is not given stays as it
    was. Announces `result_corrected`, and `result_recorded` when the conclusion itself changed."""
    actor.must_cover(specimen.unit, Role.LABORATORY)
    if not reason.strip():
        raise Invalid(
            _("Chưa ghi lý do đính chính."),
            field="reason",
            way_out=_("Ghi ngắn gọn vì sao kết quả trước sai."),
        )
    Specimen.objects.select_for_update().get(pk=specimen.pk)
    was = Result.objects.filter(specimen=specimen, is_current=True).first()
    if was is None:
        raise NotFound(
            _("Ống %(barcode)s chưa có kết quả để đính chính.") % {"barcode": specimen.barcode},
            way_out=_("Nhập kết quả lần đầu ở trang phòng xét nghiệm."),
        )
    resulted_at = resulted_at or was.resulted_at
    ct = _checked(specimen, value, resulted_at, ct_value)
    assay = was.assay if assay is None else assay.strip()[:60]
    if (value, ct, assay, resulted_at) == (was.value, was.ct_value, was.assay, was.resulted_at):
        unchanged()
        return was
    Result.objects.filter(pk=was.pk).update(is_current=False)
    result = Result.objects.create(
        specimen=specimen,
        version=was.version + 1,
        value=value,
        ct_value=ct,
        assay=assay,
        resulted_at=resulted_at,
        recorded_at=clock.now(),
        recorded_by=actor.id,
        reason=reason.strip()[:300],
    )
    record(
        actor,
        result,
        persons=[specimen.person_id],
        event=RESULT_CORRECTED,
        payload={
            "result": result.pk,
            "previous": was.pk,
            "specimen": specimen.pk,
            "person": specimen.person_id,
            "unit": specimen.unit_id,
            "value": value,
            "was": was.value,
        },
        value=value,
        was=was.value,
    )
    if value != was.value:
        record(
            actor,
            result,
            persons=[specimen.person_id],
            event=RESULT_RECORDED,
            payload=payload_of(result, specimen),
            value=value,
        )
    return result


def _checked(
    specimen: Specimen, value: str, resulted_at: datetime, ct_value: Decimal | float | str | None
) -> Decimal | None:
    """The CT value as it is stored, once everything has been found possible."""
    if value not in Value.values:
        raise Invalid(
            _("Kết quả không có trong danh mục."),
            field="value",
            code="bad_value",
            way_out=_("Chọn dương tính, âm tính hoặc không xác định."),
        )
    if resulted_at > clock.now():
        raise Invalid(
            _("Giờ có kết quả ở tương lai."),
            field="resulted_at",
            code="future_date",
            way_out=_("Xem lại ngày giờ của kết quả."),
        )
    if resulted_at < specimen.sampled_at:
        raise Invalid(
            _("Kết quả có trước khi lấy mẫu (%(when)s).") % {"when": dates.moment(specimen.sampled_at)},
            field="resulted_at",
            code="before_sampling",
            way_out=_("Xem lại mã ống và ngày giờ của kết quả."),
        )
    if ct_value is None or ct_value == "":
        return None
    try:
        ct = Decimal(str(ct_value).replace(",", ".")).quantize(Decimal("0.01"))
    except InvalidOperation:
        ct = Decimal(-1)
    if not ct.is_finite() or not 0 < ct <= 50:
        raise Invalid(
            _("Giá trị CT không đúng."),
            field="ct_value",
            code="bad_ct",
            way_out=_("Nhập số từ 1 đến 50, ví dụ 24,5; để trống nếu không có."),
        )
    return ct


def payload_of(result: Result, specimen: Specimen) -> dict[str, Any]:
    """What `result_recorded` says of a result."""
    return {
        "result": result.pk,
        "specimen": specimen.pk,
        "person": specimen.person_id,
        "unit": specimen.unit_id,
        "value": result.value,
        "sampled_at": specimen.sampled_at.isoformat(),
        "resulted_at": result.resulted_at.isoformat(),
    }
