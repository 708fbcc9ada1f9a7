"""Whether a declaration is still valid, by SMS, for whoever has its code."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel import clock
from khien.kernel.limits import Limit
from khien.kernel.registries import SmsArgument, SmsKeyword, sms_keywords
from khien.kernel.staff import Actor
from khien.rooms.declarations import reads

_OFTEN = Limit("sms_declaration", 8, 450)


def announce() -> None:
    """Fill the registry; called once by the app."""
    code = SmsArgument(
        "code", 12, 13, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", label=gettext_lazy("mã tờ khai")
    )
    sms_keywords.add(
        "declarations.code",
        SmsKeyword(("KB", "KHAI BÁO"), (code,), _validity, gettext_lazy("Giá trị của tờ khai"), _OFTEN),
    )


def _validity(actor: Actor, number: str, arguments: dict[str, str]) -> str:
    """No name and no health: a code may have been seen over a shoulder."""
    # The prefix "KB1:" reads as the keyword and a 1.
    code = arguments["code"]
    row = reads.by_code(code[1:] if len(code) == 13 and code[0] == "1" else code)
    if row is None:
        return _("Không có tờ khai mang mã này. Xem lại mã (12 ký tự sau KB1).")
    until = clock.local(row.valid_until).strftime("%H:%M %d/%m/%Y")
    if row.valid_until > clock.now():
        return _("Tờ khai có giá trị đến %(until)s.") % {"until": until}
    return _("Tờ khai đã hết giá trị lúc %(until)s. Vui lòng khai lại.") % {"until": until}
