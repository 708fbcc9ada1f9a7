"""Declaring: one answer of a form becomes the declaration of each person in it, with what follows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.bulk import copy_rows, reserve_ids
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.forms import spec as forms
from khien.kernel.forms.fields import numbered
from khien.kernel.language import fold
from khien.kernel.people import identity
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.staff import Actor, Role, system_actor
from khien.kernel.standing import verbs as standing
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.declarations import codes, judging, matching
from khien.rooms.declarations.events import DECLARATION_NEEDS_ATTENTION
from khien.rooms.declarations.models import HELPERS, Declaration, Form, Intake, Task

DECLARED = "declared"
ATTENTION = "declaration_attention"
SEED = Path(__file__).parents[1] / "seed"
OLDEST = timedelta(days=7)
"""A draft older than this is no longer sent (the phone clears it); a declaration counts from when it was filled in."""
OLDEST_PAPER = timedelta(days=60)
_SEEN_BY_STAFF = {Declaration.Channel.HELPER, Declaration.Channel.PAPER}


@dataclass(frozen=True, slots=True)
class Declared:
    """The declarer's declaration and those of the others on the same form; `is_new` is False when it was there."""

    declaration: Declaration
    companions: list[Declaration] = field(default_factory=list)
    is_new: bool = True


@verb(Role.ADMINISTRATOR)
def load_forms(actor: Actor) -> int:
    """Load the forms that ship with Khiên where their version is not there yet; returns how many were added."""
    added = 0
    for path in sorted(SEED.glob("*.json")):
        given = json.loads(path.read_text("utf-8"))
        if Form.objects.filter(key=given["key"], version=given["version"]).exists():
            continue
        forms.compiled(given["schema"], given["ui"])
        Form.objects.create(
            key=given["key"],
            version=given["version"],
            title=given["title"],
            title_en=given["title_en"],
            document=json.dumps({"schema": given["schema"], "ui": given["ui"]}, ensure_ascii=False),
            during=(_day(given["from"]), _day(given["to"])),
            decision=given["decision"],
            source=given["source"],
            to_confirm=given["to_confirm"],
        )
        added += 1
    if added:
        record(actor, "declarations.form", added=added)
    else:
        unchanged()
    return added


@verb(*HELPERS, residents=True)
def declare(
    actor: Actor,
    *,
    form: Form,
    value: Mapping[str, Any],
    client_id: uuid.UUID,
    channel: str,
    made_at: datetime | None = None,
    person: Person | None = None,
    intake: Intake | None = None,
) -> Declared:
    """Take one filled-in form. `value` is an answer that a `Sheet` of `form` found right; `person` the one declared
    where that is certain (a resident who signed in and declares for themself).

    The same `client_id` again answers with what is there. Raises `Conflict` when that was somebody else's, `Invalid`
    for a value that is not as the form says.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(client_id)])
    there = Declaration.objects.filter(client_id=client_id).first()
    if there is not None:
        if fold(there.full_name) != fold(str(value.get("full_name", ""))) or there.kind != form.key:
            raise Conflict(
                _("Tờ khai này đã được gửi với tên khác."),
                code="id_reused",
                way_out=_("Mở lại trang khai báo rồi khai tờ mới."),
            )
        unchanged()
        return Declared(there, list(there.companions.order_by("pk")), is_new=False)
    if form.spec.problems(dict(value)):
        raise Invalid(_("Tờ khai không đúng mẫu."), way_out=_("Mở lại trang khai báo rồi điền lại."))
    now = clock.now()
    declared_at = _when(made_at, now, OLDEST_PAPER if channel == Declaration.Channel.PAPER else OLDEST)
    unit = units.on(clock.today()).filter(pk=value["unit"], tier=Tier.COMMUNE).first()
    if unit is None:
        raise Invalid(_("Không có xã, phường này."), field="unit", way_out=_("Chọn lại xã, phường."))
    if form.frozen_at is None:
        Form.objects.filter(pk=form.pk, frozen_at__isnull=True).update(frozen_at=now)
    content, private = forms.without_private(form.spec, value)
    shared = {name: one for name, one in content.items() if name != "companions"}
    common = _Common(actor, form, unit, channel, declared_at, now, intake)
    main = _one(common, client_id=client_id, content=content, number=private.get("number", ""), person=person)
    others = [
        _one(
            common,
            client_id=uuid.uuid5(client_id, str(place)),
            content=_of_companion(shared, row),
            parent=main,
        )
        for place, row in enumerate(content.get("companions", ()))
    ]
    everybody = [main, *others]
    record(
        actor,
        main,
        persons=[one.person_id for one in everybody],
        channel=channel,
        people=len(everybody),
        form=form.pk,
    )
    for one in everybody:
        _needs_attention(actor, one)
    return Declared(main, others)


@dataclass(frozen=True, slots=True)
class _Common:
    actor: Actor
    form: Form
    unit: AdminUnit
    channel: str
    declared_at: datetime
    now: datetime
    intake: Intake | None


def _one(
    common: _Common,
    *,
    client_id: uuid.UUID,
    content: dict[str, Any],
    number: str = "",
    person: Person | None = None,
    parent: Declaration | None = None,
) -> Declaration:
    """Store one person's declaration, find whose it is, and state what holds for them."""
    kind, number = numbered(number) if number else ("", "")
    told = judging.judged(common.form.key, common.form.spec, content, common.declared_at)
    match, held_reason = Declaration.Match.LINKED, ""
    if person is None:
        person, match, held_reason = _person(common, content, kind, number)
    actor = common.actor
    row = Declaration.objects.create(
        client_id=client_id,
        code=codes.new(),
        form=common.form,
        kind=common.form.key,
        person=person,
        declared_by_id=_declared_by(actor, person),
        parent=parent,
        unit=common.unit,
        full_name=content["full_name"],
        birth_year=content["birth_year"],
        phone=content["phone"],
        number_kind=kind,
        number_last4=number[-4:],
        number_sealed=identity.sealed_text(kind, number) if number else "",
        content=content,
        channel=common.channel,
        helper_name=parent.full_name if parent is not None else content.get("helper_name", ""),
        entered_by=actor.id if actor.kind == "staff" else None,
        declared_at=common.declared_at,
        received_at=common.now,
        valid_until=common.declared_at + timedelta(hours=told.valid_hours),
        match=match,
        held_reason=held_reason,
        attention=list(told.reasons),
        intake=common.intake,
    )
    if told.reasons:
        row.task = Task.objects.create(
            declaration=row,
            person=person,
            unit=common.unit,
            reasons=list(told.reasons),
            colour=told.colour,
            sentence=told.sentence,
            sample=told.sample,
            opened_at=common.now,
        )
    impose(row)
    return row


def impose(row: Declaration) -> None:
    """State for the person of a declaration what holds by it: nothing while nobody knows whose it is."""
    if row.person_id is None:
        return
    standing.impose(
        row.person_id,
        DECLARED,
        start=row.declared_at,
        end=row.valid_until,
        colour="green",
        reason=sentence(row),
        authority=row,
    )
    task = Task.objects.filter(declaration=row, state=Task.State.OPEN).first()
    if task is not None:
        standing.impose(
            row.person_id,
            ATTENTION,
            start=row.declared_at,
            end=None,
            colour=task.colour,
            reason=task.sentence,
            authority=row,
        )


def sentence(row: Declaration) -> str:
    """What a valid declaration says on a card, stored in Vietnamese like every standing."""
    return f"Đã khai báo y tế, có giá trị đến {clock.local(row.valid_until).strftime('%H:%M %d/%m/%Y')}."


def _person(
    common: _Common, content: Mapping[str, Any], kind: str, number: str
) -> tuple[Person | None, Declaration.Match, str]:
    """The person of the ledger, a new one, or nobody yet and why."""
    found = matching.whose(
        full_name=content["full_name"],
        birth_year=content["birth_year"],
        phone=content["phone"],
        number_kind=kind,
        number=number,
        unit_path=common.unit.path,
    )
    if found.person is not None:
        return found.person, Declaration.Match.LINKED, ""
    if found.held_reason:
        return None, Declaration.Match.HELD, found.held_reason
    # A number that nobody has seen on paper must not take the place of its owner's in the ledger.
    seen = number and common.channel in _SEEN_BY_STAFF
    made = people.register_person(
        system_actor("declarations"),
        full_name=content["full_name"],
        birth_year=content["birth_year"],
        sex=content.get("sex", ""),
        unit=common.unit,
        address=content.get("address", ""),
        phones=[content["phone"]],
        documents=[NewDocument(kind, number)] if seen else [],
        source="declaration",
    )
    return made, Declaration.Match.REGISTERED, ""


def _declared_by(actor: Actor, person: Person | None) -> int | None:
    if actor.person_id is not None and (person is None or actor.person_id != person.pk):
        return actor.person_id
    return None


def _of_companion(shared: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What is common of the declarer's answers, with the companion's own."""
    own = {"helper_name", "helper_phone", "sex", "has_symptoms", "symptoms", "symptoms_since", "contact"}
    kept = {name: one for name, one in shared.items() if name not in own}
    return {**kept, "filled_by": "other", **row}


def _needs_attention(actor: Actor, row: Declaration) -> None:
    task = Task.objects.filter(declaration=row).first()
    if task is not None:
        record(
            actor,
            task,
            persons=[row.person_id],
            event=DECLARATION_NEEDS_ATTENTION,
            payload={
                "declaration": row.pk,
                "task": task.pk,
                "person": row.person_id,
                "unit": row.unit_id,
                "reasons": task.reasons,
                "sample": task.sample,
            },
        )


def _when(made_at: datetime | None, now: datetime, oldest: timedelta) -> datetime:
    """When it was filled in: a clock that is ahead, or that says a time too long ago, is not believed."""
    if made_at is None or made_at > now:
        return now
    return max(made_at, now - oldest)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class Known:
    """One line of `load_declarations`."""

    client_id: uuid.UUID
    person: Person
    phone: str
    at: datetime
    content: dict[str, Any]


@verb(Role.ADMINISTRATOR)
def load_declarations(actor: Actor, *, form: Form, lines: Sequence[Known]) -> int:
    """Load declarations of people of the ledger at once (the synthetic province, another system): judged, stated
    and announced as by `declare`, in a few statements. Each person has a unit and a birth year. Lines whose id is
    there already are left out. Returns how many were stored."""
    there = set(
        Declaration.objects.filter(client_id__in=[line.client_id for line in lines]).values_list(
            "client_id", flat=True
        )
    )
    lines = [line for line in lines if line.client_id not in there]
    if not lines:
        unchanged()
        return 0
    now = clock.now()
    if form.frozen_at is None:
        Form.objects.filter(pk=form.pk, frozen_at__isnull=True).update(frozen_at=now)
    ids = reserve_ids(Declaration, len(lines))
    verdicts: dict[tuple[str, date], judging.Judgement] = {}
    rows: list[Declaration] = []
    tasks: list[Task] = []
    for pk, line in zip(ids, lines, strict=True):
        key = (json.dumps(line.content, sort_keys=True), clock.local(line.at).date())
        if key not in verdicts:
            verdicts[key] = judging.judged(form.key, form.spec, line.content, line.at)
        told = verdicts[key]
        person = line.person
        assert person.unit_id is not None
        assert person.birth_year is not None
        row = Declaration(
            pk=pk,
            client_id=line.client_id,
            code=codes.new(),
            form=form,
            kind=form.key,
            person=person,
            unit_id=person.unit_id,
            full_name=person.full_name,
            birth_year=person.birth_year,
            phone=line.phone,
            content={
                **line.content,
                "full_name": person.full_name,
                "birth_year": person.birth_year,
                "phone": line.phone,
                "unit": person.unit_id,
            },
            channel=Declaration.Channel.PUBLIC.value,
            declared_at=line.at,
            received_at=line.at,
            valid_until=line.at + timedelta(hours=told.valid_hours),
            match=Declaration.Match.LINKED.value,
            attention=list(told.reasons),
        )
        rows.append(row)
        if told.reasons:
            tasks.append(
                Task(
                    declaration=row,
                    person=person,
                    unit_id=person.unit_id,
                    reasons=list(told.reasons),
                    colour=told.colour,
                    sentence=told.sentence,
                    sample=told.sample,
                    opened_at=line.at,
                )
            )
    fields = Declaration._meta.concrete_fields
    copy_rows(
        Declaration,
        [str(one.column) for one in fields],
        (
            [Jsonb(row.content) if one.name == "content" else getattr(row, one.attname) for one in fields]
            for row in rows
        ),
    )
    Task.objects.bulk_create(tasks, batch_size=5000)
    by_pk = {row.pk: row for row in rows}
    for start in range(0, len(rows), 5000):
        standing.impose_many(
            DECLARED,
            [
                standing.Imposed(
                    row.person_id or 0, row.declared_at, row.valid_until, "green", sentence(row), row
                )
                for row in rows[start : start + 5000]
            ],
        )
    standing.impose_many(
        ATTENTION,
        [
            standing.Imposed(
                task.person_id or 0,
                task.opened_at,
                None,
                task.colour,
                task.sentence,
                by_pk[task.declaration_id],
            )
            for task in tasks
        ],
    )
    record(
        actor,
        "declarations.declaration",
        event=DECLARATION_NEEDS_ATTENTION,
        payloads=[
            {
                "declaration": task.declaration_id,
                "task": task.pk,
                "person": task.person_id,
                "unit": task.unit_id,
                "reasons": task.reasons,
                "sample": task.sample,
            }
            for task in tasks
        ],
        loaded=len(rows),
    )
    return len(rows)
