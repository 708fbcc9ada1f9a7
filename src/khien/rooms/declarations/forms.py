from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from khien.kernel.units.models import AdminUnit
from khien.rooms.declarations.models import Declaration, Kind, RiskArea, Task
from khien.rooms.declarations.rows import COLUMNS

_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
REASONS = [
    ("symptoms", _("Có triệu chứng")),
    ("contact", _("Gặp ca bệnh")),
    ("red_place", _("Đến từ vùng đỏ")),
]


class UnitForm(forms.Form):
    """A form with a choice among the communes of the actor's units."""

    unit = forms.ModelChoiceField(
        label=_("Xã, phường"), queryset=AdminUnit.objects.none(), required=False, empty_label=_("Tất cả")
    )

    def __init__(self, *args: Any, units: QuerySet[AdminUnit], **more: Any) -> None:
        super().__init__(*args, **more)
        field = self.fields["unit"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = units
        if field.required and len(only := units[:2]) == 1:
            self.initial.setdefault("unit", only[0].pk)


class DeclarationFilter(UnitForm):
    """What the list shows; it stands in the address."""

    start = forms.DateField(label=_("Từ ngày"), required=False, widget=_DAY)
    end = forms.DateField(label=_("Đến ngày"), required=False, widget=_DAY)
    kind = forms.ChoiceField(
        label=_("Loại tờ khai"), choices=[("", _("Tất cả")), *Kind.choices], required=False
    )
    channel = forms.ChoiceField(
        label=_("Cách khai"), choices=[("", _("Tất cả")), *Declaration.Channel.choices], required=False
    )
    match = forms.ChoiceField(
        label=_("Đối chiếu"), choices=[("", _("Tất cả")), *Declaration.Match.choices], required=False
    )
    attention = forms.BooleanField(label=_("Chỉ tờ cần chú ý"), required=False)
    q = forms.CharField(label=_("Mã hoặc họ tên"), max_length=60, required=False)


class TaskFilter(UnitForm):
    state = forms.ChoiceField(label=_("Trạng thái"), choices=Task.State.choices, required=False)
    reason = forms.ChoiceField(label=_("Lý do"), choices=[("", _("Tất cả")), *REASONS], required=False)


class SettleForm(forms.Form):
    outcome = forms.ChoiceField(label=_("Kết quả"), choices=Task.Outcome.choices, widget=forms.RadioSelect)
    note = forms.CharField(
        label=_("Ghi chú"), max_length=400, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class OpenForm(forms.Form):
    """A code, and what only the declarer knows."""

    code = forms.CharField(
        label=_("Mã tờ khai"),
        max_length=40,
        help_text=_("12 ký tự sau KB1:, viết hoa hay thường đều được."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    proof = forms.CharField(
        label=_("Năm sinh, hoặc 4 số cuối điện thoại"),
        max_length=4,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )


class PaperDayForm(forms.Form):
    paper_on = forms.DateField(
        label=_("Ngày ghi trên tờ khai"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class SheetForm(forms.Form):
    file = forms.FileField(
        label=_("Tệp Excel (.xlsx) hoặc CSV"),
        help_text=_("Theo mẫu, mỗi người một dòng, không quá 5.000 dòng."),
        widget=forms.ClearableFileInput(attrs={"accept": ".xlsx,.csv,text/csv"}),
    )
    agreed = forms.BooleanField(
        label=_(
            "Từng người trong bảng đã tự trả lời và đồng ý để y tế địa phương dùng cho phòng, chống dịch."
        )
    )


class SheetOfUnitForm(SheetForm, UnitForm):
    unit = forms.ModelChoiceField(
        label=_("Xã, phường của cơ quan"), queryset=AdminUnit.objects.none(), empty_label="–"
    )
    field_order = ("unit", "file", "agreed")


class CompanyForm(UnitForm):
    unit = forms.ModelChoiceField(label=_("Xã, phường"), queryset=AdminUnit.objects.none(), empty_label="–")
    name = forms.CharField(label=_("Tên cơ quan, doanh nghiệp"), max_length=120)
    phone = forms.CharField(label=_("Điện thoại liên hệ"), max_length=30, required=False)
    field_order = ("name", "phone", "unit")


class MendForm(forms.Form):
    """The cells of a held row. The identity number was not kept."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, words in COLUMNS.items():
            self.fields[name] = forms.CharField(
                label=words[0],
                max_length=200,
                required=False,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Lý do"), max_length=300)


class RiskForm(forms.Form):
    unit = forms.CharField(
        label=_("Mã đơn vị"),
        max_length=8,
        help_text=_("Mã của xã (5 số), huyện (3 số) hoặc tỉnh (2 số)."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    level = forms.ChoiceField(label=_("Mức"), choices=RiskArea.Level.choices, widget=forms.RadioSelect)
    start = forms.DateField(label=_("Từ ngày"), widget=_DAY)
    end = forms.DateField(
        label=_("Hết từ ngày"), required=False, widget=_DAY, help_text=_("Để trống nếu chưa biết.")
    )
    decision = forms.CharField(label=_("Số văn bản"), max_length=120)
    note = forms.CharField(label=_("Ghi chú"), max_length=300, required=False)


class EndRiskForm(forms.Form):
    end = forms.DateField(label=_("Hết từ ngày"), widget=_DAY)
    decision = forms.CharField(label=_("Số văn bản"), max_length=120)
