"""Forms of audiences, carriers, numbers and orders to carriers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.db.models import Q
from django.forms.utils import ErrorDict
from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.errors import Problem
from khien.kernel.registries import RegisterFilter
from khien.kernel.staff import Actor
from khien.kernel.staff.scope import within
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.broadcasts.models import WRITERS, Audience, Carrier, CarrierOrder
from khien.rooms.broadcasts.reads import audiences as reads
from khien.rooms.broadcasts.verbs import audiences as verbs

FEW = 12
"""Units that are all in sight at once."""
MANY = 400
"""Units that are offered one by one; of a country only the upper tiers."""


@dataclass(slots=True)
class Node:
    """A unit in the tree of choices."""

    unit: AdminUnit
    checked: bool = False
    children: list[Node] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether something inside is chosen."""
        return any(child.checked or child.is_open for child in self.children)


class AudienceForm(forms.Form):
    """Register × units × filters, within the actor's units. Drawn by `broadcasts/_audience.html`::

        form = AudienceForm(request.actor, request.POST or None, audience=draft)
        if form.is_bound and not form.asks_for_filters and (audience := form.save()) is not None: …

    Its fields begin with "audience-", so that it can stand inside another form. `audience` is an audience that is
    described anew. With `emergency` it asks whether opt-outs count.
    """

    prefix = "audience"

    def __init__(
        self,
        actor: Actor,
        data: Any = None,
        *,
        audience: Audience | None = None,
        emergency: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(data, **more)
        self.actor = actor
        self.audience = audience
        registers = reads.registers_in_order()
        self.fields["register"] = forms.ChoiceField(
            label=_("Nguồn danh sách"), choices=[(key, entry.label) for key, entry in registers]
        )
        known = {key for key, _entry in registers}
        self.chosen_register = str(data.get(f"{self.prefix}-register") or "") if data is not None else ""
        if self.chosen_register not in known:
            self.chosen_register = audience.register if audience is not None else registers[0][0]
        entry = reads.register_of(self.chosen_register)
        for name, chosen in entry.filters.items():
            self.fields[f"f_{name}"] = _field_of(chosen)
        self.fields["units"] = forms.MultipleChoiceField(label=_("Địa bàn"), required=False)
        if emergency:
            self.fields["with_opted_out"] = forms.BooleanField(
                label=_("Gửi cả người đã từ chối nhận tin (chỉ khi khẩn cấp)"), required=False
            )
        if audience is not None:
            self.initial = {
                "register": audience.register,
                "with_opted_out": audience.with_opted_out,
                **{f"f_{name}": value for name, value in audience.filters.items()},
            }
        elif len(entry.filters) and not self.is_bound:
            self.initial = {"register": self.chosen_register}
        offered = _offered(actor, audience.units if audience is not None else ())
        self.fields["units"].choices = [(str(unit.pk), unit.full_name) for unit in offered]  # type: ignore[attr-defined]
        self.is_small = len(offered) <= FEW
        self.tree = _tree(offered, self._chosen(audience))

    @property
    def asks_for_filters(self) -> bool:
        """Whether only another register was chosen, without a script."""
        return self.is_bound and self.data.get("action") == "audience-register"

    @property
    def filter_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("f_")]

    def described(self) -> dict[str, Any]:
        """What `create_audience` and `reads.audiences.preview` take; after `is_valid`."""
        given = self.cleaned_data
        return {
            "register": given["register"],
            "units": [int(pk) for pk in given["units"]],
            "filters": {name[2:]: value for name, value in given.items() if name.startswith("f_")},
            "with_opted_out": bool(given.get("with_opted_out")),
        }

    def save(self) -> Audience | None:
        """The audience, described (anew); None when something is wrong, which the form then says."""
        if not self.is_valid():
            return None
        try:
            if self.audience is not None:
                return verbs.change_audience(self.actor, audience=self.audience, **self.described())
            return verbs.create_audience(self.actor, **self.described())
        except Problem as wrong:
            self.say(wrong)
            return None

    def forgive(self) -> None:
        """Show no errors: only another register was asked for."""
        self._errors = ErrorDict()

    def say(self, wrong: Problem) -> None:
        """Show a problem at its field."""
        name = wrong.field if wrong.field in self.fields else f"f_{wrong.field}"
        self.add_error(name if name in self.fields else None, str(wrong))

    def _chosen(self, audience: Audience | None) -> set[int]:
        if self.is_bound:
            given = self.data.getlist(f"{self.prefix}-units") if hasattr(self.data, "getlist") else []
            return {int(pk) for pk in given if str(pk).isascii() and str(pk).isdigit()}
        return set(audience.units) if audience is not None else set()


def _field_of(chosen: RegisterFilter) -> forms.Field:
    more: dict[str, Any] = {"label": chosen.label, "required": False, "help_text": chosen.help}
    if chosen.kind == "flag":
        return forms.BooleanField(**more)
    if chosen.kind == "choice":
        return forms.ChoiceField(choices=[("", _("Tất cả")), *chosen.choices], **more)
    return forms.IntegerField(
        min_value=chosen.least,
        max_value=chosen.most,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        **more,
    )


def _offered(actor: Actor, also: Iterable[int]) -> list[AdminUnit]:
    """The units of today in which the actor writes, from the top down to the lowest tier that is not too many."""
    inside = units.on(clock.today()).filter(within(actor, "path", *WRITERS))
    deepest = Tier.COMMUNE
    while deepest > Tier.PROVINCE and inside.filter(tier__lte=deepest).count() > MANY:
        deepest = Tier(deepest - 1)
    rows = inside.filter(tier__lte=deepest) | AdminUnit.objects.filter(
        within(actor, "path", *WRITERS) & Q(pk__in=list(also))
    )
    return list(rows.order_by("tier", "sort_key", "pk"))


def _tree(offered: list[AdminUnit], chosen: set[int]) -> list[Node]:
    nodes = {unit.pk: Node(unit, unit.pk in chosen) for unit in offered}
    tops: list[Node] = []
    for node in nodes.values():
        above = nodes.get(node.unit.parent_id or 0)
        (above.children if above is not None else tops).append(node)
    return tops


class EstimateForm(forms.Form):
    """A text to try on an audience."""

    text = forms.CharField(
        label=_("Tin thử"), max_length=1000, strip=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    plain = forms.BooleanField(label=_("Bỏ dấu"), required=False)


class CarrierForm(forms.Form):
    """A carrier as its contract says."""

    code = forms.SlugField(
        label=_("Mã"), max_length=20, help_text=_("Chữ thường không dấu; tệp cấu hình cổng SMS dùng mã này.")
    )
    name = forms.CharField(label=_("Tên"), max_length=60)
    prefixes = forms.CharField(
        label=_("Đầu số"),
        required=False,
        help_text=_("Cách nhau bằng dấu cách, ví dụ 098 0998. Số đã chuyển mạng ghi ở trang khác."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    rate = forms.IntegerField(
        label=_("Tốc độ (phần mỗi giây)"), min_value=0, max_value=1_000_000, help_text=_("0: không giới hạn.")
    )
    price = forms.IntegerField(label=_("Giá một phần (đồng)"), min_value=0, max_value=1_000_000)
    daily_cap = forms.IntegerField(
        label=_("Nhiều nhất mỗi ngày (phần)"),
        min_value=0,
        max_value=1_000_000_000,
        required=False,
        help_text=_("Để trống là không giới hạn."),
    )
    takes_accents = forms.BooleanField(label=_("Nhận tin có dấu"), required=False)
    is_active = forms.BooleanField(label=_("Đang dùng"), required=False)

    def __init__(self, *args: Any, carrier: Carrier | None, **more: Any) -> None:
        super().__init__(*args, **more)
        if carrier is None:
            self.initial = {"rate": 100, "price": 0, "takes_accents": True, "is_active": True}
            return
        del self.fields["code"]
        self.initial = {name: getattr(carrier, name) for name in self.fields if name != "prefixes"}
        self.initial["prefixes"] = " ".join(
            sorted(row.prefix.replace("+84", "0") for row in carrier.prefixes.all())
        )

    def clean_prefixes(self) -> list[str]:
        return str(self.cleaned_data["prefixes"]).replace(",", " ").split()


class PortedForm(forms.Form):
    file = forms.FileField(
        label=_("Tệp CSV"),
        help_text=_(
            "UTF-8, có dòng tiêu đề: Số điện thoại, Nhà mạng; có thể thêm Ngày chuyển. "
            "Mỗi lần không quá 500.000 dòng."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )


class NumberForm(forms.Form):
    """One number, typed at a desk; it never stands in an address."""

    number = forms.CharField(
        label=_("Số điện thoại"),
        max_length=30,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )


class OrderFilter(forms.Form):
    """Which orders are shown; it stands in the address."""

    state = forms.ChoiceField(
        label=_("Trạng thái"),
        required=False,
        choices=[("", _("Tất cả")), ("overdue", _("Quá hạn báo cáo")), *CarrierOrder.State.choices],
    )


class SentForm(forms.Form):
    how = forms.CharField(
        label=_("Đã gửi cho ai, bằng cách nào"), max_length=200, help_text=_("Không ghi số điện thoại riêng.")
    )


class ReportForm(forms.Form):
    """What a carrier counted."""

    subscribers = forms.IntegerField(label=_("Số thuê bao trên địa bàn"), min_value=0)
    accepted = forms.IntegerField(label=_("Số tin đã gửi"), min_value=0)
    delivered = forms.IntegerField(label=_("Số tin đến máy"), min_value=0)
    failed = forms.IntegerField(label=_("Số tin không đến"), min_value=0)


class ReportFileForm(forms.Form):
    file = forms.FileField(
        label=_("Tệp báo cáo"),
        help_text=_("Mẫu CSV gửi kèm lệnh, đã điền; hoặc JSON."),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )


class BecauseForm(forms.Form):
    because = forms.CharField(label=_("Lý do hủy"), max_length=300)
