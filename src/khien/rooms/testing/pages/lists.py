"""Lists and files: who is to be sampled, which tubes are where, one tube."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff import Role
from khien.kernel.staff.reads import communes_of
from khien.rooms.testing import reads, verbs
from khien.rooms.testing.forms import ReasonForm, RequestFilter, SpecimenFilter
from khien.rooms.testing.models import WORKERS, SamplingRequest
from khien.rooms.testing.verbs.requests import ASKERS

PAGE = 50


@staff_page(*ASKERS)
def requests(request: Request) -> HttpResponse:
    """People to sample, by day and commune."""
    form = RequestFilter(request.GET, units=communes_of(request.actor, *ASKERS))
    given = form.cleaned_data if form.is_valid() else {}
    unit = given.get("unit")
    rows = reads.open_requests(
        request.actor,
        until=given.get("until"),
        unit_path=unit.path if unit else "",
        reason=given.get("reason", ""),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    read(request.actor, "testing.requests", persons=reads.person_ids(page.object_list))
    context = {"form": form, "page": page, "today": clock.today()}
    return render(request, "testing/requests.html", context)


@staff_page(*ASKERS)
def cancel(request: Request, pk: int) -> HttpResponse:
    """Take somebody off the list, with the reason."""
    asked = get_object_or_404(SamplingRequest.objects.seen_by(request.actor).select_related("person"), pk=pk)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            verbs.cancel_request(request.actor, request=asked, reason=form.cleaned_data["reason"])
        except Problem as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(request, _("Đã bỏ yêu cầu lấy mẫu."))
            return redirect("testing:requests")
    read(request.actor, "testing.requests", persons=[asked.person_id])
    context = {"form": form, "asked": asked}
    return render(request, "testing/cancel.html", context, status=422 if form.errors else 200)


@staff_page(*WORKERS)
def specimens(request: Request) -> HttpResponse:
    """Tubes and where they stand."""
    form = SpecimenFilter(request.GET, units=communes_of(request.actor, *WORKERS))
    given = form.cleaned_data if form.is_valid() else {}
    unit = given.get("unit")
    rows = reads.specimens(
        request.actor,
        start=given.get("start"),
        end=given.get("end"),
        unit_path=unit.path if unit else "",
        state=given.get("state", ""),
        text=given.get("q", ""),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    results = reads.current_results(shown)
    read(request.actor, "testing.specimens", persons=reads.person_ids(shown))
    context = {
        "form": form,
        "page": page,
        "rows": [(specimen, results.get(specimen.pk)) for specimen in shown],
        "wrong_dates": _backwards(given.get("start"), given.get("end")),
    }
    return render(request, "testing/specimens.html", context)


@staff_page(*WORKERS)
def specimen(request: Request, barcode: str) -> HttpResponse:
    """One tube: whose, when, and every version of its result."""
    found = reads.specimen_by_barcode(request.actor, barcode)
    read(request.actor, "testing.specimen", persons=[found.person_id], subject=found)
    context = {
        "specimen": found,
        "versions": reads.versions(request.actor, found),
        "may_correct": request.actor.covers(found.unit, Role.LABORATORY),
    }
    return render(request, "testing/specimen.html", context)


def _backwards(start: date | None, end: date | None) -> bool:
    return start is not None and end is not None and end < start
