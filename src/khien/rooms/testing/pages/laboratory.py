"""The laboratory: one result after another by keyboard, files, and what could not be taken."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff import Role
from khien.rooms.testing import reads, rows, verbs
from khien.rooms.testing.forms import CorrectionForm, ReasonForm, ResultForm, UploadForm
from khien.rooms.testing.models import HeldRow, Intake

_ASSAY = "testing_assay"
PAGE = 50


@staff_page(Role.LABORATORY)
def laboratory(request: Request) -> HttpResponse:
    """Tube, value, Enter; the next."""
    form = ResultForm(request.POST or None, initial={"assay": request.session.get(_ASSAY, "")})
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            specimen = reads.specimen_by_barcode(request.actor, given.pop("barcode"))
            result = verbs.record_result(request.actor, specimen=specimen, **given)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            request.session[_ASSAY] = given["assay"]
            messages.success(
                request,
                _("Đã ghi ống %(barcode)s: %(value)s.")
                % {"barcode": specimen.barcode, "value": result.get_value_display().lower()},
            )
            return redirect("testing:laboratory")
    latest = reads.latest_entries(request.actor)
    context = {
        "form": form,
        "latest": latest,
        "waiting": reads.waiting_count(request.actor),
        "held": reads.held_rows(request.actor).count(),
    }
    return render(request, "testing/laboratory.html", context, status=422 if form.errors else 200)


@staff_page(Role.LABORATORY)
def correct(request: Request, barcode: str) -> HttpResponse:
    """Another version of a result, with the reason."""
    specimen = reads.specimen_by_barcode(request.actor, barcode)
    was = reads.result_of(request.actor, specimen)
    initial = {"value": was.value, "ct_value": was.ct_value, "assay": was.assay} if was else {}
    form = CorrectionForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            verbs.correct_result(request.actor, specimen=specimen, **form.cleaned_data)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            messages.success(request, _("Đã đính chính. Bản trước vẫn xem được."))
            return redirect("testing:specimen", barcode=specimen.barcode)
    context = {"form": form, "specimen": specimen, "was": was}
    return render(request, "testing/correct.html", context, status=422 if form.errors else 200)


@staff_page(Role.LABORATORY)
def intake(request: Request) -> HttpResponse:
    """A file of results: what was stored, what was there already, what is held and why."""
    form = UploadForm(request.POST or None, request.FILES or None)
    answer = None
    if request.method == "POST" and form.is_valid():
        try:
            taken = rows.read_csv(form.cleaned_data["file"].read())
            answer = verbs.import_results(request.actor, rows=taken, source=Intake.Source.CSV)
        except Problem as wrong:
            form.add_error("file", str(wrong))
    context = {
        "form": form if answer is None else UploadForm(),
        "answer": answer,
        "held_rows": [row for row in answer.rows if row.state == "held"] if answer else [],
        "page": Paginator(reads.intakes(request.actor), 20).get_page(request.GET.get("page")),
    }
    return render(request, "testing/intake.html", context, status=422 if form.errors else 200)


@staff_page(Role.LABORATORY)
def held(request: Request) -> HttpResponse:
    """Rows that wait for somebody."""
    page = Paginator(reads.held_rows(request.actor), PAGE).get_page(request.GET.get("page"))
    read(request.actor, "testing.held", rows=[row.pk for row in page.object_list])
    return render(request, "testing/held.html", {"page": page})


@staff_page(Role.LABORATORY)
def retry(request: Request, pk: int) -> HttpResponse:
    """Try a held row again."""
    row = get_object_or_404(HeldRow.objects.seen_by(request.actor), pk=pk)
    if request.method == "POST":
        try:
            verbs.retry_held(request.actor, held=row)
        except Problem as wrong:
            messages.error(request, _("Dòng %(line)d: %(why)s") % {"line": row.line, "why": str(wrong)})
        else:
            messages.success(request, _("Đã nhận dòng %(line)d.") % {"line": row.line})
    return redirect("testing:held")


@staff_page(Role.LABORATORY)
def dismiss(request: Request, pk: int) -> HttpResponse:
    """Drop a held row, with the reason."""
    row = get_object_or_404(HeldRow.objects.seen_by(request.actor), pk=pk)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            verbs.dismiss_held(request.actor, held=row, reason=form.cleaned_data["reason"])
        except Problem as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(request, _("Đã bỏ dòng %(line)d.") % {"line": row.line})
            return redirect("testing:held")
    context = {"form": form, "row": row}
    return render(request, "testing/dismiss.html", context, status=422 if form.errors else 200)
