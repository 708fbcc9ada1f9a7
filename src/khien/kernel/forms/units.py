"""Choosing a commune without a script: a province, then its communes."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.forms.fields import Answer
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier


class Country:
    """The provinces and communes of a day, each province's asked for once."""

    def __init__(self, day: date | None = None, *, home: int | None = None, url: str = "") -> None:
        self.day = day or clock.today()
        self.home = home
        self.url = url
        self._provinces: list[tuple[int, str]] | None = None
        self._communes: dict[int, list[tuple[str, list[tuple[int, str]]]]] = {}
        self._province_of: dict[int, int | None] = {}

    def provinces(self) -> list[tuple[int, str]]:
        if self._provinces is None:
            rows = units.on(self.day).filter(tier=Tier.PROVINCE).order_by("sort_key")
            self._provinces = [(row.pk, row.name) for row in rows]
        return self._provinces

    def communes(self, province: int) -> list[tuple[str, list[tuple[int, str]]]]:
        """The communes of a province by district: [(district, [(id, name)])]."""
        if province not in self._communes:
            top = AdminUnit.objects.filter(pk=province, tier=Tier.PROVINCE).first()
            rows = (
                units.on(self.day)
                .filter(tier=Tier.COMMUNE, path__startswith=top.path)
                .select_related("parent")
                .order_by("parent__sort_key", "parent_id", "sort_key")
                if top is not None
                else []
            )
            self._communes[province] = [
                (district.full_name if district is not None else "", [(u.pk, u.full_name) for u in group])
                for district, group in groupby(rows, key=lambda u: u.parent)
            ]
        return self._communes[province]

    def province_of(self, commune: int) -> int | None:
        """The province in which a commune of today lies; None for anything else."""
        if commune not in self._province_of:
            unit = units.on(self.day).filter(pk=commune, tier=Tier.COMMUNE).only("path").first()
            above = {pk for pk, _name in self.provinces()}
            inside = [int(part) for part in unit.path.split(".") if part] if unit is not None else []
            self._province_of[commune] = next((pk for pk in inside if pk in above), None)
        return self._province_of[commune]


class UnitSelect(forms.Widget):
    """Two lists and, for those without a script, a button that fills the second."""

    template_name = "forms/unit.html"
    use_fieldset = True

    def __init__(self, country: Country) -> None:
        super().__init__()
        self.country = country

    def value_from_datadict(self, data: Any, files: Any, name: str) -> tuple[str, str]:
        return str(data.get(f"{name}-province") or ""), str(data.get(name) or "")

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-province" if id_ else ""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        province, commune = value if isinstance(value, tuple) else ("", "" if value is None else str(value))
        if not province and commune:
            province = str(self.country.province_of(_number(commune)) or "")
        province = province or str(self.country.home or "")
        context |= {
            "provinces": [(str(pk), label) for pk, label in self.country.provinces()],
            "province": province,
            "districts": [
                (district, [(str(pk), label) for pk, label in rows])
                for district, rows in (self.country.communes(_number(province)) if province else ())
            ],
            "commune": commune,
            "url": self.country.url,
        }
        return context


class UnitChoice(Answer):
    """The row id of a commune that exists on the day."""

    def __init__(self, *, country: Country, **more: Any) -> None:
        super().__init__(widget=UnitSelect(country), **more)
        self.country = country

    def __deepcopy__(self, memo: Any) -> UnitChoice:
        found: UnitChoice = super().__deepcopy__(memo)
        found.country = self.country
        return found

    def to_python(self, value: Any) -> int | None:
        province, commune = value if isinstance(value, tuple) else ("", "" if value is None else str(value))
        if not commune:
            return None
        inside = self.country.province_of(_number(commune))
        if inside is None or (province and _number(province) != inside):
            raise ValidationError(_("Xã, phường không thuộc tỉnh đã chọn. Chọn lại tỉnh rồi chọn xã."))
        return _number(commune)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
