"""Sheets of companies: uploads by staff or by a company's own address, held rows, the template."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from khien.kernel.acts import read
from khien.kernel.doors import Request, public_page, staff_page
from khien.kernel.errors import NotFound, Problem
from khien.kernel.staff.reads import communes_of
from khien.rooms.declarations import reads, rows, verbs
from khien.rooms.declarations.forms import (
    CompanyForm,
    MendForm,
    ReasonForm,
    SheetForm,
    SheetOfUnitForm,
)
from khien.rooms.declarations.models import HELPERS, Company, HeldRow
from khien.rooms.declarations.verbs.sheets import hash_of

PAGE = 50
_NEW_ADDRESS = "declarations_new_address"
_COMPANY = "declarations_company"
COMPANY_S = 8 * 3600
"""So long an opened address goes on in a browser: one working day."""


@staff_page(*HELPERS)
def sheets(request: Request) -> HttpResponse:
    """Upload a sheet; what came in before; rows that wait to be mended."""
    form = SheetOfUnitForm(
        request.POST or None, request.FILES or None, units=communes_of(request.actor, *HELPERS)
    )
    answer = None
    if request.method == "POST" and form.is_valid():
        answer = _taken_in(request, form, unit=form.cleaned_data["unit"])
    held = Paginator(reads.held_rows(request.actor), PAGE).get_page(request.GET.get("page"))
    read(request.actor, "declarations.sheets", rows=[row.pk for row in held.object_list])
    context = {
        "form": form
        if answer is None
        else SheetOfUnitForm(
            units=communes_of(request.actor, *HELPERS), initial={"unit": answer.intake.unit_id}
        ),
        "answer": answer,
        "held_rows": [row for row in answer.rows if row.state == "held"] if answer else [],
        "page": held,
        "intakes": reads.intakes(request.actor)[:20],
    }
    return render(request, "declarations/sheets.html", context, status=422 if form.errors else 200)


@public_page
def template(request: Request) -> HttpResponse:
    """The empty sheet."""
    answer = HttpResponse(
        rows.template(),
        content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )
    answer["Content-Disposition"] = 'attachment; filename="mau-khai-y-te.xlsx"'
    return answer


@staff_page(*HELPERS)
def mend(request: Request, pk: int) -> HttpResponse:
    """Correct a held row and take it in, or drop it with the reason."""
    row = get_object_or_404(
        HeldRow.objects.seen_by(request.actor).select_related("intake__company"), pk=pk, state="open"
    )
    dropping = request.POST.get("act") == "drop"
    form = MendForm(request.POST if request.method == "POST" and not dropping else None, initial=row.row)
    drop = ReasonForm(request.POST if dropping else None, auto_id="drop_%s")
    problem: Problem | None = None
    if request.method == "POST" and dropping and drop.is_valid():
        verbs.dismiss_row(request.actor, held=row, reason=drop.cleaned_data["reason"])
        messages.success(request, _("Đã bỏ dòng %(line)d.") % {"line": row.line})
        return redirect("declarations:sheets")
    if request.method == "POST" and not dropping and form.is_valid():
        try:
            verbs.mend_row(request.actor, held=row, cells=form.cleaned_data)
        except Problem as wrong:
            problem = wrong
        else:
            messages.success(request, _("Đã nhận dòng %(line)d.") % {"line": row.line})
            return redirect("declarations:sheets")
    read(request.actor, "declarations.held_row", subject=row)
    wrong_now = problem is not None or bool(form.errors or drop.errors)
    return render(
        request,
        "declarations/mend.html",
        {"row": row, "form": form, "drop": drop, "problem": problem},
        status=422 if wrong_now else 200,
    )


@staff_page(*HELPERS)
def companies(request: Request) -> HttpResponse:
    """Companies with an address of their own; a new one's address is shown once."""
    form = CompanyForm(request.POST or None, units=communes_of(request.actor, *HELPERS))
    if request.method == "POST" and form.is_valid():
        try:
            made, token = verbs.open_company(request.actor, **form.cleaned_data)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            address = settings.KHIEN_URL + reverse("declarations:company", args=[token])
            request.session[_NEW_ADDRESS] = [made.name, address]
            return redirect("declarations:companies")
    context = {
        "form": form,
        "companies": reads.companies(request.actor),
        "new": request.session.pop(_NEW_ADDRESS, None),
    }
    return render(request, "declarations/companies.html", context, status=422 if form.errors else 200)


@staff_page(*HELPERS)
@require_POST
def close(request: Request, pk: int) -> HttpResponse:
    """A company's address ends."""
    row = get_object_or_404(Company.objects.seen_by(request.actor), pk=pk)
    verbs.close_company(request.actor, company=row)
    messages.success(request, _("Đã đóng địa chỉ của %(name)s.") % {"name": row.name})
    return redirect("declarations:companies")


@public_page
def company(request: Request, token: str) -> HttpResponse:
    """The secret address: exchanged at once for a place in the session, so that the token stands in no address bar,
    bookmark, screenshot or `Referer` afterwards."""
    who = reads.company_of(hash_of(token))
    request.session[_COMPANY] = [who.token_hash, int(timezone.now().timestamp())]
    if request.method == "POST":
        return _company_page(request, who)
    return redirect("declarations:company_sheet")


@public_page
@never_cache
def company_sheet(request: Request) -> HttpResponse:
    """A company sends its sheet: each row's answer is shown to the company, held rows also to the commune."""
    token_hash, since = request.session.get(_COMPANY, ["", 0])
    if not token_hash or timezone.now().timestamp() - since > COMPANY_S:
        request.session.pop(_COMPANY, None)
        raise NotFound(
            _("Phiên gửi bảng đã hết."), way_out=_("Mở lại địa chỉ mà y tế xã đã cấp cho cơ quan.")
        )
    return _company_page(request, reads.company_of(token_hash))


def _company_page(request: Request, who: Company) -> HttpResponse:
    form = SheetForm(request.POST or None, request.FILES or None)
    answer = None
    if request.method == "POST" and form.is_valid():
        answer = _taken_in(request, form, unit=who.unit, company=who)
    context = {"company": who, "form": form if answer is None else SheetForm(), "answer": answer}
    return render(request, "declarations/company.html", context, status=422 if form.errors else 200)


def _taken_in(request: Request, form: SheetForm, **whose: Any) -> verbs.SheetAnswer | None:
    """What became of each row of the uploaded sheet; None when the file was refused, which the form then says."""
    file = form.cleaned_data["file"]
    try:
        return verbs.import_sheet(
            request.actor,
            rows=rows.read(file.name, file.read()),
            agreed=form.cleaned_data["agreed"],
            **whose,
        )
    except Problem as wrong:
        form.add_error(wrong.field if wrong.field in form.fields else "file", str(wrong))
        return None
