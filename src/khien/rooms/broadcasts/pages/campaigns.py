"""How campaigns stand, and the few things that may be done to them; the switch for everything."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.rooms.broadcasts.models import READERS, Campaign
from khien.rooms.broadcasts.reads import campaigns as reads
from khien.rooms.broadcasts.verbs import campaigns as verbs
from khien.rooms.broadcasts.verbs import switch as switch_verbs

PAGE = 30
WIDTH = 1000
"""Of the picture, in its own units."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of the bar: what it counts, where it lies, how it is drawn."""

    state: str
    label: str
    count: int
    x: float
    width: float
    fill: str


class StopForm(forms.Form):
    because = forms.CharField(
        label=gettext_lazy("Vì sao phải dừng"),
        max_length=200,
        help_text=gettext_lazy("Mọi cán bộ sẽ thấy, và lưu trong nhật ký."),
    )


@staff_page(*READERS)
def index(request: Request) -> HttpResponse:
    """Campaigns, latest first."""
    page = Paginator(reads.campaigns(request.actor), PAGE).get_page(request.GET.get("page"))
    totals = reads.many_totals([row.pk for row in page.object_list])
    rows = [
        {
            "campaign": row,
            "totals": totals.get(row.pk, reads.Totals()),
            "bar": bar(totals.get(row.pk, reads.Totals())),
        }
        for row in page.object_list
    ]
    context = {"page": page, "rows": rows, "switch": reads.switch()}
    return render(request, "broadcasts/campaigns.html", context)


@staff_page(*READERS)
def campaign(request: Request, pk: int) -> HttpResponse:
    """One campaign: a picture, then the numbers; refreshed while it runs."""
    found = _found(request, pk)
    progress = reads.progress(request.actor, found)
    State = Campaign.State
    may = request.actor.covers(found.unit, *verbs.HOLDERS)
    context = {
        "campaign": found,
        "progress": progress,
        "totals": progress.totals,
        "bar": bar(progress.totals),
        "carriers": [(part, bar(part.totals)) for part in progress.carriers],
        "percent": 100 * progress.totals.answered / max(1, progress.totals.total),
        "left": _duration(progress.left_s),
        "is_live": found.ended_at is None,
        "may_pause": may and found.state in (State.WAITING, State.CANARY, State.RUNNING),
        "may_resume": may and found.state == State.PAUSED,
        "may_cancel": may and found.state in (State.WAITING, State.CANARY, State.RUNNING, State.PAUSED),
        "may_resend": may and bool(progress.totals.unknown) and found.state != State.CANCELLED,
    }
    if request.htmx:
        return render(request, "broadcasts/_campaign.html", context)
    return render(request, "broadcasts/campaign.html", context)


@staff_page(*READERS)
def units(request: Request, pk: int) -> HttpResponse:
    """The numbers of one campaign by carrier and unit as CSV."""
    found = _found(request, pk)
    progress = reads.progress(request.actor, found)
    answer = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="campaign-{found.pk}.csv"'
    writer = csv.writer(answer)
    names = [state for state, _label, _fill in _pieces()]
    writer.writerow([_("Nhóm"), _("Tên"), _("Số máy"), *(label for _state, label, _fill in _pieces())])
    for group, parts in ((_("Nhà mạng"), progress.carriers), (_("Địa bàn"), progress.units)):
        for part in parts:
            counts = (getattr(part.totals, name) for name in names)
            writer.writerow([group, part.name, part.totals.total, *counts])
    return answer


@staff_page(*verbs.HOLDERS)
def pause(request: Request, pk: int) -> HttpResponse:
    """Nothing more is claimed."""
    return _act(
        request, pk, lambda found: verbs.pause_campaign(request.actor, campaign=found), _("Đã tạm dừng.")
    )


@staff_page(*verbs.HOLDERS)
def resume(request: Request, pk: int) -> HttpResponse:
    """Go on."""
    return _act(
        request, pk, lambda found: verbs.resume_campaign(request.actor, campaign=found), _("Đã cho gửi tiếp.")
    )


@staff_page(*verbs.HOLDERS)
def cancel(request: Request, pk: int) -> HttpResponse:
    """Cancel what is queued."""
    return _act(
        request,
        pk,
        lambda found: verbs.cancel_campaign(request.actor, campaign=found),
        _("Đã hủy phần chưa gửi."),
    )


@staff_page(*verbs.HOLDERS)
def resend(request: Request, pk: int) -> HttpResponse:
    """Send what is unknown once more; a person decides."""
    return _act(
        request,
        pk,
        lambda found: verbs.resend_unknown(request.actor, campaign=found),
        _("Tin chưa rõ sẽ được gửi lại."),
    )


@staff_page(*READERS)
def switch(request: Request) -> HttpResponse:
    """The switch that stops every message of this installation."""
    form = StopForm(request.POST or None) if request.method == "POST" else StopForm()
    if request.method == "POST":
        try:
            if "allow" in request.POST:
                switch_verbs.allow_all(request.actor)
                messages.success(request, _("Tin được gửi trở lại."))
                return redirect("broadcasts:switch")
            if form.is_valid():
                switch_verbs.stop_all(request.actor, because=form.cleaned_data["because"])
                messages.success(request, _("Đã dừng mọi tin."))
                return redirect("broadcasts:switch")
        except Problem as wrong:
            form.add_error(None, str(wrong))
    context = {
        "switch": reads.switch(),
        "form": form,
        "may": request.actor.has(*switch_verbs.HOLDERS) and switch_verbs.may_throw(request.actor),
    }
    return render(request, "broadcasts/switch.html", context, status=422 if form.errors else 200)


def bar(totals: reads.Totals) -> list[Piece]:
    """The whole audience as one bar, from what is surest to what has not begun. Ink only: the colours of levels say
    something else in this house."""
    pieces, x = [], 0.0
    for state, label, fill in _pieces():
        count = getattr(totals, state)
        width = WIDTH * count / max(1, totals.total)
        pieces.append(Piece(state, label, count, round(x, 2), round(width, 2), fill))
        x += width
    return pieces


def _pieces() -> list[tuple[str, str, str]]:
    return [
        ("delivered", _("Đã đến máy"), "ink"),
        ("accepted", _("Tổng đài đã nhận, chưa biết đến máy"), "ink-70"),
        ("sending", _("Đang gửi"), "ink-40"),
        ("queued", _("Chờ gửi"), "empty"),
        ("unknown", _("Chưa rõ"), "dots"),
        ("undelivered", _("Không đến máy"), "lines"),
        ("rejected", _("Bị từ chối"), "cross"),
        ("cancelled", _("Đã hủy"), "crossed"),
    ]


def _found(request: Request, pk: int) -> Campaign:
    found: Campaign = get_object_or_404(
        Campaign.objects.seen_by(request.actor).select_related("unit", "version__bulletin"), pk=pk
    )
    return found


def _act(request: Request, pk: int, act: Callable[[Campaign], object], done: str) -> HttpResponse:
    found = _found(request, pk)
    if request.method == "POST":
        try:
            act(found)
        except Problem as wrong:
            messages.error(request, str(wrong))
        else:
            messages.success(request, done)
    return redirect("broadcasts:campaign", pk=pk)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return _("chưa tới một phút")
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("%(minutes)d phút") % {"minutes": minutes}
    return _("%(hours)d giờ %(minutes)d phút") % {"hours": minutes // 60, "minutes": minutes % 60}
