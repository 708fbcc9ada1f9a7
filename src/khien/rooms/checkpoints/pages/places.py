"""Places, what was scanned there, and their posters."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.places import reads as places
from khien.kernel.places import verbs as place_verbs
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.rooms.checkpoints import papers, printing, reads
from khien.rooms.checkpoints.forms import PlaceFilter, PlaceForm
from khien.rooms.checkpoints.pages import pdf

COVERAGE_DAYS = 14
KEEPERS = place_verbs.KEEPERS


@staff_page(*KEEPERS)
def place_list(request: Request) -> HttpResponse:
    """The places of the actor's units."""
    form = PlaceFilter(request.GET)
    asked = form.cleaned_data if form.is_valid() else {}
    found = places.listed(
        request.actor, text=asked.get("q", ""), kind=asked.get("kind", ""), closed=asked.get("closed", False)
    )
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    today = reads.activity(request.actor, clock.today())
    return render(request, "checkpoints/places.html", {"form": form, "page": page, "today": today})


@staff_page(*KEEPERS)
def place_new(request: Request) -> HttpResponse:
    """Put a place on the list."""
    form = PlaceForm(request.POST or None, actor=request.actor, roles=KEEPERS)
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            place = place_verbs.create_place(request.actor, **form.cleaned_data)
        except Problem as fault:
            problem = fault
        else:
            messages.success(request, _("Đã thêm địa điểm. In áp phích và treo ở lối vào."))
            return redirect("checkpoints:place", place.pk)
    return render(request, "checkpoints/place_form.html", {"form": form, "problem": problem})


@staff_page(*KEEPERS)
def place_page(request: Request, place_id: int) -> HttpResponse:
    """One place: what is known of it, and how much was scanned there."""
    place = places.get(request.actor, place_id)
    now = clock.now()
    start = clock.start_of_day(clock.today() - timedelta(days=COVERAGE_DAYS - 1))
    counted = {row.day: row.scans for row in reads.coverage(request.actor, start, now, places=[place.pk])}
    days = [clock.today() - timedelta(days=n) for n in range(COVERAGE_DAYS)]
    return render(
        request,
        "checkpoints/place.html",
        {
            "place": place,
            "days": [(day, counted.get(day, 0)) for day in days],
            "most": max([1, *counted.values()]),
            "posters": printing.posters_of(request.actor, place.pk),
            "may_keep": request.actor.covers(place.unit, *KEEPERS),
        },
    )


@staff_page(*KEEPERS)
def place_edit(request: Request, place_id: int) -> HttpResponse:
    """Correct what is known of a place."""
    place = places.get(request.actor, place_id)
    columns = ("name", "address", "area_m2", "capacity", "contact_name", "contact_phone")
    initial = {"kind": place.kind_id, **{column: getattr(place, column) for column in columns}}
    form = PlaceForm(request.POST or None, initial=initial, actor=request.actor, roles=KEEPERS, editing=True)
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            place_verbs.edit_place(request.actor, place=place, **form.cleaned_data)
        except Problem as fault:
            problem = fault
        else:
            messages.success(request, _("Đã sửa."))
            return redirect("checkpoints:place", place.pk)
    return render(request, "checkpoints/place_form.html", {"form": form, "problem": problem, "place": place})


@staff_page(*KEEPERS)
def place_state(request: Request, place_id: int) -> HttpResponse:
    """Close a place, or open it again."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    place: Place = places.get(request.actor, place_id)
    if request.POST.get("state") == "closed":
        place_verbs.close_place(request.actor, place=place)
        messages.success(request, _("Địa điểm đã đóng."))
    else:
        place_verbs.reopen_place(request.actor, place=place)
        messages.success(request, _("Địa điểm đã mở lại."))
    return redirect("checkpoints:place", place.pk)


@staff_page(*KEEPERS, Role.GUARD)
def place_poster(request: Request, place_id: int) -> HttpResponse:
    """The poster in use, to look at: printing one is counted and has a door of its own."""
    place = places.get(request.actor, place_id)
    row = printing.current_poster(place.pk)
    return pdf.answer(papers.poster(place, row), f"ap-phich-{place.code}.pdf")
