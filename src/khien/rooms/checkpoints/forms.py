"""What people fill in about places, devices and passes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from khien.kernel.errors import Invalid
from khien.kernel.places import reads as places
from khien.kernel.staff import Actor
from khien.kernel.staff.reads import communes_of
from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints import card_rows


class UnitChoice(forms.ModelChoiceField):
    """A unit by its full name and the one above it."""

    def label_from_instance(self, unit: Any) -> str:
        return f"{unit.full_name}, {unit.parent.full_name}" if unit.parent is not None else unit.full_name


class UnitsChoice(forms.ModelMultipleChoiceField):
    """Several units by their full names."""

    def label_from_instance(self, unit: Any) -> str:
        return str(unit.full_name)


class PlaceForm(forms.Form):
    """A place: what it is, where, how large."""

    name = forms.CharField(label=_("Tên địa điểm"), max_length=160, help_text=_("Như trên biển hiệu."))
    kind = forms.ChoiceField(label=_("Loại địa điểm"))
    unit = UnitChoice(label=_("Xã, phường"), queryset=AdminUnit.objects.none(), empty_label="–")
    address = forms.CharField(label=_("Địa chỉ"), max_length=200, required=False)
    area_m2 = forms.FloatField(
        label=_("Diện tích (m²)"),
        required=False,
        min_value=1,
        help_text=_("Diện tích mà mọi người dùng chung."),
    )
    capacity = forms.IntegerField(label=_("Sức chứa (người)"), required=False, min_value=1)
    contact_name = forms.CharField(label=_("Người phụ trách"), max_length=120, required=False)
    contact_phone = forms.CharField(label=_("Điện thoại người phụ trách"), max_length=16, required=False)

    def __init__(
        self, *args: Any, actor: Actor, roles: tuple[str, ...], editing: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        kind, unit = self.fields["kind"], self.fields["unit"]
        assert isinstance(kind, forms.ChoiceField)
        assert isinstance(unit, forms.ModelChoiceField)
        kind.choices = [(row.code, row.name) for row in places.kinds()]
        if editing:
            del self.fields["unit"]
        else:
            unit.queryset = communes_of(actor, *roles).select_related("parent")


class PlaceFilter(forms.Form):
    """The filter above the list of places; it stays in the address."""

    q = forms.CharField(label=_("Tên, địa chỉ hoặc mã"), required=False, max_length=80)
    kind = forms.ChoiceField(label=_("Loại"), required=False)
    closed = forms.BooleanField(label=_("Nơi đã đóng"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = [("", _("Tất cả")), *((row.code, row.name) for row in places.kinds())]


class DeviceForm(forms.Form):
    """A one-time code for a new device."""

    name = forms.CharField(
        label=_("Tên thiết bị"), max_length=120, help_text=_("Ví dụ: Điện thoại chốt Cầu Hồng Phú.")
    )
    unit = UnitChoice(label=_("Đơn vị"), queryset=AdminUnit.objects.none(), empty_label="–")
    places = forms.CharField(
        label=_("Mã địa điểm"),
        required=False,
        max_length=400,
        help_text=_("Mã trên áp phích, cách nhau bằng dấu phẩy. Để trống: mọi địa điểm của đơn vị."),
    )
    other_units = UnitsChoice(
        label=_("Đội lưu động: các xã, phường khác"), queryset=AdminUnit.objects.none(), required=False
    )

    def __init__(self, *args: Any, actor: Actor, roles: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor = actor
        for name in ("unit", "other_units"):
            unit = self.fields[name]
            assert isinstance(unit, forms.ModelChoiceField)
            unit.queryset = communes_of(actor, *roles).select_related("parent")

    def clean_places(self) -> list[int]:
        """The ids of the places with these codes, each in the actor's units."""
        wanted = [code.strip().upper() for code in self.cleaned_data["places"].split(",") if code.strip()]
        found = dict(places.listed(self._actor).filter(code__in=wanted).values_list("code", "pk"))
        missing = [code for code in wanted if code not in found]
        if missing:
            raise forms.ValidationError(
                _(
                    "Không có địa điểm đang mở với mã %(code)s trong địa bàn của bạn. Xem lại mã trên áp phích."
                ),
                params={"code": missing[0][:12]},
            )
        return list(found.values())


class PosterOrderForm(forms.Form):
    """Posters for every open place of a unit."""

    unit = UnitChoice(label=_("Xã, phường"), queryset=AdminUnit.objects.none(), empty_label="–")
    kind = forms.ChoiceField(label=_("Loại địa điểm"), required=False)
    missing = forms.BooleanField(label=_("Chỉ nơi chưa có áp phích đánh số"), required=False)
    renew = forms.BooleanField(
        label=_("Thay mã mới cho mọi nơi"),
        required=False,
        help_text=_("Mã cũ vẫn quét được nhưng báo là tờ cũ."),
    )

    def __init__(self, *args: Any, actor: Actor, roles: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit, kind = self.fields["unit"], self.fields["kind"]
        assert isinstance(unit, forms.ModelChoiceField)
        assert isinstance(kind, forms.ChoiceField)
        unit.queryset = communes_of(actor, *roles).select_related("parent")
        kind.choices = [("", _("Tất cả")), *((row.code, row.name) for row in places.kinds())]


class CardOrderForm(forms.Form):
    """Paper passes for the people of a commune."""

    unit = UnitChoice(label=_("Xã, phường"), queryset=AdminUnit.objects.none(), empty_label="–")
    address: Any = forms.CharField(
        label=_("Chỉ thôn, tổ, phố hoặc hộ"),
        required=False,
        max_length=80,
        help_text=_("Chữ có trong địa chỉ. Để trống: cả xã, phường."),
    )
    renew = forms.BooleanField(
        label=_("Đổi thẻ mới cho cả người đang có thẻ"),
        required=False,
        help_text=_("Thẻ cũ của họ hết hiệu lực ngay khi trang được in."),
    )

    def __init__(self, *args: Any, actor: Actor, roles: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit = self.fields["unit"]
        assert isinstance(unit, forms.ModelChoiceField)
        unit.queryset = communes_of(actor, *roles).select_related("parent")


class CardListForm(CardOrderForm):
    """Paper passes for a list of people: pasted, or a file."""

    text = forms.CharField(
        label=_("Danh sách"),
        required=False,
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=_(
            "Mỗi người một dòng: số căn cước, thẻ bảo hiểm hoặc điện thoại; hoặc họ tên; năm sinh. "
            "Nhiều ô thì cách nhau bằng dấu chấm phẩy."
        ),
    )
    file = forms.FileField(
        label=_("Hoặc tệp Excel (.xlsx), CSV"),
        required=False,
        help_text=_("Cột theo thứ tự nào cũng được, không quá 2.000 dòng."),
        widget=forms.ClearableFileInput(attrs={"accept": ".xlsx,.csv,text/csv"}),
    )
    households = forms.BooleanField(label=_("In cho cả hộ của từng người trong danh sách"), required=False)
    address = None
    field_order = ("unit", "text", "file", "households", "renew")

    def clean(self) -> dict[str, Any]:
        """The rows of the pasted text and of the file, together."""
        given = super().clean() or self.cleaned_data
        text, file = given.pop("text", ""), given.pop("file", None)
        try:
            rows = card_rows.of_text(text)
        except Invalid as problem:
            self.add_error("text", str(problem))
            return given
        try:
            rows += card_rows.of_file(file.read()) if file else []
        except Invalid as problem:
            self.add_error("file", str(problem))
            return given
        if not rows and "text" not in self.errors:
            self.add_error("text", _("Danh sách trống. Dán ít nhất một dòng, hoặc chọn một tệp."))
        given["rows"] = rows
        return given


class CardFilter(forms.Form):
    """The filter above the list of passes; it stays in the address."""

    state = forms.ChoiceField(
        label=_("Tình trạng"),
        required=False,
        choices=[
            ("lost", _("báo mất")),
            ("reissued", _("đã đổi thẻ mới")),
            ("withdraw", _("thu hồi")),
            ("expired", _("hết hạn")),
            ("valid", _("đang dùng")),
        ],
    )
    kind = forms.ChoiceField(
        label=_("Loại"),
        required=False,
        choices=[("", _("Tất cả")), ("paper", _("thẻ giấy")), ("phone", _("điện thoại"))],
    )


class CoverageFilter(forms.Form):
    """The filter above the pages of coverage; it stays in the address."""

    days = forms.ChoiceField(
        label=_("Khoảng"),
        required=False,
        choices=[("14", _("14 ngày")), ("1", _("1 ngày")), ("7", _("7 ngày")), ("28", _("28 ngày"))],
    )
    day = forms.DateField(
        label=_("Đến ngày"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    measure = forms.ChoiceField(
        label=_("Tô màu bản đồ theo"),
        required=False,
        choices=[
            ("active", _("nơi đang mở có quét")),
            ("exit", _("lượt ở lại có quét ra")),
            ("silent", _("thiết bị im lặng")),
        ],
    )
