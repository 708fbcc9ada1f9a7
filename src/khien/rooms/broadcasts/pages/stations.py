"""Loudspeakers: stations, what each is to play, and what has been played where."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from khien.gateways.speech import script
from khien.kernel import clock
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff.reads import communes_of
from khien.rooms.broadcasts.channels import sound
from khien.rooms.broadcasts.forms_channels import (
    MoveForm,
    PlaysFilter,
    SettlePlayForm,
    StationFilter,
    StationForm,
)
from khien.rooms.broadcasts.models import KEEPERS, OPERATORS, READERS, BulletinVersion, Play, Station
from khien.rooms.broadcasts.reads import stations as reads
from khien.rooms.broadcasts.verbs import stations as verbs

LOOKERS = tuple(READERS | OPERATORS)
PAGE = 50


@staff_page(*LOOKERS)
def stations(request: Request) -> HttpResponse:
    """All stations, with what is late at them."""
    form = StationFilter(request.GET)
    sort = form.cleaned_data["sort"] if form.is_valid() else ""
    page = Paginator(reads.stations(request.actor, sort=sort), PAGE).get_page(request.GET.get("page"))
    silent = reads.silent_ids(request.actor)
    return render(
        request,
        "broadcasts/stations.html",
        {
            "form": form,
            "page": page,
            "rows": [(row, row.pk in silent) for row in page.object_list],
            "may_keep": request.actor.has(*KEEPERS),
        },
    )


@staff_page(*KEEPERS)
def edit(request: Request, pk: int = 0) -> HttpResponse:
    """Enter a station, or change one."""
    row = get_object_or_404(Station.objects.seen_by(request.actor), pk=pk) if pk else None
    initial = (
        {}
        if row is None
        else {
            "unit": row.unit_id,
            "name": row.name,
            "kind": row.kind,
            "way": row.way,
            "address": row.address,
            "slots": ", ".join(row.slots),
            "is_active": row.is_active,
        }
    )
    form = StationForm(request.POST or None, initial=initial, units=communes_of(request.actor, *KEEPERS))
    if request.method == "POST" and form.is_valid():
        try:
            saved = verbs.save_station(request.actor, station=row, **form.cleaned_data)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            messages.success(request, _("Đã lưu đài %(name)s.") % {"name": saved.name})
            return redirect("broadcasts:station", pk=saved.pk)
    return render(
        request,
        "broadcasts/station_edit.html",
        {"form": form, "row": row},
        status=422 if form.errors else 200,
    )


@staff_page(*LOOKERS)
@never_cache
def station(request: Request, pk: int) -> HttpResponse:
    """One station: its bulletins in order, and what it said that cannot be so."""
    row = get_object_or_404(Station.objects.seen_by(request.actor).select_related("unit"), pk=pk)
    plays = reads.plays_of(request.actor, row)
    page = Paginator(plays, PAGE).get_page(request.GET.get("page"))
    late = reads.late_ids(plays)
    may_settle = request.actor.covers(row.unit, *OPERATORS)
    return render(
        request,
        "broadcasts/station.html",
        {
            "row": row,
            "page": page,
            "plays": [
                (
                    play,
                    play.pk in late,
                    may_settle and play.state not in (Play.State.PLAYED, Play.State.CANCELLED),
                )
                for play in page.object_list
            ],
            "held": reads.held_reports(request.actor, row)[:20],
            "silent": row.pk in reads.silent_ids(request.actor),
            "may_keep": request.actor.covers(row.unit, *KEEPERS),
            "token": request.session.pop(f"station_token_{pk}", ""),
        },
    )


@require_POST
@staff_page(*KEEPERS)
def token(request: Request, pk: int) -> HttpResponse:
    """A new token, shown once on the next page."""
    row = get_object_or_404(Station.objects.seen_by(request.actor), pk=pk)
    try:
        request.session[f"station_token_{pk}"] = verbs.new_token(request.actor, station=row)
    except Problem as wrong:
        messages.error(request, str(wrong))
    return redirect("broadcasts:station", pk=pk)


@staff_page(*LOOKERS)
def play(request: Request, pk: int) -> HttpResponse:
    """One bulletin at one station: its words and sound, its hour, whether it was played."""
    row = get_object_or_404(
        Play.objects.seen_by(request.actor).select_related("station__unit", "version__bulletin__unit"), pk=pk
    )
    act = request.POST.get("act", "")
    due = clock.local(row.due_at).replace(tzinfo=None)
    move = MoveForm(request.POST if act == "move" else None, initial={"due_at": due, "rank": row.rank})
    settle = SettlePlayForm(request.POST if act in ("played", "not_played") else None)
    wrong_form = None
    if request.method == "POST":
        try:
            if act == "move" and move.is_valid():
                verbs.move_play(
                    request.actor,
                    play=row,
                    due_at=move.cleaned_data["due_at"],
                    rank=move.cleaned_data["rank"] or 0,
                )
                messages.success(request, _("Đã đổi giờ phát."))
                return redirect("broadcasts:play", pk=pk)
            if act in ("played", "not_played") and settle.is_valid():
                verbs.settle_play(
                    request.actor, play=row, played=act == "played", note=settle.cleaned_data["note"]
                )
                messages.success(request, _("Đã ghi nhận."))
                return redirect("broadcasts:station", pk=row.station_id)
        except Problem as wrong:
            wrong_form = move if act == "move" else settle
            wrong_form.add_error(wrong.field if wrong.field in wrong_form.fields else None, str(wrong))
    may = request.actor.covers(row.station.unit, *OPERATORS)
    open_still = row.state not in (Play.State.PLAYED, Play.State.CANCELLED)
    return render(
        request,
        "broadcasts/play.html",
        {
            "row": row,
            "words": sound.words_of(row.version).split("\n"),
            "sound": sound.published(row.version),
            "move": move
            if may and row.priority != Play.Priority.EMERGENCY and row.state in verbs.OPEN
            else None,
            "settle": settle if may and open_still else None,
            "late": reads.late_ids(Play.objects.filter(pk=pk)),
        },
        status=422 if move.errors or settle.errors else 200,
    )


@staff_page(*LOOKERS)
def play_script(request: Request, pk: int) -> HttpResponse:
    """The page that is read aloud at a station without a network, as PDF."""
    row = get_object_or_404(
        Play.objects.seen_by(request.actor).select_related("station__unit", "version__bulletin__unit"), pk=pk
    )
    content = script.pdf_of(
        script.Script(
            title=row.version.title,
            text=sound.script_of(row.version),
            authority=row.version.bulletin.unit.full_name,
            station=f"{row.station.name}, {row.station.unit.full_name}",
            priority=str(row.get_priority_display()),
            number=f"{row.version.bulletin_id}.{row.version.number}/{row.pk}",
            times=[row.due_at],
            repeat=row.repeat,
            valid_until=row.until,
            contact=row.version.contact,
        )
    )
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="kich-ban-{pk}.pdf"', "Cache-Control": "private"},
    )


@staff_page(*LOOKERS)
def bulletin(request: Request, pk: int) -> HttpResponse:
    """How one version stands at every station."""
    version = get_object_or_404(
        BulletinVersion.objects.filter(plays__in=Play.objects.seen_by(request.actor))
        .select_related("bulletin__unit")
        .distinct(),
        pk=pk,
    )
    form = PlaysFilter(request.GET)
    state = form.cleaned_data["state"] if form.is_valid() else ""
    every = reads.plays_for(request.actor, version)
    page = Paginator(reads.plays_for(request.actor, version, state=state), PAGE).get_page(
        request.GET.get("page")
    )
    late = reads.late_ids(every)
    counts = {state.value: 0 for state in Play.State}
    for one in every.values_list("state", flat=True):
        counts[one] += 1
    return render(
        request,
        "broadcasts/plays.html",
        {
            "version": version,
            "form": form,
            "page": page,
            "rows": [(one, one.pk in late) for one in page.object_list],
            "counts": [(state.label, counts[state.value]) for state in Play.State],
            "late": len(late),
        },
    )
