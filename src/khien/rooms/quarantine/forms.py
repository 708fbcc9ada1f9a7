"""What people type on the room's pages; the verbs check it once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.rooms.quarantine.models import Alarm, FollowUp, Order, Symptom

REASON = forms.Textarea(attrs={"rows": 2})


class FilterForm(forms.Form):
    """The list of orders, narrowed; everything stays in the address."""

    q = forms.CharField(label=_("Số quyết định hoặc tên"), required=False)
    state = forms.ChoiceField(label=_("Trạng thái"), required=False)
    kind = forms.ChoiceField(label=_("Hình thức"), required=False)
    degree = forms.ChoiceField(label=_("Bậc"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everything: list[tuple[str, Any]] = [("", _("Tất cả"))]
        self.fields["state"].choices = everything + list(Order.State.choices)  # type: ignore[attr-defined]
        self.fields["kind"].choices = everything + list(Order.Kind.choices)  # type: ignore[attr-defined]
        self.fields["degree"].choices = everything + [(str(n), f"F{n}") for n in range(3)]  # type: ignore[attr-defined]


class ExtendForm(forms.Form):
    last_day = forms.DateField(
        label=_("Cách ly đến hết ngày"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    reason = forms.CharField(label=_("Lý do"), max_length=300, widget=REASON)


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Lý do"), max_length=300, widget=REASON)


class MoveForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("Hình thức"), choices=[(k.value, k.label) for k in (Order.Kind.HOME, Order.Kind.SITE)]
    )
    site_code = forms.CharField(
        label=_("Mã khu cách ly"), required=False, help_text=_("Mã địa điểm in trên bảng của khu.")
    )
    address = forms.CharField(label=_("Địa chỉ nơi cách ly"), required=False, max_length=200)
    reason = forms.CharField(label=_("Lý do"), max_length=300, widget=REASON)


class NewOrderForm(forms.Form):
    """An order by hand: a named officer's own act."""

    degree = forms.TypedChoiceField(
        label=_("Bậc tiếp xúc"),
        coerce=int,
        choices=[(1, _("F1: tiếp xúc gần với ca bệnh")), (2, _("F2: tiếp xúc với F1"))],
    )
    last_exposure = forms.DateTimeField(
        label=_("Lần tiếp xúc cuối"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    vaccinated = forms.BooleanField(label=_("Đã tiêm đủ liều hoặc đã khỏi bệnh"), required=False)

    def clean_last_exposure(self) -> Any:
        moment = self.cleaned_data["last_exposure"]
        if moment > clock.now():
            raise forms.ValidationError(_("Thời điểm này ở tương lai. Xem lại ngày và giờ."))
        if moment < clock.now() - timedelta(days=60):
            raise forms.ValidationError(_("Thời điểm này đã quá 60 ngày. Xem lại năm và tháng."))
        return moment


class AlarmForm(forms.Form):
    outcome = forms.ChoiceField(label=_("Kết quả"), choices=Alarm.Outcome.choices)
    note = forms.CharField(label=_("Đã xử lý thế nào"), max_length=500, widget=REASON)


class DailyForm(forms.Form):
    """What a person answers each day: two things, both may stay empty of bad news."""

    temperature = forms.CharField(
        label=_("Nhiệt độ (°C)"),
        required=False,
        help_text=_("Ghi như 36,8. Không có nhiệt kế thì để trống."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    symptoms = forms.MultipleChoiceField(
        label=_("Hôm nay bạn có gì không khỏe?"),
        help_text=_("Đánh dấu tất cả những gì có. Khỏe thì để trống."),
        required=False,
        choices=Symptom.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    notes = forms.CharField(
        label=_("Muốn nói thêm với cán bộ y tế"), required=False, max_length=500, widget=REASON
    )


class OfficerDailyForm(DailyForm):
    day = forms.DateField(label=_("Ngày"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    channel = forms.ChoiceField(
        label=_("Cách liên lạc"),
        choices=[c for c in FollowUp.Channel.choices if c[0] != FollowUp.Channel.PAGE],
    )
    unreachable = forms.BooleanField(label=_("Không liên lạc được"), required=False)


class BirthYearForm(forms.Form):
    year = forms.IntegerField(
        label=_("Năm sinh của bạn"),
        min_value=1900,
        max_value=2100,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "bday-year"}),
    )
