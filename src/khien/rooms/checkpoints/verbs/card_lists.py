"""Paper cards for a list of people: each row is ordered, a duplicate, or held with its reason until somebody looked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, verb
from khien.kernel.errors import Invalid
from khien.kernel.intakes import waiting
from khien.kernel.language import fold
from khien.kernel.people import reads as people
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints.card_rows import CardLine
from khien.rooms.checkpoints.models import CardList, CardRow, PassCard
from khien.rooms.checkpoints.verbs.passes import ISSUERS
from khien.rooms.checkpoints.verbs.printing import order_cards


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """What became of one row: "stored", "duplicate" or "held", and why not stored."""

    line: int
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """received = stored + duplicate + held, row by row."""

    intake: CardList
    rows: list[LineAnswer] = field(default_factory=list)


@verb(*ISSUERS)
def order_cards_of_list(
    actor: Actor, *, unit: AdminUnit, rows: Sequence[CardLine], renew: bool = False, households: bool = False
) -> ListAnswer:
    """Order one print of paper cards for the people of a list, and with `households` for those who live with them.

    Whoever has a valid card keeps it and is a duplicate, unless `renew`, which ends that card when the new one is made.
    """
    actor.must_cover(unit, *ISSUERS)
    if not rows:
        raise Invalid(
            _("Danh sách trống."), field="text", way_out=_("Dán ít nhất một dòng, hoặc chọn một tệp.")
        )
    meant: list[Person | Invalid] = []
    for row in rows:
        try:
            meant.append(_person(actor, unit, row))
        except Invalid as problem:
            meant.append(problem)
    found = [person for person in meant if isinstance(person, Person)]
    have = set() if renew else _with_cards(found)
    chosen: dict[int, Person] = {}
    answers: list[LineAnswer] = []
    held: list[tuple[CardLine, str]] = []
    for row, person in zip(rows, meant, strict=True):
        if isinstance(person, Invalid):
            held.append((row, str(person)))
            answers.append(LineAnswer(row.line, "held", str(person)))
        elif person.pk in chosen:
            answers.append(LineAnswer(row.line, "duplicate", _("đã có ở dòng trên")))
        elif person.pk in have:
            answers.append(LineAnswer(row.line, "duplicate", _("đang có thẻ còn hạn")))
        else:
            chosen[person.pk] = person
            answers.append(LineAnswer(row.line, "stored"))
    stored = len(chosen)
    if households:
        others = _living_with(actor, list(chosen.values()))
        have = set() if renew else _with_cards(others.values())
        chosen |= {pk: person for pk, person in others.items() if pk not in have}
    run = order_cards(actor, unit=unit, people=list(chosen.values()), renew=renew) if chosen else None
    intake = CardList.objects.create(
        unit=unit,
        run=run,
        at=clock.now(),
        by=actor.id,
        received=len(rows),
        stored=stored,
        duplicate=len(rows) - stored - len(held),
        held=len(held),
        household=len(chosen) - stored,
    )
    for row, why in held:
        waiting.hold(
            CardRow,
            intake,
            line=row.line,
            row=row.stored(),
            digest=row.digest(f"unit:{unit.pk}"),
            reason=why,
        )
    record(actor, intake, persons=list(chosen), **intake.counts, household=intake.household)
    return ListAnswer(intake, answers)


@verb(*ISSUERS)
def dismiss_card_row(actor: Actor, *, held: CardRow, reason: str) -> CardRow:
    """Say that no card will be made for a held row, and why."""
    return waiting.dismiss(actor, held, reason)


def forget_card_lists(before: date) -> int:
    """For retention: lists from before a Vietnamese day with their held rows; returns how many rows went."""
    _all, by_model = CardList.objects.filter(at__lt=clock.start_of_day(before)).delete()
    return by_model.get(CardRow._meta.label, 0)


def _with_cards(persons: Iterable[Person]) -> set[int]:
    """Who of them has a valid paper card."""
    cards = PassCard.objects.filter(
        kind=PassCard.Kind.PAPER,
        revoked_at__isnull=True,
        expires_at__gt=clock.now(),
        person__in=[person.pk for person in persons],
    )
    return set(cards.values_list("person", flat=True))


def _person(actor: Actor, unit: AdminUnit, row: CardLine) -> Person:
    """The one person that a row means, whose cards the actor may issue. Raises `Invalid` with the reason."""
    if row.number:
        found = people.find_by_number(actor, row.number)
        named = [p for p in found if p.name_folded == fold(row.name)] if row.name else found
        if found and not named:
            raise _held(_("Số này là của người tên khác."), _("So lại tên và số với giấy tờ."))
        found = named
    elif row.name and row.year:
        same = Person.objects.seen_by(actor).filter(
            name_folded=fold(row.name), birth_year=row.year, merged_into=None
        )
        found = list(same.filter(unit__path__startswith=unit.path).select_related("unit")[:3])
    else:
        raise _held(
            _("Thiếu số giấy tờ."), _("Ghi số căn cước, thẻ bảo hiểm, điện thoại; hoặc họ tên và năm sinh.")
        )
    if row.year:
        found = [p for p in found if p.birth_year in (None, row.year)]
    found = [p for p in found if p.unit is not None and actor.covers(p.unit, *ISSUERS)]
    if not found:
        raise _held(
            _("Không có hồ sơ này trong địa bàn của bạn."),
            _("Xem lại số, hoặc tạo hồ sơ cho người đó trước."),
        )
    if len(found) > 1:
        raise _held(_("Có nhiều người khớp."), _("Ghi thêm số căn cước hoặc thẻ bảo hiểm."))
    return found[0]


def _held(message: str, way_out: str) -> Invalid:
    return Invalid(message, field="row", way_out=way_out)


def _living_with(actor: Actor, listed: list[Person]) -> dict[int, Person]:
    homes = {person.household_id for person in listed if person.household_id is not None}
    others = (
        Person.objects.seen_by(actor).filter(household__in=homes, merged_into=None).select_related("unit")
    )
    return {
        person.pk: person
        for person in others
        if person.unit is not None and actor.covers(person.unit, *ISSUERS)
    }
