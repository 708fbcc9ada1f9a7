"""One Django field for each kind of question: reads what was typed into JSON, shows JSON as it is typed.

None of them demands an answer: what must be answered depends on other answers and is the schema's to say.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel import clock
from khien.kernel.errors import Problem
from khien.kernel.forms.spec import Question
from khien.kernel.people import identity
from khien.kernel.people.models import DocumentKind
from khien.kernel.people.phones import display, to_e164

_NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


class Answer(forms.Field):
    """A field whose empty answer is None, never an error."""

    def validate(self, value: Any) -> None:
        return None


class Text(Answer):
    def to_python(self, value: Any) -> str | None:
        return plain(str(value or "")) or None


class LongText(Answer):
    widget = forms.Textarea(attrs={"rows": 3})

    def to_python(self, value: Any) -> str | None:
        lines = str(value or "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return "\n".join(plain(line) for line in lines).strip("\n") or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return True


class Number(Answer):
    def to_python(self, value: Any) -> int | None:
        text = re.sub(r"[\s.]", "", plain(str(value if value is not None else "")))
        if not text:
            return None
        if not re.fullmatch(r"-?[0-9]{1,12}", text):
            raise ValidationError(_("Đây không phải số. Chỉ nhập chữ số."))
        return int(text)


class Day(Answer):
    """`5/1/2022`, `05-01-2022`, `05012022` or ISO; stored as ISO."""

    def __init__(self, *, past: bool, **more: Any) -> None:
        super().__init__(**more)
        self.past = past

    def prepare_value(self, value: Any) -> Any:
        found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(value or ""))
        return f"{found[3]}/{found[2]}/{found[1]}" if found else value

    def to_python(self, value: Any) -> str | None:
        text = plain(str(value or ""))
        if not text:
            return None
        found = re.fullmatch(r"([0-9]{1,2})[/.\- ]([0-9]{1,2})[/.\- ]([0-9]{4})", text) or re.fullmatch(
            r"([0-9]{2})([0-9]{2})([0-9]{4})", text
        )
        iso = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
        try:
            if iso:
                day = date(int(iso[1]), int(iso[2]), int(iso[3]))
            elif found:
                day = date(int(found[3]), int(found[2]), int(found[1]))
            else:
                raise ValueError
            if day.year < 1880:
                raise ValueError
        except ValueError as fault:
            raise ValidationError(
                _("Không có ngày như vậy. Nhập ngày/tháng/năm, ví dụ 05/01/2022.")
            ) from fault
        if self.past and day > clock.today():
            raise ValidationError(_("Ngày ở tương lai. Nhập ngày không sau hôm nay."))
        return day.isoformat()


class PhoneNumber(Answer):
    def prepare_value(self, value: Any) -> Any:
        if re.fullmatch(r"\+\d{8,15}", str(value or "")):
            return display(str(value))
        return value

    def to_python(self, value: Any) -> str | None:
        text = plain(str(value or ""))
        if not text:
            return None
        try:
            return to_e164(text, textable=False)
        except Problem as wrong:
            raise ValidationError(str(wrong)) from wrong


class IdentityInput(forms.Widget):
    """A number that is typed once and never shown again: what is kept goes to and fro sealed, with its last digits."""

    template_name = "forms/identity.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        typed = plain(str(data.get(name) or ""))
        return typed or opened(str(data.get(f"{name}-kept") or ""))

    def format_value(self, value: Any) -> str:
        return ""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        try:
            kind, number = numbered(str(value or ""))
        except Problem:
            kind = number = ""
        context["last4"] = number[-4:]
        context["kept"] = f"{kind}:{identity.sealed_text(kind, number)}" if number else ""
        return context

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data and f"{name}-kept" not in data


class IdentityNumber(Answer):
    widget = IdentityInput

    def to_python(self, value: Any) -> str | None:
        text = plain(str(value or ""))
        if not text:
            return None
        try:
            return numbered(text)[1]
        except Problem as wrong:
            raise ValidationError(str(wrong)) from wrong


class Choice(Answer):
    def __init__(self, *, options: list[tuple[str, str]], **more: Any) -> None:
        super().__init__(**more)
        self.options = options
        widget: Any = self.widget
        widget.choices = options

    def to_python(self, value: Any) -> Any:
        text = str(value or "")
        if not text:
            return None
        if text not in {key for key, _label in self.options}:
            raise ValidationError(_("Không có mục này. Chọn một trong các mục đã ghi."))
        return text


class YesNo(Choice):
    def __init__(self, **more: Any) -> None:
        super().__init__(
            options=[("yes", gettext_lazy("Có")), ("no", gettext_lazy("Không"))],  # type: ignore[list-item]
            widget=forms.RadioSelect,
            **more,
        )

    def prepare_value(self, value: Any) -> Any:
        return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value

    def to_python(self, value: Any) -> bool | None:
        text = super().to_python(value)
        return None if text is None else text == "yes"


class Choices(Choice):
    def to_python(self, value: Any) -> list[str] | None:
        given = set(value) if isinstance(value, list | tuple) else set()
        if given - {key for key, _label in self.options}:
            raise ValidationError(_("Không có mục này. Chọn trong các mục đã ghi."))
        return [key for key, _label in self.options if key in given] or None


class Agree(Answer):
    widget = forms.CheckboxInput

    def to_python(self, value: Any) -> bool | None:
        return True if value is True or str(value).lower() in {"on", "true", "1"} else None


def plain(text: str) -> str:
    """On one line, NFC, single spaces, nothing that does not print."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def numbered(text: str) -> tuple[str, str]:
    """The kind and the one spelling of an identity number: 12 digits, 9 digits, else a passport. Raises `Problem`."""
    digits = re.sub(r"[\s.\-]", "", text)
    kind = {12: DocumentKind.CCCD, 9: DocumentKind.CMND}.get(
        len(digits) if digits.isascii() and digits.isdigit() else 0, DocumentKind.PASSPORT
    )
    if kind == DocumentKind.PASSPORT and digits.isdigit():
        kind = DocumentKind.CCCD  # its message says what is missing
    number = identity.normalise(kind, digits)
    if not number.isascii():
        raise Problem(_("Số giấy tờ có ký tự lạ."), way_out=_("Xem lại số in trên giấy."))
    return str(kind), number


def opened(kept: str) -> str:
    """The number in a sealed text of ours; "" for anything else."""
    kind, _colon, sealed = kept.partition(":")
    if kind not in DocumentKind.values:
        return ""
    try:
        return identity.opened_text(kind, sealed)
    except Exception:  # whatever somebody made of the text: no number of theirs
        return ""


def field_of(question: Question, **unit: Any) -> forms.Field:
    """The Django field that asks a question; its label says `question.title`."""
    more: dict[str, Any] = {
        "label": question.title,
        "help_text": question.help,
        "required": question.required,
    }
    hints = {k: question.ui[k] for k in ("autocomplete", "inputmode") if k in question.ui}
    match question.kind:
        case "text":
            more["widget"] = forms.TextInput(attrs={"maxlength": question.schema["maxLength"], **hints})
            return Text(**more)
        case "long_text":
            return LongText(**more)
        case "number":
            return Number(widget=forms.TextInput(attrs=_NUMERIC | hints), **more)
        case "day":
            attrs = {**_NUMERIC, "placeholder": _("ngày/tháng/năm"), **hints}
            return Day(past=bool(question.ui.get("past")), widget=forms.TextInput(attrs=attrs), **more)
        case "phone":
            attrs = {"autocomplete": "tel", "inputmode": "tel", **hints}
            return PhoneNumber(widget=forms.TextInput(attrs=attrs), **more)
        case "identity":
            return IdentityNumber(**more)
        case "yes_no":
            return YesNo(**more)
        case "agree":
            return Agree(**more)
        case "choices":
            return Choices(options=question.options, widget=forms.CheckboxSelectMultiple(), **more)
        case "choice" if len(question.options) > 6:
            return Choice(options=[("", "–"), *question.options], widget=forms.Select(), **more)
        case "choice":
            return Choice(options=question.options, widget=forms.RadioSelect(), **more)
    from khien.kernel.forms.units import UnitChoice

    return UnitChoice(**unit, **more)
