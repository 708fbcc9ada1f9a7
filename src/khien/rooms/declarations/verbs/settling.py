"""What officers do: say whose a declaration is, and settle what it asks."""

from __future__ import annotations

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.people import identity
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.staff import Actor
from khien.kernel.standing import verbs as standing
from khien.rooms.declarations.events import DECLARATION_NEEDS_ATTENTION, DECLARATION_SETTLED
from khien.rooms.declarations.models import OFFICERS, Declaration, Task
from khien.rooms.declarations.verbs.declaring import ATTENTION, impose


@verb(*OFFICERS)
def link(actor: Actor, *, declaration: Declaration, person: Person) -> Declaration:
    """Say that a held declaration is this person's; what it states holds for them from then on."""
    row = _held(actor, declaration)
    return _linked(actor, row, person, Declaration.Match.LINKED)


@verb(*OFFICERS)
def register(actor: Actor, *, declaration: Declaration) -> Declaration:
    """Say that a held declaration is of somebody whom the ledger does not know yet, and put them there.

    Raises `Conflict` (`number_taken`) when the number on it belongs to somebody: then it is that person's, or wrong.
    """
    row = _held(actor, declaration)
    number = identity.opened_text(row.number_kind, row.number_sealed) if row.number_sealed else ""
    person = people.register_person(
        actor,
        full_name=row.full_name,
        birth_year=row.birth_year,
        sex=row.content.get("sex", ""),
        unit=row.unit,
        address=row.content.get("address", ""),
        phones=[row.phone],
        documents=[NewDocument(row.number_kind, number)] if number else [],
        source="declaration",
    )
    return _linked(actor, row, person, Declaration.Match.REGISTERED)


@verb(*OFFICERS)
def settle(actor: Actor, *, task: Task, outcome: str, note: str = "") -> Task:
    """Say what came of a task; the card is no longer restricted by this declaration."""
    if outcome not in Task.Outcome.values:
        raise Invalid(_("Chưa chọn kết quả."), field="outcome", way_out=_("Chọn một kết quả."))
    row = Task.objects.select_for_update(of=("self",)).select_related("declaration", "unit").get(pk=task.pk)
    actor.must_cover(row.unit, *OFFICERS)
    if row.state == Task.State.SETTLED:
        if row.outcome == outcome:
            unchanged()
            return row
        raise Conflict(_("Việc này đã được xử lý."), way_out=_("Tải lại trang để xem ai đã xử lý."))
    row.state, row.outcome, row.note = Task.State.SETTLED, outcome, note.strip()[:400]
    row.settled_at, row.settled_by = clock.now(), actor.id
    row.save(update_fields=["state", "outcome", "note", "settled_at", "settled_by"])
    standing.lift(row.declaration, ATTENTION, at=clock.now())
    record(
        actor,
        row,
        persons=[row.person_id],
        event=DECLARATION_SETTLED,
        payload={
            "declaration": row.declaration_id,
            "task": row.pk,
            "person": row.person_id,
            "unit": row.unit_id,
            "outcome": outcome,
        },
        outcome=outcome,
    )
    return row


def _held(actor: Actor, declaration: Declaration) -> Declaration:
    row = (
        Declaration.objects.seen_by(actor)
        .select_for_update(of=("self",))
        .select_related("unit")
        .get(pk=declaration.pk)
    )
    if row.match != Declaration.Match.HELD:
        raise Conflict(_("Tờ khai này đã được đối chiếu."), way_out=_("Tải lại trang."))
    return row


def _linked(actor: Actor, row: Declaration, person: Person, match: Declaration.Match) -> Declaration:
    row.person, row.match, row.held_reason = person, match, ""
    row.save(update_fields=["person", "match", "held_reason"])
    Task.objects.filter(declaration=row).update(person=person)
    impose(row)
    task = Task.objects.filter(declaration=row, state=Task.State.OPEN).first()
    if task is None:
        record(actor, row, persons=[person.pk], match=match)
    else:
        record(
            actor,
            row,
            persons=[person.pk],
            event=DECLARATION_NEEDS_ATTENTION,
            payload={
                "declaration": row.pk,
                "task": task.pk,
                "person": person.pk,
                "unit": row.unit_id,
                "reasons": task.reasons,
                "sample": task.sample,
            },
            match=match,
        )
    return row
