"""The gate: the guard's page."""

from __future__ import annotations

from uuid import uuid4

from django.http import HttpResponse
from django.shortcuts import render

from khien.kernel import clock
from khien.kernel.doors import Request, staff_page
from khien.kernel.places import reads as places
from khien.kernel.staff.scope import within
from khien.rooms.checkpoints import verbs
from khien.rooms.checkpoints.models import Direction
from khien.rooms.checkpoints.verbs.scans import SCANNERS

PLACES_AT_A_GATE = 300


@staff_page(*SCANNERS)
def scan(request: Request) -> HttpResponse:
    """The guard's page: camera, hand scanner or typing; without scripts, one scan a form."""
    code = request.GET.get("place", "") or request.POST.get("place", "")
    # Where the actor scans: a leader's units, say, give no gate.
    here = places.listed(request.actor).filter(within(request.actor, "unit__path", *SCANNERS))
    here = here.exclude(kind_id="home")
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
