"""Printing by the thousand: an order is written down with all its parts, and each part is made in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from django.db.models import F, Q
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints import papers, posters
from khien.rooms.checkpoints.models import PassCard, Poster, PrintPart, PrintRun
from khien.rooms.checkpoints.verbs.passes import ISSUERS, issue_cards

POSTERS_A_PART = 50
CARDS_A_PART = 80
MOST = 50_000
"""Pages of one order: more would be a truckload; communes are ordered one by one."""
PRINTERS = (Role.COMMUNE_OFFICER, Role.ADMINISTRATOR)
_OPEN = (PrintRun.State.RUNNING, PrintRun.State.STOPPED)


@verb(*PRINTERS, Role.GUARD)
def print_poster(actor: Actor, *, place: Place) -> Poster:
    """The poster of a place that is in use, for one more print of it; the first print makes number 1."""
    actor.must_cover(place.unit, *PRINTERS, Role.GUARD)
    (row,) = _posters_of(actor, [place], renew=False).values()
    record(actor, row, place=place.pk, serial=row.serial)
    return row


@verb(*PRINTERS)
def replace_poster(actor: Actor, *, place: Place) -> Poster:
    """A new code for a place. The old one is still read, with a word that it is old, and its scans stay."""
    actor.must_cover(place.unit, *PRINTERS)
    (row,) = _posters_of(actor, [place], renew=True).values()
    record(actor, row, place=place.pk, serial=row.serial)
    return row


@verb(*PRINTERS)
def report_poster(actor: Actor, *, place: Place, serial: int) -> Poster:
    """A poster was stolen, torn down or pasted over: from now on it is refused with words. Scans made with it stay."""
    actor.must_cover(place.unit, *PRINTERS)
    Place.objects.select_for_update().get(pk=place.pk)
    row = Poster.objects.filter(place=place, serial=serial).first()
    if row is None:
        if serial != posters.UNNUMBERED:
            raise NotFound(_("Địa điểm này không có áp phích số đó."))
        row = Poster(place=place, serial=serial, made_at=place.opened_at, replaced_at=clock.now())
    if row.lost_at is not None:
        unchanged()
        return row
    row.lost_at = clock.now()
    row.save()
    record(actor, row, place=place.pk, serial=serial)
    return row


@verb(*PRINTERS)
def order_posters(
    actor: Actor, *, unit: AdminUnit, kind: str = "", renew: bool = False, missing: bool = False
) -> PrintRun:
    """Order the posters of all open places of a unit, homes left out; of one `kind` only, of places that never had a
    numbered one (`missing`), or with new codes (`renew`). A job makes the pages."""
    actor.must_cover(unit, *PRINTERS)
    found = Place.objects.filter(unit__path__startswith=unit.path, closed_at__isnull=True).exclude(
        kind_id="home"
    )
    if kind:
        found = found.filter(kind_id=kind)
    if missing:
        found = found.exclude(posters__isnull=False)
    ids = list(found.order_by("unit__path", "name_folded", "pk").values_list("pk", flat=True))
    return _ordered(actor, PrintRun.Kind.POSTERS, unit, ids, POSTERS_A_PART, renew=renew)


@verb(*ISSUERS)
def order_cards(
    actor: Actor,
    *,
    unit: AdminUnit,
    people: Sequence[Person] | None = None,
    address: str = "",
    renew: bool = False,
) -> PrintRun:
    """Order paper passes for the people of a commune, of the hamlet, street or household whose `address` has these
    words, or for a list: only those without a valid one, or everybody anew (`renew`), which ends the cards that they
    have. A job makes the sheets."""
    actor.must_cover(unit, *ISSUERS)
    found = Person.objects.seen_by(actor).filter(merged_into__isnull=True)
    if people is None:
        found = found.filter(unit__path__startswith=unit.path)
        if address.strip():
            there = Q(address__icontains=address.strip()) | Q(household__address__icontains=address.strip())
            found = found.filter(there)
    else:
        found = found.filter(pk__in=[person.pk for person in people])
    if not renew:
        held = PassCard.objects.filter(
            kind=PassCard.Kind.PAPER, revoked_at__isnull=True, expires_at__gt=clock.now()
        )
        found = found.exclude(pk__in=held.values("person"))
    ids = list(found.order_by("unit__path", "address", "name_sort", "pk").values_list("pk", flat=True))
    return _ordered(actor, PrintRun.Kind.CARDS, unit, ids, CARDS_A_PART, renew=renew)


@verb()
def print_part(actor: Actor, *, run_id: int) -> int:
    """Make the next part of a run that is not made yet; returns how many pages' subjects it holds, 0 when nothing is
    left to do here (done, stopped, or another worker has the rest)."""
    run = PrintRun.objects.filter(pk=run_id, state=PrintRun.State.RUNNING).first()
    part = (
        PrintPart.objects.select_for_update(skip_locked=True)
        .filter(run=run_id, made_at__isnull=True)
        .order_by("number")
        .first()
        if run is not None
        else None
    )
    if run is None or part is None:
        unchanged()
        return 0
    posters_wanted = run.kind == PrintRun.Kind.POSTERS
    content, made, persons = (
        _poster_part(actor, run, part) if posters_wanted else _card_part(actor, run, part)
    )
    part.content, part.made_at, part.left_out = content, clock.now(), len(part.subjects) - made
    part.save()
    PrintRun.objects.filter(pk=run.pk).update(done=F("done") + len(part.subjects))
    record(actor, run, persons=persons, part=part.number, made=made, left_out=part.left_out)
    return len(part.subjects)


@verb()
def close_run(actor: Actor, *, run_id: int, failure: str = "") -> bool:
    """Write down that all parts of a run are made, or why it stands still; returns whether it did."""
    run = PrintRun.objects.select_for_update().filter(pk=run_id, state=PrintRun.State.RUNNING).first()
    if run is None or (not failure and run.parts.filter(made_at__isnull=True).exists()):
        unchanged()
        return False
    run.state = PrintRun.State.FAILED if failure else PrintRun.State.DONE
    run.failure, run.ended_at = failure[:200], clock.now()
    run.save(update_fields=["state", "failure", "ended_at"])
    record(actor, run, state=run.state, done=run.done)
    return True


@verb(*PRINTERS, Role.CLERK)
def stop_printing(actor: Actor, *, run: PrintRun) -> PrintRun:
    """Stop after the part that is being made; what is made can be fetched, the rest goes on when asked."""
    return _turn(actor, run, (PrintRun.State.RUNNING,), PrintRun.State.STOPPED)


@verb(*PRINTERS, Role.CLERK)
def resume_printing(actor: Actor, *, run: PrintRun) -> PrintRun:
    """Go on where it was stopped or failed: nothing that is made is made again."""
    return _turn(actor, run, (PrintRun.State.STOPPED, PrintRun.State.FAILED), PrintRun.State.RUNNING)


def forget_prints(before: date) -> int:
    """For retention: the pages of runs from before a Vietnamese day, and what was not made of them; the lines stay."""
    runs = PrintRun.objects.filter(made_at__lt=clock.start_of_day(before), gone_at__isnull=True)
    gone = list(runs.values_list("pk", flat=True))
    count, _rows = PrintPart.objects.filter(run__in=gone).delete()
    PrintRun.objects.filter(pk__in=gone).update(gone_at=clock.now())
    PrintRun.objects.filter(pk__in=gone, state__in=_OPEN).update(
        state=PrintRun.State.STOPPED, ended_at=clock.now()
    )
    return count


def _ordered(
    actor: Actor, kind: str, unit: AdminUnit, ids: list[int], a_part: int, *, renew: bool
) -> PrintRun:
    if not ids:
        raise Invalid(
            _("Không có gì để in."),
            field="unit",
            way_out=_("Chọn đơn vị khác, hoặc bỏ bớt điều kiện: mọi nơi, mọi người ở đây đã có rồi."),
        )
    if len(ids) > MOST:
        raise Invalid(
            _("Quá nhiều cho một lệnh in: %(count)d, nhiều nhất %(most)d.")
            % {"count": len(ids), "most": MOST},
            field="unit",
            way_out=_("In từng xã một."),
        )
    # Two officers who press the button at once print once.
    AdminUnit.objects.select_for_update().get(pk=unit.pk)
    if PrintRun.objects.filter(unit=unit, kind=kind, state=PrintRun.State.RUNNING).exists():
        raise Conflict(
            _("Đơn vị này đang có một lệnh in chưa xong."), way_out=_("Đợi lệnh đó xong, hoặc dừng nó.")
        )
    run = PrintRun.objects.create(
        kind=kind, unit=unit, total=len(ids), renew=renew, made_at=clock.now(), made_by=actor.id
    )
    PrintPart.objects.bulk_create(
        PrintPart(run=run, number=number + 1, subjects=ids[start : start + a_part])
        for number, start in enumerate(range(0, len(ids), a_part))
    )
    record(actor, run, kind=kind, total=len(ids), renew=renew)
    _start(run)
    return run


def _turn(actor: Actor, run: PrintRun, sources: tuple[str, ...], target: str) -> PrintRun:
    actor.must_cover(run.unit, *PRINTERS, Role.CLERK)
    run = PrintRun.objects.select_for_update().get(pk=run.pk)
    if run.gone_at is not None:
        raise Conflict(
            _("Lệnh in này đã quá ngày giữ, trang in đã được xóa."), way_out=_("Ra một lệnh in mới.")
        )
    if run.state not in sources:
        unchanged()
        return run
    run.state, run.failure = target, ""
    run.ended_at = None if target == PrintRun.State.RUNNING else clock.now()
    run.save(update_fields=["state", "failure", "ended_at"])
    record(actor, run, state=target, done=run.done)
    if target == PrintRun.State.RUNNING:
        _start(run)
    return run


def _start(run: PrintRun) -> None:
    from khien.rooms.checkpoints.jobs import print_run

    print_run.defer(run_id=run.pk)


def _poster_part(actor: Actor, run: PrintRun, part: PrintPart) -> tuple[bytes | None, int, list[int]]:
    found = (
        Place.objects.select_related("kind", "unit")
        .filter(closed_at__isnull=True)
        .in_bulk(list(part.subjects))
    )
    places = [found[pk] for pk in part.subjects if pk in found]
    rows = _posters_of(actor, places, renew=run.renew, made_by=run.made_by)
    return (papers.poster_pages(places, rows) if places else None), len(places), []


def _card_part(actor: Actor, run: PrintRun, part: PrintPart) -> tuple[bytes | None, int, list[int]]:
    found = (
        Person.objects.select_related("unit").filter(merged_into__isnull=True).in_bulk(list(part.subjects))
    )
    if not run.renew:
        # Whoever got a card since the order keeps it.
        held = PassCard.objects.filter(
            person__in=list(found),
            kind=PassCard.Kind.PAPER,
            revoked_at__isnull=True,
            expires_at__gt=clock.now(),
        )
        for person_id in held.values_list("person_id", flat=True):
            found.pop(person_id, None)
    people = [found[pk] for pk in part.subjects if pk in found]
    cards = issue_cards(people, PassCard.Kind.PAPER)
    return (papers.card_sheets(cards) if cards else None), len(cards), [person.pk for person in people]


def _posters_of(
    actor: Actor, places: Iterable[Place], *, renew: bool, made_by: int | None = None
) -> dict[int, Poster]:
    """The poster in use of each place, by place id; a new one where there is none or `renew`. Counts the print."""
    places, now = list(places), clock.now()
    ids = [place.pk for place in places]
    list(Place.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
    highest: dict[int, int] = {}
    current: dict[int, Poster] = {}
    for row in Poster.objects.filter(place__in=ids):
        highest[row.place_id] = max(highest.get(row.place_id, 0), row.serial)
        if row.state == "current":
            current[row.place_id] = row
    if renew and current:
        Poster.objects.filter(pk__in=[row.pk for row in current.values()]).update(replaced_at=now)
        current = {}
    maker = made_by if made_by is not None else actor.id
    made = Poster.objects.bulk_create(
        Poster(place=place, serial=highest.get(place.pk, 0) + 1, made_at=now, made_by=maker)
        for place in places
        if place.pk not in current
    )
    current |= {row.place_id: row for row in made}
    Poster.objects.filter(pk__in=[row.pk for row in current.values()]).update(
        prints=F("prints") + 1, printed_at=now
    )
    return current
