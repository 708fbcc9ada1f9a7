"""Areas at risk: what is in force, entering, ending."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Invalid, Problem
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit
from khien.rooms.declarations import reads, verbs
from khien.rooms.declarations.forms import EndRiskForm, RiskForm
from khien.rooms.declarations.models import AREA_KEEPERS


@staff_page(*AREA_KEEPERS)
def areas(request: Request) -> HttpResponse:
    """What is at risk today, what was, and a form for what is decided."""
    form = RiskForm(request.POST or None, initial={"start": clock.today()})
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            verbs.declare_risk(request.actor, unit=_unit(given.pop("unit")), **given)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            messages.success(request, _("Đã ghi vùng nguy cơ."))
            return redirect("declarations:areas")
    page = Paginator(reads.risk_areas(), 50).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "today": clock.today()}
    return render(request, "declarations/areas.html", context, status=422 if form.errors else 200)


@staff_page(*AREA_KEEPERS)
def end(request: Request, pk: int) -> HttpResponse:
    """A unit is no longer at risk."""
    area = reads.risk_area(pk)
    form = EndRiskForm(request.POST or None, initial={"end": clock.today()})
    if request.method == "POST" and form.is_valid():
        try:
            verbs.end_risk(request.actor, area=area, **form.cleaned_data)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            messages.success(request, _("Đã ghi ngày hết nguy cơ."))
            return redirect("declarations:areas")
    return render(
        request,
        "declarations/area_end.html",
        {"form": form, "area": area},
        status=422 if form.errors else 200,
    )


def _unit(code: str) -> AdminUnit:
    """The unit of today with this code: five digits a commune, three a district, two a province."""
    code = code.strip()
    tier = {2: 1, 3: 2, 5: 3}.get(len(code))
    if tier is None:
        raise Invalid(_("Mã đơn vị không đúng."), field="unit", way_out=_("Xã 5 số, huyện 3 số, tỉnh 2 số."))
    return units.find(code, tier, clock.today())
