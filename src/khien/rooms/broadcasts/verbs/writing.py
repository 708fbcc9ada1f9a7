"""Writing a message to a list of people; it is queued here and sent by the job."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.people.models import Person, Phone
from khien.kernel.people.phones import to_e164
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import composing, reads
from khien.rooms.broadcasts.models import SENDERS, Broadcast, MessageTemplate, Recipient, RecipientPerson
from khien.rooms.broadcasts.verbs.sending import settle_if_done

NO_PHONE = "no_phone"
BAD_PHONE = "bad_phone"


@dataclass(slots=True)
class _Row:
    """One recipient before it is stored."""

    phone: str
    text: str
    code: str = ""
    people: list[int] = field(default_factory=list)


@verb(*SENDERS)
def send_to_people(
    actor: Actor,
    *,
    people: Sequence[Person | int],
    text: str = "",
    template: str = "",
    values: Mapping[int, Mapping[str, str]] | None = None,
    purpose: str,
    reference: str = "",
    once_key: str = "",
) -> Broadcast:
    """Queue one message to each of `people` (people or their ids), by `text` or by the `template` of that code.

    Placeholders: `{name}` is the person's name; every other one needs its value in `values[person id]`, or
    `Invalid` (code `missing_value`) is raised and nothing is sent. Somebody without a usable phone gets a
    suppressed row that says so. The same text to the same phone goes once. `reference` comes back in
    `broadcast_settled`; a call with a `once_key` that was used before answers with that broadcast.
    """
    if once_key and (same := Broadcast.objects.filter(once_key=once_key).first()):
        unchanged()
        return same
    text = composing.checked(_text_of(text, template))
    listed = _people(people)
    if not listed:
        raise Invalid(_("Danh sách nhận trống."), field="people", way_out=_("Chọn ít nhất một người."))
    if not actor.sees_everything:
        for unit in {person.unit_id: person.unit for person in listed}.values():
            if unit is None:
                raise Invalid(
                    _("Có người chưa rõ ở xã nào."), field="people", way_out=_("Cập nhật nơi ở của họ trước.")
                )
            actor.must_cover(unit, *SENDERS)
    rows = _rows(listed, text, values or {})
    broadcast = Broadcast.objects.create(
        unit=_common_unit(listed),
        text=text,
        purpose=purpose,
        reference=reference,
        once_key=once_key or None,
        created_at=clock.now(),
        created_by=actor.id,
    )
    stored = _store(broadcast, rows)
    RecipientPerson.objects.bulk_create(
        RecipientPerson(recipient=recipient, person_id=person_id)
        for recipient, row in zip(stored, rows, strict=True)
        for person_id in row.people
    )
    queued = sum(bool(row.phone) for row in rows)
    record(
        actor,
        broadcast,
        persons=[person.pk for person in listed],
        purpose=purpose,
        queued=queued,
        suppressed=len(rows) - queued,
    )
    _start(actor, broadcast, queued)
    return broadcast


@verb(*SENDERS)
def send_to_phones(
    actor: Actor,
    *,
    phones: Sequence[str],
    unit: AdminUnit | None,
    text: str = "",
    template: str = "",
    values: Mapping[str, Mapping[str, str]] | None = None,
    purpose: str,
    reference: str = "",
    once_key: str = "",
) -> Broadcast:
    """Queue one message to each of `phones` that belong to no person in the ledger (owners of places, say).

    Placeholders need their values in `values[phone as given]`, `{name}` as well. A number that cannot receive
    messages gets a suppressed row that says so; the same text to the same phone goes once. `once_key` and
    `reference` as in `send_to_people`; `unit` is whose broadcast it is.
    """
    if once_key and (same := Broadcast.objects.filter(once_key=once_key).first()):
        unchanged()
        return same
    if unit is not None:
        actor.must_cover(unit, *SENDERS)
    text = composing.checked(_text_of(text, template))
    if not phones:
        raise Invalid(_("Danh sách nhận trống."), field="phones", way_out=_("Chọn ít nhất một số."))
    names, given = composing.placeholders(text), values or {}
    missing = set().union(*(names - _given(given.get(phone, {})) for phone in phones))
    if missing:
        raise Invalid(
            _("Thiếu %(names)s cho %(count)d người.") % {"names": _braced(missing), "count": len(phones)},
            field="values",
            code="missing_value",
            way_out=_("Điền đủ rồi gửi; chưa tin nào được gửi."),
        )
    rows: dict[tuple[str, str], _Row] = {}
    for said in phones:
        filled = composing.fill(text, dict(given.get(said, {})))
        try:
            phone, code = to_e164(said), ""
        except Invalid as problem:
            phone, code = "", problem.code or BAD_PHONE
        rows.setdefault((phone or f"said:{said}", filled), _Row(phone, filled, code))
    broadcast = Broadcast.objects.create(
        unit=unit,
        text=text,
        purpose=purpose,
        reference=reference,
        once_key=once_key or None,
        created_at=clock.now(),
        created_by=actor.id,
    )
    _store(broadcast, list(rows.values()))
    queued = sum(bool(row.phone) for row in rows.values())
    record(actor, broadcast, purpose=purpose, queued=queued, suppressed=len(rows) - queued)
    _start(actor, broadcast, queued)
    return broadcast


@verb(Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR)
def change_template(actor: Actor, *, code: str, text: str) -> MessageTemplate:
    """Change the text kept under a name. It must keep the placeholders it had: they are filled by others."""
    row = MessageTemplate.objects.select_for_update().filter(code=code).first()
    if row is None:
        raise NotFound(_("Không có mẫu tin này."))
    text = composing.checked(text)
    had, has = composing.placeholders(row.text) | {"name"}, composing.placeholders(text)
    if has - had:
        raise Invalid(
            _("Mẫu tin này không có chỗ điền %(names)s.") % {"names": _braced(has - had)},
            field="text",
            code="missing_value",
            way_out=_("Chỉ dùng các chỗ điền: %(names)s.") % {"names": _braced(had)},
        )
    if text == row.text:
        unchanged()
        return row
    row.text, row.changed_at = text, clock.now()
    row.save(update_fields=["text", "changed_at"])
    record(actor, row, code=code)
    return row


def _store(broadcast: Broadcast, rows: Sequence[_Row]) -> list[Recipient]:
    return Recipient.objects.bulk_create(
        Recipient(
            broadcast=broadcast,
            phone=row.phone,
            text=row.text,
            text_hash=hashlib.sha256(row.text.encode()).hexdigest(),
            state=Recipient.State.QUEUED if row.phone else Recipient.State.SUPPRESSED,
            code=row.code,
        )
        for row in rows
    )


def _start(actor: Actor, broadcast: Broadcast, queued: int) -> None:
    if queued:
        from khien.rooms.broadcasts.jobs import send

        send.defer(broadcast_id=broadcast.pk)
    else:
        settle_if_done(actor, broadcast)


def _text_of(text: str, template: str) -> str:
    if bool(text) == bool(template):
        raise Invalid(_("Chọn một trong hai: viết tin hoặc dùng mẫu."), field="text")
    if text:
        return text
    kept = reads.template(template)
    if kept is None:
        raise NotFound(_("Không có mẫu tin “%(code)s”.") % {"code": template}, field="template")
    return kept.text


def _people(people: Sequence[Person | int]) -> list[Person]:
    """The people, each once, merged records followed, in the order given."""
    ids = [person if isinstance(person, int) else person.pk for person in people]
    found = Person.objects.select_related("unit", "merged_into__unit").in_bulk(ids)
    absent = [pk for pk in ids if pk not in found]
    if absent:
        raise NotFound(_("Có %(count)d người không còn trong sổ.") % {"count": len(absent)}, field="people")
    standing: dict[int, Person] = {}
    for pk in ids:
        person = found[pk]
        while person.merged_into is not None:
            person = person.merged_into
        standing.setdefault(person.pk, person)
    return list(standing.values())


def _rows(people: list[Person], text: str, values: Mapping[int, Mapping[str, str]]) -> list[_Row]:
    names = composing.placeholders(text)
    lacking = [person.pk for person in people if names - {"name"} - _given(values.get(person.pk, {}))]
    if lacking:
        missing = set().union(*(names - {"name"} - _given(values.get(pk, {})) for pk in lacking))
        raise Invalid(
            _("Thiếu %(names)s cho %(count)d người.") % {"names": _braced(missing), "count": len(lacking)},
            field="values",
            code="missing_value",
            way_out=_("Điền đủ rồi gửi; chưa tin nào được gửi."),
        )
    phones = _phones(person.pk for person in people)
    rows: dict[tuple[str, str], _Row] = {}
    for person in people:
        filled = composing.fill(text, {"name": person.full_name, **values.get(person.pk, {})})
        phone, code = phones.get(person.pk, ("", NO_PHONE))
        key = (phone or f"person:{person.pk}", filled)
        rows.setdefault(key, _Row(phone, filled, code)).people.append(person.pk)
    return list(rows.values())


def _phones(person_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Each person's phone to write to (the main one first) and, where none can be used, why."""
    found: dict[int, tuple[str, str]] = {}
    rows = Phone.objects.filter(person__in=list(person_ids)).order_by("person", "-is_main", "pk")
    for row in rows:
        if found.get(row.person_id, ("", ""))[0]:
            continue
        try:
            found[row.person_id] = (to_e164(row.number), "")
        except Invalid as problem:
            found.setdefault(row.person_id, ("", problem.code or BAD_PHONE))
    return found


def _given(values: Mapping[str, str]) -> set[str]:
    return {name for name, value in values.items() if str(value).strip()}


def _common_unit(people: list[Person]) -> AdminUnit | None:
    """The smallest unit that holds everybody; None when somebody has none or they share nothing."""
    paths = [(person.unit.path or "").split(".") if person.unit else [] for person in people]
    common = [steps[0] for steps in takewhile(lambda steps: len(set(steps)) == 1, zip(*paths, strict=False))]
    path = "".join(f"{step}." for step in common if step)
    return AdminUnit.objects.filter(path=path).first() if path else None


def _braced(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
