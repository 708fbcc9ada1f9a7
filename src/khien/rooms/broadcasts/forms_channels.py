"""What people fill in about texts from phones and about loudspeakers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import sms_keywords
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import InboundMessage, Play, Station


class _UnitForm(forms.Form):
    """A form with a choice among the communes of the actor's units."""

    unit = forms.ModelChoiceField(
        label=_("Xã, phường"), queryset=AdminUnit.objects.none(), required=False, empty_label=_("Tất cả")
    )

    def __init__(self, *args: Any, units: QuerySet[AdminUnit], **more: Any) -> None:
        super().__init__(*args, **more)
        field = self.fields["unit"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = units


class InboundFilter(_UnitForm):
    """Which texts are shown; it stands in the address."""

    state = forms.ChoiceField(
        label=_("Trạng thái"),
        required=False,
        choices=[("", _("Đang chờ")), *InboundMessage.State.choices, ("all", _("Tất cả"))],
    )
    keyword = forms.ChoiceField(label=_("Mẫu tin"), required=False)
    q = forms.CharField(label=_("Chữ trong tin, hoặc số cuối"), required=False, max_length=60)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        choices = [("", _("Tất cả")), *((key, one.meaning) for key, one in sms_keywords.items())]
        self.fields["keyword"] = forms.ChoiceField(
            label=_("Mẫu tin"), required=False, choices=[(key, str(label)) for key, label in choices]
        )


class StationFilter(forms.Form):
    """Which stations are shown."""

    sort = forms.ChoiceField(
        label=_("Đài"),
        required=False,
        choices=[("", _("Đang dùng")), ("late", _("Quá giờ hoặc im lặng")), ("off", _("Ngừng dùng"))],
    )


class StationForm(_UnitForm):
    """A loudspeaker station."""

    name = forms.CharField(label=_("Tên đài"), max_length=120)
    kind = forms.ChoiceField(label=_("Loại đài"), choices=Station.Kind.choices)
    way = forms.ChoiceField(
        label=_("Cách nhận"),
        choices=Station.Way.choices,
        help_text=_("Đài FM, có dây luôn dùng kịch bản in."),
    )
    address = forms.CharField(
        label=_("Địa chỉ của đài"),
        max_length=300,
        required=False,
        help_text=_("Chỉ khi gửi đến đài: https://…"),
    )
    slots = forms.CharField(
        label=_("Giờ phát"),
        required=False,
        max_length=120,
        help_text=_("Ví dụ 05:30, 17:00. Tin khẩn cấp phát ngay."),
    )
    is_active = forms.BooleanField(label=_("Đang dùng"), required=False, initial=True)
    field_order = ("unit", "name", "kind", "way", "address", "slots", "is_active")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        unit = self.fields["unit"]
        assert isinstance(unit, forms.ModelChoiceField)
        unit.required, unit.empty_label = True, "–"

    def clean_slots(self) -> list[str]:
        return [part for part in self.cleaned_data["slots"].replace(";", ",").split(",") if part.strip()]


class PlaysFilter(forms.Form):
    """Which stations of a bulletin are shown."""

    state = forms.ChoiceField(
        label=_("Trạng thái"),
        required=False,
        choices=[("", _("Tất cả")), ("late", _("Quá giờ chưa báo")), *Play.State.choices],
    )


class MoveForm(forms.Form):
    """Another hour for a bulletin at a station."""

    due_at = forms.DateTimeField(
        label=_("Giờ phát"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    rank = forms.IntegerField(
        label=_("Thứ tự"), required=False, min_value=-100, max_value=100, help_text=_("Số nhỏ phát trước.")
    )


class SettlePlayForm(forms.Form):
    """Whether a bulletin was played, by who was there."""

    note = forms.CharField(label=_("Ghi chú, lý do"), max_length=200, required=False)
