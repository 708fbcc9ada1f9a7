from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from khien.kernel.people.models import Sex
from khien.kernel.units.models import AdminUnit
from khien.rooms.testing.models import SamplingRequest, Swab, Value

_SCANNED = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}


def _limit(form: forms.Form, units: QuerySet[AdminUnit]) -> None:
    field = form.fields["unit"]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = units


class SamplingForm(forms.Form):
    """A tube and a person, by scanner or by hand."""

    barcode = forms.CharField(
        label=_("Mã ống"),
        max_length=300,
        help_text=_("Quét mã trên ống, hoặc gõ rồi nhấn Enter."),
        widget=forms.TextInput(attrs={**_SCANNED, "inputmode": "text", "data-next": "id_who"}),
    )
    who = forms.CharField(
        label=_("Người được lấy mẫu"),
        max_length=400,
        help_text=_("Quét thẻ căn cước; hoặc gõ số giấy tờ, số điện thoại, họ tên."),
        widget=forms.TextInput(attrs={**_SCANNED, "autocapitalize": "words"}),
    )
    swab = forms.ChoiceField(label=_("Loại mẫu"), choices=Swab.choices, initial=Swab.NASOPHARYNGEAL)


class TubeForm(forms.Form):
    """Only the tube: the person is already known from the list of requests."""

    barcode = SamplingForm.base_fields["barcode"]
    swab = SamplingForm.base_fields["swab"]


class RegisterForm(forms.Form):
    """Somebody who is not in the ledger yet."""

    full_name = forms.CharField(label=_("Họ tên"), max_length=120)
    birth_year = forms.IntegerField(label=_("Năm sinh"), min_value=1880, max_value=2100)
    sex = forms.ChoiceField(label=_("Giới tính"), choices=Sex.choices, required=False)
    phone = forms.CharField(
        label=_("Số điện thoại"), max_length=30, help_text=_("Kết quả được báo qua số này.")
    )
    unit = forms.ModelChoiceField(
        label=_("Xã, phường đang ở"), queryset=AdminUnit.objects.none(), empty_label="–"
    )
    address = forms.CharField(label=_("Thôn, tổ, số nhà"), max_length=200, required=False)

    def __init__(self, *args: Any, units: QuerySet[AdminUnit], **more: Any) -> None:
        super().__init__(*args, **more)
        _limit(self, units)
        if len(only := units[:2]) == 1:
            self.initial.setdefault("unit", only[0].pk)


class ResultForm(forms.Form):
    """One result, entered by keyboard."""

    barcode = forms.CharField(
        label=_("Mã ống"),
        max_length=300,
        widget=forms.TextInput(attrs={**_SCANNED, "autofocus": True, "data-next": "id_value_0"}),
    )
    value = forms.ChoiceField(
        label=_("Kết quả"),
        choices=Value.choices,
        widget=forms.RadioSelect,
        help_text=_("Phím + dương tính, − âm tính, ? không xác định; Enter để lưu."),
    )
    ct_value = forms.CharField(
        label=_("CT"), max_length=8, required=False, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )
    assay = forms.CharField(
        label=_("Phương pháp"), max_length=60, required=False, help_text=_("Giữ cho các ống sau.")
    )
    resulted_at = forms.DateTimeField(
        label=_("Giờ có kết quả"),
        required=False,
        help_text=_("Để trống là bây giờ."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class CorrectionForm(ResultForm):
    """Another version of a result."""

    reason = forms.CharField(label=_("Lý do đính chính"), max_length=300)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        del self.fields["barcode"]
        self.fields["resulted_at"].help_text = _("Để trống là giữ nguyên.")
        self.fields["assay"].help_text = ""


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("Tệp CSV"),
        help_text=_(
            "UTF-8, có dòng tiêu đề: Mã ống, Kết quả; có thể thêm CT, Phương pháp, Ngày trả kết quả. "
            "Mỗi lần không quá 5.000 dòng."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Lý do"), max_length=300)


class SpecimenFilter(forms.Form):
    """What the list of specimens shows; it stands in the address."""

    start = forms.DateField(
        label=_("Từ ngày"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    end = forms.DateField(label=_("Đến ngày"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    state = forms.ChoiceField(
        label=_("Trạng thái"),
        required=False,
        choices=[("", _("Tất cả")), ("waiting", _("Chờ kết quả")), *Value.choices],
    )
    unit = forms.ModelChoiceField(
        label=_("Xã, phường"), required=False, queryset=AdminUnit.objects.none(), empty_label=_("Tất cả")
    )
    q = forms.CharField(label=_("Mã ống"), required=False, max_length=32)

    def __init__(self, *args: Any, units: QuerySet[AdminUnit], **more: Any) -> None:
        super().__init__(*args, **more)
        _limit(self, units)


class RequestFilter(forms.Form):
    """Which people to sample are shown; it stands in the address."""

    until = forms.DateField(
        label=_("Đến hạn tới ngày"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    reason = forms.ChoiceField(
        label=_("Lý do"), required=False, choices=[("", _("Tất cả")), *SamplingRequest.Reason.choices]
    )
    unit = forms.ModelChoiceField(
        label=_("Xã, phường"), required=False, queryset=AdminUnit.objects.none(), empty_label=_("Tất cả")
    )

    def __init__(self, *args: Any, units: QuerySet[AdminUnit], **more: Any) -> None:
        super().__init__(*args, **more)
        _limit(self, units)
