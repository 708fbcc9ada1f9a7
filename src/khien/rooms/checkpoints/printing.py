"""Questions about printing: the log of orders, how far one is, the pages of a part, the posters of a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import QuerySet
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.rooms.checkpoints.models import CardRow, Poster, PrintPart, PrintRun

RULE = "retention.prints"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an order: its number, posters or cards in it, KB of its pages when `ready`."""

    number: int
    subjects: int
    left_out: int
    ready: bool
    kb: int


def runs(actor: Actor) -> QuerySet[PrintRun]:
    """The orders of the actor's units, newest first; clerks see those of cards."""
    found: QuerySet[PrintRun] = PrintRun.objects.seen_by(actor).select_related("unit").order_by("-made_at")
    if not actor.has(Role.COMMUNE_OFFICER, Role.ADMINISTRATOR):
        found = found.filter(kind=PrintRun.Kind.CARDS)
    return found


def run(actor: Actor, run_id: int) -> PrintRun:
    """One of them. Raises `NotFound`."""
    found = runs(actor).filter(pk=run_id).first()
    if found is None or (found.kind == PrintRun.Kind.CARDS and not actor.has(*CARD_READERS)):
        raise NotFound()
    return found


CARD_READERS = (Role.COMMUNE_OFFICER, Role.CLERK)
"""Sheets of cards bear masked names: an administrator does not read them."""


def parts(run: PrintRun) -> list[Part]:
    """The parts of an order, in their order, without their pages."""
    rows = (
        PrintPart.objects.filter(run=run)
        .annotate(size=Length("content"))
        .order_by("number")
        .values_list("number", "subjects__len", "left_out", "made_at", "size")
    )
    return [
        Part(number, length, left_out, made_at is not None and size is not None, round((size or 0) / 1024))
        for number, length, left_out, made_at, size in rows
    ]


def part(run: PrintRun, number: int) -> PrintPart:
    """One part with its pages. Raises `NotFound` before it is made and after it was removed."""
    found = PrintPart.objects.filter(run=run, number=number, content__isnull=False).first()
    if found is None:
        raise NotFound(
            _("Phần này chưa in xong, hoặc đã được xóa sau số ngày quy định."),
            way_out=_("Tải lại trang; nếu đã xóa thì ra lệnh in mới."),
        )
    return found


def people_on(run: PrintRun, numbers: Sequence[int]) -> list[int]:
    """Whose cards are on these parts; nobody's for posters."""
    if run.kind != PrintRun.Kind.CARDS:
        return []
    rows = PrintPart.objects.filter(run=run, number__in=numbers).values_list("subjects", flat=True)
    return sorted({person for subjects in rows for person in subjects})


def last_day(run: PrintRun) -> date:
    """The last Vietnamese day on which the pages can be fetched."""
    days = int(rules.on(RULE, clock.today()).value["days"])
    return clock.local(run.made_at).date() + timedelta(days=days)


def file_name(run: PrintRun, number: int | None = None) -> str:
    """A name that says nothing of people: what, which unit's code, which order, which part."""
    kind = "ap-phich" if run.kind == PrintRun.Kind.POSTERS else "the-giay"
    name = f"{kind}-{run.unit.code}-{run.pk}"
    return name if number is None else f"{name}-{number:03d}"


def held_rows(actor: Actor) -> QuerySet[CardRow]:
    """Rows of lists for which no card was ordered yet, newest list first."""
    rows: QuerySet[CardRow] = CardRow.objects.seen_by(actor).filter(state=CardRow.State.OPEN)
    return rows.select_related("intake__unit").order_by("-intake__at", "line")


def posters_of(actor: Actor, place_id: int) -> list[Poster]:
    """The posters that a place has had, newest first."""
    return list(Poster.objects.seen_by(actor).filter(place=place_id).order_by("-serial"))


def current_poster(place_id: int) -> Poster | None:
    """The poster of a place that is in use; None while only unnumbered ones were printed."""
    return Poster.objects.filter(place=place_id, replaced_at__isnull=True, lost_at__isnull=True).first()
