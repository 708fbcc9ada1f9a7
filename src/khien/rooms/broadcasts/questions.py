"""The questions that this room itself answers by SMS."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel.limits import Limit
from khien.kernel.registries import SmsKeyword, sms_keywords
from khien.kernel.staff import Actor
from khien.rooms.broadcasts import keywords
from khien.rooms.broadcasts.verbs import carriers

_OFTEN = Limit("sms_own", 6, 600)


def announce() -> None:
    """Fill the registry; called once by the app."""
    sms_keywords.add(
        "broadcasts.opt_out",
        SmsKeyword(
            ("TỪ CHỐI", "TỪ CHỐI TIN NHẮN", "TỪ CHỐI NHẬN TIN", "KHÔNG NHẬN TIN", "STOP", "HỦY TIN"),
            (),
            _opt_out,
            gettext_lazy("Không nhận tin thông báo"),
            _OFTEN,
        ),
    )
    sms_keywords.add(
        "broadcasts.opt_in",
        SmsKeyword(
            ("DK", "ĐĂNG KÝ", "NHẬN TIN", "DK TIN"),
            (),
            _opt_in,
            gettext_lazy("Nhận lại tin thông báo"),
            _OFTEN,
        ),
    )
    sms_keywords.add(
        "broadcasts.help",
        SmsKeyword(("TRỢ GIÚP", "HƯỚNG DẪN", "HD", "HELP"), (), _help, gettext_lazy("Các mẫu tin"), _OFTEN),
    )


def _opt_out(actor: Actor, number: str, arguments: dict[str, str]) -> str:
    carriers.opt_out(actor, number=number, how="sms")
    return _("Số này sẽ không nhận tin thông báo, trừ tin khẩn cấp. Nhận lại: soạn DK.")


def _opt_in(actor: Actor, number: str, arguments: dict[str, str]) -> str:
    carriers.opt_in(actor, number=number, how="sms")
    return _("Số này sẽ nhận tin thông báo. Không nhận nữa: soạn TU CHOI.")


def _help(actor: Actor, number: str, arguments: dict[str, str]) -> str:
    """As many patterns as fit in one message."""
    told = _("Soạn:")
    for key, keyword in sms_keywords.items():
        pattern = keywords.syntax_of(keyword)
        if key != "broadcasts.help" and len(told) + len(pattern) + 2 <= 158:
            told += f" {pattern};"
    return told.rstrip(";") + "."
