"""Staff: filling in for somebody at the desk, papers one after another, the poster that leads to the form."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.documents import qr
from khien.kernel.doors import Request, staff_page
from khien.kernel.staff.reads import communes_of
from khien.rooms.declarations import codes, reads
from khien.rooms.declarations.forms import PaperDayForm, UnitForm
from khien.rooms.declarations.models import HELPERS, Declaration
from khien.rooms.declarations.pages.entering import declared_by, entry_page, remember, sheet_of

_PAPER = "declarations_paper"


@staff_page(*HELPERS)
def helping(request: Request, key: str) -> HttpResponse:
    """Fill in for the person at the desk; who helped is recorded."""
    form = reads.form_in_force(key)
    if request.method == "POST":
        sheet = sheet_of(form, data=request.POST)
        if sheet.is_valid():
            declared = declared_by(request, form, sheet, Declaration.Channel.HELPER)
            if declared is not None:
                remember(request, declared)
                return redirect("declarations:done")
    else:
        only = communes_of(request.actor, *HELPERS)[:2]
        begin = {"filled_by": "self"} | ({"unit": only[0].pk} if len(only) == 1 else {})
        sheet = sheet_of(form, value=begin)
    return entry_page(
        request, "declarations/help.html", form, sheet, forms=reads.forms_in_force(), prefilled=True
    )


@staff_page(*HELPERS)
def paper(request: Request, key: str) -> HttpResponse:
    """Papers in a row: the day and the commune stay, the cursor is back at the name."""
    form = reads.form_in_force(key)
    kept = request.session.get(_PAPER, {})
    day = PaperDayForm(request.POST or None, initial={"paper_on": kept.get("day") or clock.today()})
    if request.method == "POST":
        sheet = sheet_of(form, data=request.POST)
        if sheet.is_valid() and day.is_valid():
            on = day.cleaned_data["paper_on"]
            if on > clock.today():
                day.add_error("paper_on", _("Ngày ở tương lai. Xem lại ngày trên tờ khai."))
            else:
                made = clock.now() if on == clock.today() else clock.start_of_day(on) + timedelta(hours=12)
                declared = declared_by(request, form, sheet, Declaration.Channel.PAPER, made_at=made)
                if declared is not None:
                    row = declared.declaration
                    request.session[_PAPER] = {"day": on.isoformat(), "unit": row.unit_id}
                    messages.success(
                        request,
                        _("Đã nhập tờ của %(name)s, mã %(code)s.")
                        % {"name": row.full_name, "code": codes.shown(row.code)},
                    )
                    return redirect("declarations:paper", key=key)
    else:
        begin = {"filled_by": "self"} | ({"unit": kept["unit"]} if kept.get("unit") else {})
        sheet = sheet_of(form, value=begin)
    answer = entry_page(
        request, "declarations/paper.html", form, sheet, day=day, forms=reads.forms_in_force(), prefilled=True
    )
    if day.is_bound and day.errors and not sheet.action:
        answer.status_code = 422
    return answer


@staff_page(*HELPERS)
def poster(request: Request) -> HttpResponse:
    """A sheet to print and hang up: the QR code of the form, with the commune chosen."""
    form = UnitForm(request.GET, units=communes_of(request.actor, *HELPERS))
    unit = form.cleaned_data.get("unit") if form.is_valid() else None
    address = settings.KHIEN_URL + reverse("declarations:new", args=["health"])
    if unit is not None:
        address += f"?u={unit.pk}"
    picture = mark_safe(qr.svg(address, error="m"))  # noqa: S308 - our own SVG
    return render(
        request,
        "declarations/poster.html",
        {"form": form, "unit": unit, "picture": picture, "address": address},
    )
