"""What any phone opens from a poster: a light page on which somebody checks in within ten seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.core import signing
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page

from khien.kernel import clock
from khien.kernel.doors import Request, public_page
from khien.kernel.doors.address import block_of
from khien.kernel.errors import Invalid, NotFound, Problem
from khien.kernel.people.models import Person
from khien.kernel.places import reads as places
from khien.kernel.staff.reads import NOBODY
from khien.rooms.checkpoints import passes, poster_parts, posters, verbs
from khien.rooms.checkpoints.models import Direction
from khien.rooms.checkpoints.verbs.checkins import MOST_COMPANIONS, lost_poster

SALT = "khien.checkpoints.checked_in"
SHOWN_S = 600
"""For so long a confirmation says that it is of now."""


@public_page
@gzip_page
def at_place(request: Request, code: str) -> HttpResponse:
    """The place; one button for who has signed in or holds a pass here, a number and a name for everybody else."""
    check = request.GET.get("m", "")
    known = posters.read(code, check)
    if known is None:
        raise NotFound(
            _("Áp phích này không do hệ thống in."), way_out=_("Báo người trực, và quét mã ở nơi khác.")
        )
    if known.state == "lost":
        raise lost_poster()
    problem = None
    if request.method == "POST":
        try:
            return _checked_in(request, code, check)
        except Problem as fault:
            problem = fault
    person = Person.objects.filter(pk=request.actor.person_id or 0).first()
    context = {
        "place": known.place,
        "old": known.state == "replaced",
        "today": clock.today().isoformat(),
        "problem": problem,
        "who": passes.mask_name(person.full_name) if person is not None else "",
        "given": request.POST,
        "companions": _companions(request),
        "most": MOST_COMPANIONS,
        "new_id": request.POST.get("id") or uuid4(),
    }
    return render(
        request,
        "checkpoints/at_place.html",
        context,
        status=200 if problem is None else problem.status,
    )


@public_page
def part(request: Request, version: str, name: str) -> HttpResponse:
    """The style sheet or a script of these pages, of the version that is served now."""
    found = poster_parts.parts().get(name)
    if found is None or version != poster_parts.version():
        raise NotFound()
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return HttpResponse(found.plain, content_type=found.kind, headers=headers)
    return HttpResponse(
        found.packed, content_type=found.kind, headers={**headers, "Content-Encoding": "gzip"}
    )


@public_page
@gzip_page
def checked_in(request: Request, token: str) -> HttpResponse:
    """The confirmation to hold up to the guard: place, time, how many. It says how old it is, and moves."""
    try:
        code, moment, direction, people, again = signing.loads(token, salt=SALT)
    except signing.BadSignature as fault:
        raise NotFound() from fault
    place = places.by_code(code)
    if place is None:
        raise NotFound()
    at = datetime.fromtimestamp(moment, UTC)
    age_s = max(0, int((clock.now() - at).total_seconds()))
    context = {
        "place": place,
        "at": at,
        "day": clock.local(at).date().isoformat(),
        "leaving": direction == Direction.OUT,
        "direction": direction,
        "people": people,
        "again": again,
        "age_s": age_s,
        "fresh": age_s <= SHOWN_S,
    }
    answer = render(request, "checkpoints/checked_in.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _checked_in(request: Request, code: str, check: str) -> HttpResponse:
    given: Any = request.POST
    try:
        event_id = UUID(given.get("id", ""))
    except ValueError as fault:
        raise Invalid(
            _("Trang này mở đã lâu."), field="id", way_out=_("Quét lại áp phích rồi ghi nhận.")
        ) from fault
    # A member of staff who scans a poster is a visitor like any other.
    noted = verbs.check_in_by_poster(
        request.actor if request.actor.kind == "resident" else NOBODY,
        place_code=code,
        check=check,
        direction=given.get("direction", ""),
        event_id=event_id,
        block=block_of(request),
        pass_text=given.get("pass", ""),
        number=given.get("number", ""),
        name=given.get("name", ""),
        companions=_companions(request),
    )
    token = signing.dumps(
        [noted.place_code, int(noted.at.timestamp()), noted.direction, noted.people, noted.again], salt=SALT
    )
    return redirect("checkpoints:checked_in", token)


def _companions(request: Request) -> list[str]:
    """One name a line, or one a field."""
    lines = "\n".join(request.POST.getlist("companions")).splitlines()
    return [line.strip() for line in lines if line.strip()][: MOST_COMPANIONS + 1]
