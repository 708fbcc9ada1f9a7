"""Carriers with their ranges and contracts, and files of ported numbers."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.rooms.broadcasts import ported
from khien.rooms.broadcasts.audience_forms import CarrierForm, PortedForm
from khien.rooms.broadcasts.models import READERS, Carrier, PortedIntake
from khien.rooms.broadcasts.reads import carriers as reads
from khien.rooms.broadcasts.verbs import carriers as verbs

PAGE = 50


@staff_page(*READERS)
def carriers(request: Request) -> HttpResponse:
    """All carriers as their contracts say."""
    rows = [
        (row, " ".join(sorted(prefix.prefix.replace("+84", "0") for prefix in row.prefixes.all())))
        for row in reads.carriers()
    ]
    context = {"rows": rows, "counts": reads.counts(), "may_change": request.actor.has(*verbs.KEEPERS)}
    return render(request, "broadcasts/carriers.html", context)


@staff_page(*verbs.KEEPERS)
def new_carrier(request: Request) -> HttpResponse:
    """Another carrier."""
    return _save(request, None)


@staff_page(*verbs.KEEPERS)
def carrier(request: Request, code: str) -> HttpResponse:
    """Change one carrier."""
    return _save(request, get_object_or_404(Carrier.objects.prefetch_related("prefixes"), code=code))


@staff_page(*verbs.KEEPERS)
def ported_numbers(request: Request) -> HttpResponse:
    """Take in a file; see what earlier ones left waiting."""
    form = PortedForm(request.POST or None, request.FILES or None)
    answer = None
    if request.method == "POST" and form.is_valid():
        try:
            rows = ported.read_csv(form.cleaned_data["file"].read())
            answer = verbs.import_ported(request.actor, rows=rows)
        except Problem as wrong:
            form.add_error("file", str(wrong))
    context = {
        "form": form if answer is None else PortedForm(),
        "answer": answer,
        "ported": reads.counts()["ported"],
        "intakes": reads.ported_intakes()[:20],
        "page": Paginator(reads.held_ported(), PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "broadcasts/ported.html", context, status=422 if form.errors else 200)


@staff_page(*verbs.KEEPERS)
def dismiss_ported(request: Request, pk: int) -> HttpResponse:
    """Drop what one file left waiting."""
    row = get_object_or_404(PortedIntake, pk=pk)
    if request.method == "POST":
        count = verbs.dismiss_ported(request.actor, intake=row)
        messages.success(request, _("Đã bỏ %(count)d dòng.") % {"count": count})
    return redirect("broadcasts:ported")


def _save(request: Request, row: Carrier | None) -> HttpResponse:
    form = CarrierForm(request.POST or None, carrier=row)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        if row is not None:
            given["code"] = row.code
        elif Carrier.objects.filter(code=given["code"]).exists():
            form.add_error("code", _("Đã có nhà mạng mang mã này. Chọn mã khác."))
        if not form.errors:
            try:
                verbs.save_carrier(request.actor, **given)
            except Problem as wrong:
                form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
            else:
                messages.success(request, _("Đã lưu nhà mạng."))
                return redirect("broadcasts:carriers")
    context = {"form": form, "carrier": row}
    return render(request, "broadcasts/carrier.html", context, status=422 if form.errors else 200)
