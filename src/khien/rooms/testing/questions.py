"""The result of a tube by SMS, for the phone of whom it was taken from."""

from __future__ import annotations

import string
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.limits import Limit
from khien.kernel.registries import SmsArgument, SmsKeyword, sms_keywords
from khien.kernel.staff import Actor
from khien.rooms.testing.models import Result, Specimen, Value

_OFTEN = Limit("sms_result", 5, 720)


def announce() -> None:
    """Fill the registry; called once by the app."""
    tube = SmsArgument("tube", 4, 32, string.digits + string.ascii_uppercase, label=gettext_lazy("mã ống"))
    sms_keywords.add(
        "testing.result",
        SmsKeyword(
            ("KQ", "KẾT QUẢ", "KETQUA XN"), (tube,), _result, gettext_lazy("Kết quả xét nghiệm"), _OFTEN
        ),
    )


def _result(actor: Actor, number: str, arguments: dict[str, str]) -> str:
    """The tube's number alone opens nothing: the sender's number must be one of the person's. An unknown tube and
    somebody else's get the same answer."""
    tubes = Specimen.objects.filter(person__phones__number=number).distinct().order_by("-sampled_at")[:100]
    specimen = next((row for row in tubes if row.barcode.replace("-", "") == arguments["tube"]), None)
    if specimen is None:
        return _("Không có ống mẫu này của số điện thoại này. Xem lại mã ống, hoặc hỏi nơi lấy mẫu.")
    read(actor, "testing.sms_result", persons=[specimen.person_id], subject=specimen)
    result = Result.objects.filter(specimen=specimen, is_current=True).first()
    if result is None:
        return _("Mẫu lấy ngày %(day)s chưa có kết quả. Vui lòng hỏi lại sau.") % {
            "day": _day(specimen.sampled_at)
        }
    said = {
        Value.POSITIVE: _("Dương tính. Ở nhà, đeo khẩu trang và gọi trạm y tế xã."),
        Value.NEGATIVE: _("Âm tính."),
        Value.INDETERMINATE: _("Chưa xác định, cần lấy mẫu lại."),
    }[Value(result.value)]
    return _("Kết quả mẫu ngày %(day)s: %(said)s") % {"day": _day(specimen.sampled_at), "said": said}


def _day(moment: datetime) -> str:
    return clock.local(moment).strftime("%d/%m/%Y")
