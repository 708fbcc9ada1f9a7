"""Devices and the codes that enrol them."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from khien.kernel.documents import qr
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff import Role
from khien.kernel.staff import verbs as staff_verbs
from khien.rooms.checkpoints import reads
from khien.rooms.checkpoints.forms import DeviceForm


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
