"""What people type on the room's pages; the verbs check it once more."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from khien.kernel import clock
from khien.rooms.tracing.models import Case, CaseStep, HandContact
from khien.rooms.tracing.reads import BLOCKING

DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
_MOMENT = "%Y-%m-%dT%H:%M"


class MomentField(forms.DateTimeField):
    """A moment of a Vietnamese wall clock."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT),
            input_formats=[_MOMENT, "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M"],
            **more,
        )


class CaseFilterForm(forms.Form):
    """The list of cases, narrowed; everything stays in the address."""

    q = forms.CharField(label=_("Tên hoặc số ca"), required=False, max_length=80)
    status = forms.ChoiceField(label=_("Tình trạng"), required=False)
    classification = forms.ChoiceField(label=_("Phân loại"), required=False)
    step = forms.ChoiceField(label=_("Đang chờ bước"), required=False)
    unit = forms.IntegerField(required=False, widget=forms.HiddenInput)
    outbreak = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        everything: list[tuple[str, Any]] = [("", _("Tất cả"))]
        steps = [(step, CaseStep.Step(step).label) for step in BLOCKING]
        for name, choices in (
            ("status", Case.Status.choices),
            ("classification", Case.Classification.choices),
            ("step", steps),
        ):
            self.fields[name].choices = everything + list(choices)  # type: ignore[attr-defined]


def _days() -> list[tuple[str, str]]:
    return [(str(n), ngettext("%(n)d ngày", "%(n)d ngày", n) % {"n": n}) for n in (21, 7, 14, 30)]


def _numbers_of_cases() -> list[tuple[str, str]]:
    return [(str(n), ngettext("%(n)d ca", "%(n)d ca", n) % {"n": n}) for n in (2, 3, 4, 5)]


class TogetherForm(forms.Form):
    """Of which cases the common places are asked; everything stays in the address."""

    days = forms.TypedChoiceField(
        label=_("Ca khởi phát hoặc lấy mẫu trong"),
        choices=_days,
        coerce=int,
        required=False,
        empty_value=None,
    )
    at_least = forms.TypedChoiceField(
        label=_("Nơi có ít nhất"),
        choices=_numbers_of_cases,
        coerce=int,
        required=False,
        empty_value=None,
    )
    unit = forms.IntegerField(required=False, widget=forms.HiddenInput)
    outbreak = forms.IntegerField(required=False, widget=forms.HiddenInput)
    case = forms.IntegerField(required=False, widget=forms.HiddenInput)


class SymptomsForm(forms.Form):
    classification = forms.ChoiceField(label=_("Phân loại"), choices=Case.Classification.choices)
    onset_on = forms.DateField(
        label=_("Ngày khởi phát"),
        required=False,
        widget=DAY,
        help_text=_("Để trống nếu không có triệu chứng."),
    )
    symptoms = forms.CharField(label=_("Triệu chứng"), required=False, max_length=300)


class LandmarkForm(forms.Form):
    place_code = forms.CharField(
        label=_("Mã địa điểm"),
        required=False,
        max_length=12,
        help_text=_("Mã in trên áp phích của địa điểm."),
    )
    text = forms.CharField(label=_("Hoặc ghi nơi bằng lời"), required=False, max_length=200)
    start = MomentField(label=_("Đến lúc"))
    end = MomentField(label=_("Rời lúc"))
    masked = forms.TypedChoiceField(
        label=_("Ca bệnh đeo khẩu trang"),
        required=False,
        choices=[("", _("Không rõ")), ("yes", _("Có đeo")), ("no", _("Không đeo"))],
        coerce=lambda value: value == "yes",
        empty_value=None,
    )


class HandContactForm(forms.Form):
    """Somebody whom the case named."""

    full_name = forms.CharField(label=_("Họ tên"), max_length=120)
    phone = forms.CharField(label=_("Điện thoại"), required=False, max_length=20)
    relation = forms.CharField(label=_("Quan hệ"), required=False, max_length=80)
    kind = forms.ChoiceField(label=_("Cách tiếp xúc"), choices=HandContact.Kind.choices)
    day = forms.DateField(label=_("Ngày"), widget=DAY)
    minutes = forms.IntegerField(label=_("Số phút"), min_value=0, max_value=1440)
    masked = forms.TypedChoiceField(
        label=_("Đeo khẩu trang"),
        required=False,
        choices=[("", _("Không rõ")), ("yes", _("Cả hai có đeo")), ("no", _("Có người không đeo"))],
        coerce=lambda value: value == "yes",
        empty_value=None,
    )
    closed_space = forms.TypedChoiceField(
        label=_("Nơi kín"),
        required=False,
        choices=[("", _("Không rõ")), ("yes", _("Trong nhà, trong xe")), ("no", _("Ngoài trời"))],
        coerce=lambda value: value == "yes",
        empty_value=None,
    )


class CloseForm(forms.Form):
    note = forms.CharField(label=_("Lý do đóng"), max_length=300, widget=forms.Textarea(attrs={"rows": 2}))


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Lý do"), max_length=300, widget=forms.Textarea(attrs={"rows": 2}))


class SourceForm(forms.Form):
    source = forms.CharField(label=_("Số ca nguồn"), max_length=40, help_text=_("Ví dụ BN12."))


class OpenForm(forms.Form):
    """A case opened by a tracer for a person of the ledger."""

    classification = forms.ChoiceField(label=_("Phân loại"), choices=Case.Classification.choices)
    onset_on = forms.DateField(label=_("Ngày khởi phát"), required=False, widget=DAY)
    sampled_at = MomentField(label=_("Lấy mẫu lúc"), required=False)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["onset_on"].widget.attrs["max"] = clock.today().isoformat()
