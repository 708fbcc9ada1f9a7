"""The simulated phones: open to everybody in a demo, else to administrators (one-time codes hidden)."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _

from khien.gateways.sms import reads, verbs
from khien.gateways.sms.forms import BehaviourForm
from khien.gateways.sms.models import SimulatedMessage
from khien.gateways.sms.simulator import behaviour
from khien.kernel.doors import Request, public_page, staff_page
from khien.kernel.errors import NotAllowed, NotFound, Problem
from khien.kernel.people.phones import display
from khien.kernel.staff import Role

app_name = "sms"


def _must_be_open(request: Request) -> None:
    if not (settings.KHIEN_DEMO or (request.actor.kind == "staff" and request.actor.has(Role.ADMINISTRATOR))):
        raise NotAllowed(way_out=_("Đăng nhập bằng tài khoản quản trị."))


@public_page
def inbox(request: Request) -> HttpResponse:
    """All simulated phones and the latest messages."""
    _must_be_open(request)
    latest = SimulatedMessage.objects.filter(arrived=True).order_by("-at", "-pk")[:30]
    return render(
        request,
        "sms/inbox.html",
        {"phones": reads.phones(), "messages_shown": [_shown(row) for row in latest]},
    )


@public_page
def phone(request: Request, handle: str) -> HttpResponse:
    """One simulated phone."""
    _must_be_open(request)
    number = reads.number_of(handle)
    if number is None:
        raise NotFound(_("Máy này chưa nhận tin nào."))
    page = Paginator(reads.inbox(number), 50).get_page(request.GET.get("page"))
    return render(
        request,
        "sms/phone.html",
        {"number": display(number), "page": page, "messages_shown": [_shown(row) for row in page]},
    )


@staff_page(Role.ADMINISTRATOR)
def misbehave(request: Request) -> HttpResponse:
    """The simulator's settings."""
    form = BehaviourForm(request.POST or None, instance=behaviour())
    if request.method == "POST" and form.is_valid():
        try:
            verbs.set_behaviour(request.actor, **form.cleaned_data)
        except Problem as problem:
            form.add_error(problem.field or None, str(problem))
        else:
            messages.success(request, _("Đã lưu cách hoạt động của máy giả lập."))
            return redirect("sms:misbehave")
    return render(request, "sms/misbehave.html", {"form": form}, status=422 if form.errors else 200)


def _shown(row: SimulatedMessage) -> dict[str, object]:
    hidden = row.purpose == "one_time_code" and not settings.KHIEN_DEMO
    return {
        "number": display(row.number),
        "handle": reads.handle_of(row.number),
        "text": _("(mã một lần, không hiện ở đây)") if hidden else row.text,
        "at": row.at,
        "parts": row.parts,
        "encoding": row.encoding,
    }


urlpatterns = [
    path("", inbox, name="inbox"),
    path("phones/<str:handle>/", phone, name="phone"),
    path("misbehave/", misbehave, name="misbehave"),
]
