"""Phone numbers as people write them, as E.164 or with the reason why not."""

from __future__ import annotations

import re

import phonenumbers
from django.utils.translation import gettext as _
from phonenumbers import NumberParseException, PhoneNumberType

from khien.kernel.errors import Invalid

# The 11-digit prefixes that ended on 2018-09-15 (Ministry of Information and Communications, decision
# 798/QĐ-BTTTT of 2018-05-29) and what they became.
_BEFORE_2018 = {
    "0120": "070",
    "0121": "079",
    "0122": "077",
    "0126": "076",
    "0128": "078",
    "0123": "083",
    "0124": "084",
    "0125": "085",
    "0127": "081",
    "0129": "082",
    **{f"016{digit}": f"03{digit}" for digit in range(2, 10)},
    "0186": "056",
    "0188": "058",
    "0199": "059",
}
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def to_e164(raw: str, *, field: str = "phone", textable: bool = True) -> str:
    """The number of a phone, e.g. `+84912345678`; of one that can receive text messages where `textable`.

    Numbers without a country code are Vietnamese. Raises `Invalid` with what is wrong and how to mend it.

    >>> to_e164("0912 345 678")
    '+84912345678'
    """
    text = re.sub(r"[\s.\-()/\u00a0\u2010-\u2015]", "", raw)
    if not text:
        raise _wrong(
            field, "phone_empty", _("Chưa có số điện thoại."), _("Nhập số di động, ví dụ 0912 345 678.")
        )
    if re.search(r"[^\d+]", text) or "+" in text[1:]:
        raise _wrong(
            field,
            "phone_letters",
            _("Số điện thoại có ký tự lạ."),
            _("Chỉ nhập chữ số, có thể có dấu + ở đầu; mỗi ô một số."),
        )
    old = _without_country(text)
    if len(old) == 11 and old[:4] in _BEFORE_2018:
        raise _wrong(
            field,
            "phone_before_2018",
            _("Đây là số 11 chữ số, đã đổi đầu số năm 2018."),
            _("Hỏi lại người dân; đầu số mới là %(prefix)s.") % {"prefix": _BEFORE_2018[old[:4]]},
        )
    try:
        number = phonenumbers.parse(text, "VN")
    except NumberParseException as fault:
        raise _unreadable(field, fault) from fault
    if not phonenumbers.is_possible_number(number):
        raise _length(field, too_long=len(str(number.national_number)) > 9)
    if not textable:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(number):
        digits = len(str(number.national_number))
        if number.country_code == 84 and digits != 9:
            raise _length(field, too_long=digits > 9)
        raise _wrong(
            field,
            "phone_no_such",
            _("Không có số điện thoại như vậy."),
            _("Kiểm tra lại từng chữ số, nhất là đầu số."),
        )
    if phonenumbers.number_type(number) not in _MOBILE:
        raise _wrong(
            field,
            "phone_not_mobile",
            _("Đây không phải số di động, không nhận được tin nhắn."),
            _("Nhập số di động, hoặc gọi điện thay cho nhắn tin."),
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def display(number: str) -> str:
    """A stored number as it is written in Viet Nam, e.g. `0912 345 678`; a foreign one keeps its country."""
    parsed = phonenumbers.parse(number, "VN")
    style = (
        phonenumbers.PhoneNumberFormat.NATIONAL
        if parsed.country_code == 84
        else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    return phonenumbers.format_number(parsed, style)


def _without_country(text: str) -> str:
    for prefix in ("+84", "0084", "84"):
        if text.startswith(prefix):
            return "0" + text[len(prefix) :].lstrip("0")
    return text


def _unreadable(field: str, fault: NumberParseException) -> Invalid:
    if fault.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return _wrong(
            field,
            "phone_country",
            _("Mã nước của số điện thoại không đúng."),
            _("Số Việt Nam bắt đầu bằng 0 hoặc +84."),
        )
    return _wrong(
        field,
        "phone_length",
        _("Số điện thoại quá ngắn hoặc quá dài."),
        _("Số di động Việt Nam có 10 chữ số."),
    )


def _length(field: str, *, too_long: bool) -> Invalid:
    message = _("Số điện thoại thừa chữ số.") if too_long else _("Số điện thoại thiếu chữ số.")
    return _wrong(field, "phone_length", message, _("Số di động Việt Nam có 10 chữ số."))


def _wrong(field: str, code: str, message: str, way_out: str) -> Invalid:
    return Invalid(message, field=field, way_out=way_out, code=code)
