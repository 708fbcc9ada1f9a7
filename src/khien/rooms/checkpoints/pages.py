"""The person's doors: the gate, places and their posters, passes, devices, what was held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.documents import qr
from khien.kernel.doors import Request, public_page, resident_page, staff_page
from khien.kernel.errors import NotFound, Problem
from khien.kernel.people import reads as people
from khien.kernel.people.models import Person
from khien.kernel.places import reads as places
from khien.kernel.places import verbs as place_verbs
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.kernel.staff import verbs as staff_verbs
from khien.rooms.checkpoints import papers, posters, reads, verbs
from khien.rooms.checkpoints.forms import DeviceForm, PlaceFilter, PlaceForm
from khien.rooms.checkpoints.models import Direction, PassCard
from khien.rooms.checkpoints.verbs.passes import text_of
from khien.rooms.checkpoints.verbs.scans import SCANNERS

app_name = "checkpoints"

PLACES_AT_A_GATE = 300
COVERAGE_DAYS = 14
KEEPERS = place_verbs.KEEPERS


# The gate


@staff_page(*SCANNERS)
def scan(request: Request) -> HttpResponse:
    """The guard's page: camera, hand scanner or typing; without scripts, one scan a form."""
    code = request.GET.get("place", "") or request.POST.get("place", "")
    here = places.listed(request.actor).filter(unit__in=_units_of_gate(request)).exclude(kind_id="home")
    answer = None
    if request.method == "POST":
        event = {
            "id": request.POST.get("id", ""),
            "place": code,
            "at": clock.now().isoformat(),
            "direction": request.POST.get("direction", ""),
            "method": "manual",
            "code": request.POST.get("code", ""),
        }
        answer = verbs.store_scans(request.actor, [event]).answers[0]
    context = {
        "places": here[:PLACES_AT_A_GATE],
        "chosen": code,
        "direction": request.POST.get("direction", Direction.IN),
        "answer": answer,
        "new_id": uuid4(),
    }
    return render(request, "checkpoints/scan.html", context)


def _units_of_gate(request: Request) -> Any:
    """The units in which the actor scans (a leader's units, say, give no gate)."""
    from khien.kernel.units.models import AdminUnit

    chosen = AdminUnit.objects.none()
    for prefix in request.actor.paths(*SCANNERS):
        chosen = chosen | AdminUnit.objects.filter(path__startswith=prefix)
    return chosen.values("pk")


@public_page
def at_place(request: Request, code: str) -> HttpResponse:
    """What a phone opens from a poster: the place and, for a resident who has signed in, one button."""
    place = places.by_code(code)
    check = request.GET.get("m", "")
    if place is None or not posters.is_ours(place.code, check):
        raise NotFound(
            _("Áp phích này không do hệ thống in."), way_out=_("Báo người trực, và quét mã ở nơi khác.")
        )
    if request.method == "POST":
        direction = request.POST.get("direction", Direction.UNKNOWN)
        verbs.check_in(request.actor, place_code=place.code, check=check, direction=direction)
        messages.success(
            request, _("Đã ghi nhận lúc %(at)s.") % {"at": clock.local(clock.now()).strftime("%H:%M")}
        )
        return redirect(f"{request.path}?m={check}")
    return render(request, "checkpoints/at_place.html", {"place": place, "check": check})


# Passes


@resident_page
def phone_pass(request: Request) -> HttpResponse:
    """The resident's own pass on the phone."""
    person = Person.objects.get(pk=request.actor.person_id or 0)
    if request.method == "POST":
        verbs.issue_pass(request.actor, person=person, kind=PassCard.Kind.PHONE)
        return redirect("checkpoints:pass")
    card = reads.valid_card(person.pk, PassCard.Kind.PHONE, clock.now())
    picture = mark_safe(qr.svg(text_of(card), error="m")) if card is not None else ""  # noqa: S308 - our own SVG
    return render(request, "checkpoints/pass.html", {"card": card, "picture": picture, "person": person})


@staff_page(Role.COMMUNE_OFFICER, Role.CLERK)
def paper_pass(request: Request, public_id: Any) -> HttpResponse:
    """Issue a paper pass and hand out its PDF; the one that the person had ends."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    person = people.get(request.actor, public_id)
    card = verbs.issue_pass(request.actor, person=person, kind=PassCard.Kind.PAPER)
    return _pdf(papers.paper_card(card), "the-khien.pdf")


@staff_page(Role.COMMUNE_OFFICER, Role.CLERK)
def revoke(request: Request, card_id: int) -> HttpResponse:
    """A lost pass ends now."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    verbs.revoke_pass(request.actor, card=reads.card(request.actor, card_id))
    messages.success(request, _("Thẻ đã hết hiệu lực."))
    return redirect(_back(request))


# Places


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
    """The poster to print."""
    place = places.get(request.actor, place_id)
    return _pdf(papers.poster(place), f"ap-phich-{place.code}.pdf")


# Devices


@staff_page(Role.ADMINISTRATOR)
def device_list(request: Request) -> HttpResponse:
    """Devices, and a one-time code for a new one, shown once."""
    form = DeviceForm(request.POST or None, actor=request.actor, roles=(Role.ADMINISTRATOR,))
    made = problem = None
    if request.method == "POST" and form.is_valid():
        try:
            row, code = staff_verbs.make_enrolment_code(request.actor, **form.cleaned_data)
        except Problem as fault:
            problem = fault
        else:
            picture = mark_safe(qr.svg(code))  # noqa: S308 - our own SVG
            made = {"row": row, "code": code, "picture": picture}
            form = DeviceForm(actor=request.actor, roles=(Role.ADMINISTRATOR,))
    page = Paginator(reads.devices(request.actor), 50).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "made": made, "problem": problem}
    return render(request, "checkpoints/devices.html", context)


@staff_page(Role.ADMINISTRATOR)
def device_state(request: Request, device_id: int) -> HttpResponse:
    """Revoke, suspend or resume a device."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    device = reads.device(request.actor, device_id)
    state = request.POST.get("state")
    if state == "revoked":
        staff_verbs.revoke_device(request.actor, device=device)
    else:
        staff_verbs.suspend_device(request.actor, device=device, suspended=state == "suspended")
    messages.success(request, _("Đã đổi trạng thái thiết bị."))
    return redirect("checkpoints:devices")


# What was held


@staff_page(Role.COMMUNE_OFFICER, Role.ADMINISTRATOR)
def held(request: Request) -> HttpResponse:
    """What the batch door could not take, with its reason."""
    settled = request.GET.get("settled") == "1"
    page = Paginator(reads.held(request.actor, settled=settled), 50).get_page(request.GET.get("page"))
    read(request.actor, "checkpoints.held", rows=[row.pk for row in page])
    shown = {"page": page, "settled": settled, "clashes": reads.clashes(request.actor)}
    return render(request, "checkpoints/held.html", shown)


@staff_page(Role.COMMUNE_OFFICER, Role.ADMINISTRATOR)
def settle(request: Request, held_id: int) -> HttpResponse:
    """Somebody has looked at it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    verbs.settle_held(request.actor, held_id=held_id)
    return redirect("checkpoints:held")


def _pdf(content: bytes, name: str) -> HttpResponse:
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"},
    )


def _back(request: Request) -> str:
    """The page that the form stood on, when it is one of ours."""
    from django.utils.http import url_has_allowed_host_and_scheme

    target = request.POST.get("next", "")
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else "/desk/"


urlpatterns = [
    path("scan/", scan, name="scan"),
    path("at/<slug:code>/", at_place, name="at_place"),
    path("pass/", phone_pass, name="pass"),
    path("people/<uuid:public_id>/pass/", paper_pass, name="paper_pass"),
    path("passes/<int:card_id>/revoke/", revoke, name="revoke"),
    path("places/", place_list, name="places"),
    path("places/new/", place_new, name="place_new"),
    path("places/<int:place_id>/", place_page, name="place"),
    path("places/<int:place_id>/edit/", place_edit, name="place_edit"),
    path("places/<int:place_id>/state/", place_state, name="place_state"),
    path("places/<int:place_id>/poster.pdf", place_poster, name="poster"),
    path("devices/", device_list, name="devices"),
    path("devices/<int:device_id>/state/", device_state, name="device_state"),
    path("held/", held, name="held"),
    path("held/<int:held_id>/settle/", settle, name="settle"),
]
