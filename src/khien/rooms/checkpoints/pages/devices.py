"""Devices and the codes that enrol them."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.documents import qr
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff import Role
from khien.kernel.staff import verbs as staff_verbs
from khien.rooms.checkpoints import reads
from khien.rooms.checkpoints.forms import DeviceForm

CLOCK_WRONG_MS = 120_000


@staff_page(Role.ADMINISTRATOR, Role.COMMUNE_OFFICER)
def device_list(request: Request) -> HttpResponse:
    """Devices with what they last said of themselves; for administrators a one-time code for a new one, shown once."""
    keeper = request.actor.has(Role.ADMINISTRATOR)
    posted = request.POST if keeper and request.method == "POST" else None
    form = DeviceForm(posted, actor=request.actor, roles=(Role.ADMINISTRATOR,))
    made = problem = None
    if posted is not None and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            row, code = staff_verbs.make_enrolment_code(request.actor, place_ids=given.pop("places"), **given)
        except Problem as fault:
            problem = fault
        else:
            address = request.build_absolute_uri(reverse("checkpoints:gate"))
            # After the mark, so that no server's log ever holds the code.
            picture = mark_safe(qr.svg(f"{address}#{code}"))  # noqa: S308 - our own SVG
            made = {"row": row, "code": code, "picture": picture}
            form = DeviceForm(actor=request.actor, roles=(Role.ADMINISTRATOR,))
    page = Paginator(reads.devices(request.actor), 50).get_page(request.GET.get("page"))
    now = clock.now()
    rows = [
        (device, reads.is_behind(device, now), abs(device.clock_offset_ms or 0) > CLOCK_WRONG_MS)
        for device in page
    ]
    behind = sum(is_behind for _device, is_behind, _wrong in rows)
    context = {
        "form": form,
        "page": page,
        "rows": rows,
        "made": made,
        "problem": problem,
        "keeper": keeper,
        "behind": behind,
        "app": request.build_absolute_uri(reverse("checkpoints:gate")),
    }
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
