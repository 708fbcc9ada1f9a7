"""Printing by the thousand: ordering, watching, stopping, going on, fetching the pages."""

from __future__ import annotations

import tempfile
import zipfile
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import NotFound, Problem
from khien.kernel.staff import Role
from khien.rooms.checkpoints import printing, verbs
from khien.rooms.checkpoints.forms import CardListForm, CardOrderForm, PosterOrderForm
from khien.rooms.checkpoints.models import PrintRun
from khien.rooms.checkpoints.pages import pdf
from khien.rooms.checkpoints.verbs.passes import ISSUERS
from khien.rooms.checkpoints.verbs.printing import PRINTERS

EVERYBODY = (*PRINTERS, Role.CLERK)
_FORMS: dict[str, Any] = {"posters": PosterOrderForm, "cards": CardOrderForm}


@staff_page(*EVERYBODY)
def run_list(request: Request) -> HttpResponse:
    """The log of printing, and the two orders that can be given."""
    page = Paginator(printing.runs(request.actor), 30).get_page(request.GET.get("page"))
    return render(request, "checkpoints/prints.html", {"page": page, **_orders(request)})


@staff_page(*EVERYBODY)
def order(request: Request, kind: str) -> HttpResponse:
    """Order posters or paper passes of a commune."""
    if kind not in _FORMS:
        raise NotFound()
    roles = PRINTERS if kind == PrintRun.Kind.POSTERS else ISSUERS
    form = _FORMS[kind](request.POST or None, actor=request.actor, roles=roles)
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            run = (verbs.order_posters if kind == "posters" else verbs.order_cards)(
                request.actor, **form.cleaned_data
            )
        except Problem as fault:
            problem = fault
        else:
            return redirect("checkpoints:print_run", run.pk)
    title = _("In áp phích cho cả xã") if kind == "posters" else _("In thẻ giấy cho cả xã")
    return render(
        request,
        "checkpoints/print_order.html",
        {"form": form, "problem": problem, "title": title, "kind": kind},
    )


@staff_page(*ISSUERS)
def order_list(request: Request) -> HttpResponse:
    """Order paper passes for a list of people; what became of each row."""
    form = CardListForm(request.POST or None, request.FILES or None, actor=request.actor, roles=ISSUERS)
    answer = problem = None
    if request.method == "POST" and form.is_valid():
        try:
            answer = verbs.order_cards_of_list(request.actor, **form.cleaned_data)
        except Problem as fault:
            problem = fault
        else:
            form = CardListForm(actor=request.actor, roles=ISSUERS, initial={"unit": answer.intake.unit_id})
    page = Paginator(printing.held_rows(request.actor), 30).get_page(request.GET.get("page"))
    read(request.actor, "checkpoints.card_rows", rows=[row.pk for row in page.object_list])
    wrong = problem is not None or bool(form.errors)
    return render(
        request,
        "checkpoints/card_list.html",
        {"form": form, "problem": problem, "answer": answer, "page": page},
        status=422 if wrong else 200,
    )


@staff_page(*ISSUERS)
def dismiss_row(request: Request, row_id: int) -> HttpResponse:
    """A held row gets no card, for a reason."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    row = printing.held_rows(request.actor).filter(pk=row_id).first()
    if row is None:
        raise NotFound()
    verbs.dismiss_card_row(request.actor, held=row, reason=request.POST.get("reason", ""))
    messages.success(request, _("Đã bỏ dòng %(line)d.") % {"line": row.line})
    return redirect("checkpoints:card_list")


@staff_page(*EVERYBODY)
def run_page(request: Request, run_id: int) -> HttpResponse:
    """How far an order is; the part with the bar renews itself."""
    run = printing.run(request.actor, run_id)
    template = "checkpoints/_print_run.html" if request.htmx else "checkpoints/print_run.html"
    return render(request, template, {"run": run, "parts": printing.parts(run)})


@staff_page(*EVERYBODY)
def turn(request: Request, run_id: int) -> HttpResponse:
    """Stop an order, or go on with it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    run = printing.run(request.actor, run_id)
    if request.POST.get("act") == "stop":
        verbs.stop_printing(request.actor, run=run)
    else:
        verbs.resume_printing(request.actor, run=run)
    return redirect("checkpoints:print_run", run.pk)


@staff_page(*EVERYBODY)
def part_file(request: Request, run_id: int, number: int) -> HttpResponse:
    """One part as PDF."""
    run = printing.run(request.actor, run_id)
    part = printing.part(run, number)
    _note(request, run, [part.number])
    return pdf.answer(bytes(part.content or b""), f"{printing.file_name(run, number)}.pdf")


@staff_page(*EVERYBODY)
def all_parts(request: Request, run_id: int) -> Any:
    """Everything that is made so far as one ZIP."""
    run = printing.run(request.actor, run_id)
    numbers = [row.number for row in printing.parts(run) if row.ready]
    if not numbers:
        raise NotFound(_("Chưa có trang nào in xong."), way_out=_("Đợi phần đầu xong rồi tải."))
    # The file lives as long as the answer and has no name on the disk.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number in numbers:
            archive.writestr(
                f"{printing.file_name(run, number)}.pdf", bytes(printing.part(run, number).content or b"")
            )
    file.seek(0)
    _note(request, run, numbers)
    answer = FileResponse(file, as_attachment=True, filename=f"{printing.file_name(run)}.zip")
    answer["Cache-Control"] = "no-store"
    return answer


def _note(request: Request, run: PrintRun, numbers: list[int]) -> None:
    """Cards bear masked names and open the gate: who fetched them is written down."""
    persons = printing.people_on(run, numbers)
    if persons:
        read(request.actor, "checkpoints.print_pages", persons=persons, subject=run, parts=numbers)


def _orders(request: Request) -> dict[str, bool]:
    return {
        "may_posters": request.actor.has(*PRINTERS),
        "may_cards": request.actor.has(*ISSUERS),
    }


@staff_page(*PRINTERS, Role.GUARD)
def print_poster(request: Request, place_id: int) -> HttpResponse:
    """Print the poster in use of one place, or make a new code in its place."""
    from khien.kernel.places import reads as places
    from khien.rooms.checkpoints import papers

    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    place = places.get(request.actor, place_id)
    act = verbs.replace_poster if request.POST.get("act") == "replace" else verbs.print_poster
    row = act(request.actor, place=place)
    return pdf.answer(papers.poster(place, row), f"ap-phich-{place.code}-{row.serial}.pdf")


@staff_page(*PRINTERS)
def report_poster(request: Request, place_id: int) -> HttpResponse:
    """A poster was stolen or pasted over: it is refused from now on."""
    from khien.kernel.places import reads as places

    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    place = places.get(request.actor, place_id)
    serial = request.POST.get("serial", "")
    if not serial.isdigit() or len(serial) > 6:
        raise NotFound(_("Địa điểm này không có áp phích số đó."))
    verbs.report_poster(request.actor, place=place, serial=int(serial))
    messages.success(request, _("Áp phích đó không còn dùng được. In áp phích mới để thay."))
    return redirect("checkpoints:place", place.pk)
