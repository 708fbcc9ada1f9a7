"""The gate: the guard's page, and what a phone opens from a poster."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.doors import Request, public_page, staff_page
from khien.kernel.errors import NotFound
from khien.kernel.places import reads as places
from khien.rooms.checkpoints import posters, verbs
from khien.rooms.checkpoints.models import Direction
from khien.rooms.checkpoints.verbs.scans import SCANNERS

PLACES_AT_A_GATE = 300


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
