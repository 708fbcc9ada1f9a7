"""What the batch door could not take."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render

from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.staff import Role
from khien.rooms.checkpoints import reads, verbs


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
