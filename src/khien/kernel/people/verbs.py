"""Keeping the ledger: registering, correcting, moving; merging two records of one person, and undoing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from psycopg.types.range import Range

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.bulk import copy_rows, reserve_ids
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.people import identity
from khien.kernel.people.events import PEOPLE_MERGED, PEOPLE_UNMERGED
from khien.kernel.people.models import (
    DuplicateProposal,
    Household,
    IdentityDocument,
    Merge,
    Person,
    Phone,
    Residence,
    remember_words,
)
from khien.kernel.people.phones import to_e164
from khien.kernel.people.references import person_references
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit

KEEPERS = (
    Role.TRACER,
    Role.COMMUNE_OFFICER,
    Role.SAMPLER,
    Role.LABORATORY,
    Role.VACCINATOR,
    Role.CLERK,
    Role.GUARD,
)


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A number as typed; checked and sealed by `register_person`."""

    kind: str
    number: str
    issued_on: date | None = None


@verb(*KEEPERS)
def register_person(
    actor: Actor,
    *,
    full_name: str,
    unit: AdminUnit | None,
    sex: str = "",
    birth_date: date | None = None,
    birth_year: int | None = None,
    address: str = "",
    nationality: str = "VN",
    phones: Sequence[str] = (),
    documents: Sequence[NewDocument] = (),
    household: Household | None = None,
    source: str = "desk",
) -> Person:
    """Put a person in the ledger. Raises `Conflict` when a number already belongs to somebody."""
    if not full_name.strip():
        raise Invalid(_("Thiếu họ tên."), field="full_name", way_out=_("Nhập họ tên như trên giấy tờ."))
    today = clock.today()
    if birth_date is not None and birth_date > today:
        raise Invalid(
            _("Ngày sinh ở tương lai."), field="birth_date", way_out=_("Nhập ngày sinh trước hôm nay.")
        )
    if birth_year is not None and not 1880 <= birth_year <= today.year:
        raise Invalid(_("Năm sinh không đúng."), field="birth_year", way_out=_("Nhập năm, ví dụ 1986."))
    numbers = [to_e164(phone, textable=False) for phone in phones]
    sealed = [(d, identity.normalise(d.kind, d.number)) for d in documents]
    for document, number in sealed:
        _must_be_free(document.kind, number)
    person = Person.objects.create(
        full_name=full_name,
        unit=unit,
        sex=sex,
        birth_date=birth_date,
        birth_year=birth_year,
        address=address,
        nationality=nationality,
        household=household,
        source=source,
        created_at=clock.now(),
    )
    for document, number in sealed:
        _add_document(person, document, number)
    Phone.objects.bulk_create(
        Phone(person=person, number=number, is_main=place == 0)
        for place, number in enumerate(dict.fromkeys(numbers))
    )
    if unit is not None:
        Residence.objects.create(person=person, unit=unit, address=address, during=(today, None))
    record(actor, person, persons=[person.pk], source=source, documents=[d.kind for d, _n in sealed])
    return person


@verb(*KEEPERS)
def add_document(actor: Actor, *, person: Person, document: NewDocument) -> IdentityDocument:
    """Add a number to a person in the ledger. Raises `Conflict` when it belongs to somebody else."""
    number = identity.normalise(document.kind, document.number)
    known = IdentityDocument.objects.filter(
        kind=document.kind, number_hash__in=identity.hashes(document.kind, number)
    ).first()
    if known is not None and known.person_id == person.pk:
        unchanged()
        return known
    _must_be_free(document.kind, number)
    made = _add_document(person, document, number)
    record(actor, person, persons=[person.pk], kind=document.kind)
    return made


@verb(*KEEPERS)
def add_phone(actor: Actor, *, person: Person, number: str) -> Phone:
    """Add a phone to a person; the first is the main one."""
    text = to_e164(number, textable=False)
    phone, made = Phone.objects.get_or_create(
        person=person, number=text, defaults={"is_main": not person.phones.exists()}
    )
    if made:
        record(actor, person, persons=[person.pk])
    else:
        unchanged()
    return phone


@verb(*KEEPERS)
def move_residence(
    actor: Actor, *, person: Person, unit: AdminUnit, address: str = "", since: date | None = None
) -> Residence:
    """The person lives in `unit` from `since` (a Vietnamese day, today by default) on."""
    start = since or clock.today()
    current = person.residences.select_for_update().filter(during__contains=start).first()
    if current is not None:
        if current.during.lower == start:
            current.delete()
        else:
            current.during = (current.during.lower, start)
            current.save(update_fields=["during"])
    person.residences.filter(during__fully_gt=(None, start)).delete()
    made = Residence.objects.create(person=person, unit=unit, address=address, during=(start, None))
    person.unit, person.address = unit, address
    person.save()
    record(actor, person, persons=[person.pk], unit=unit.pk, since=start.isoformat())
    return made


@verb(*KEEPERS)
def correct_person(actor: Actor, *, person: Person, reason: str, **changes: Any) -> Person:
    """Correct name, sex, birth date or year, or address, with a reason; the names of the columns are kept."""
    allowed = {"full_name", "sex", "birth_date", "birth_year", "address", "nationality"}
    if not set(changes) <= allowed:
        raise Invalid(_("Cột này không sửa ở đây."), field=sorted(set(changes) - allowed)[0])
    if not reason.strip():
        raise Invalid(_("Thiếu lý do sửa."), field="reason", way_out=_("Ghi một câu vì sao sửa."))
    for column, value in changes.items():
        setattr(person, column, value)
    person.save()
    record(actor, person, persons=[person.pk], columns=sorted(changes), reason=reason)
    return person


@verb(Role.TRACER, Role.COMMUNE_OFFICER, Role.CLERK, Role.ADMINISTRATOR)
def propose_duplicates(actor: Actor, *, persons: Iterable[Person]) -> int:
    """Propose pairs that look like one person: same name and birth date, or same name and phone.

    Returns how many new proposals were made. Nothing is merged: a named person decides.
    """
    made = 0
    for person in persons:
        twins = Person.objects.filter(name_folded=person.name_folded, merged_into__isnull=True).exclude(
            pk=person.pk
        )
        for twin in twins[:20]:
            reasons, score = _likeness(person, twin)
            if score < 0.5:
                continue
            first, second = sorted((person, twin), key=lambda p: p.pk)
            _row, new = DuplicateProposal.objects.get_or_create(
                first=first,
                second=second,
                defaults={"score": score, "reasons": reasons, "proposed_at": clock.now()},
            )
            made += new
    if made:
        record(actor, "people.duplicateproposal", proposed=made)
    else:
        unchanged()
    return made


@verb(Role.TRACER, Role.COMMUNE_OFFICER, Role.CLERK, Role.ADMINISTRATOR)
def keep_apart(actor: Actor, *, proposal: DuplicateProposal) -> None:
    """Decide that the two are different people; they are not proposed again."""
    if proposal.state == DuplicateProposal.State.DIFFERENT:
        unchanged()
        return
    _decide(actor, proposal, DuplicateProposal.State.DIFFERENT)
    record(actor, proposal, persons=[proposal.first_id, proposal.second_id])


@verb(Role.TRACER, Role.COMMUNE_OFFICER, Role.CLERK, Role.ADMINISTRATOR)
def merge(actor: Actor, *, kept: Person, gone: Person) -> Merge:
    """Make two records one: everything of `gone` moves to `kept`, and what moved is remembered.

    Rows that `kept` has already in the same form (the same phone, say) stay with `gone`.
    """
    if kept.pk == gone.pk:
        raise Invalid(_("Hai hồ sơ là một."), field="gone", way_out=_("Chọn hai hồ sơ khác nhau."))
    first, second = sorted((kept.pk, gone.pk))
    locked = {p.pk: p for p in Person.objects.select_for_update().filter(pk__in=[first, second])}
    kept, gone = locked[kept.pk], locked[gone.pk]
    if kept.merged_into_id or gone.merged_into_id:
        raise Conflict(
            _("Một trong hai hồ sơ đã được gộp."),
            field="gone",
            way_out=_("Mở lại hồ sơ còn hiệu lực rồi gộp."),
        )
    moved: dict[str, list[Any]] = {}
    for reference in person_references():
        rows = reference.move(gone.pk, kept.pk)
        if rows:
            moved[reference.key] = rows
    gone.merged_into = kept
    gone.save()
    made = Merge.objects.create(kept=kept, gone=gone, moved=moved, merged_at=clock.now(), merged_by=actor.id)
    DuplicateProposal.objects.filter(first_id=first, second_id=second).update(
        state=DuplicateProposal.State.MERGED, decided_at=clock.now(), decided_by=actor.id
    )
    record(
        actor,
        made,
        persons=[kept.pk, gone.pk],
        event=PEOPLE_MERGED,
        payload={"kept": kept.pk, "gone": gone.pk},
        moved={key: len(rows) for key, rows in moved.items()},
    )
    return made


@verb(Role.TRACER, Role.COMMUNE_OFFICER, Role.CLERK, Role.ADMINISTRATOR)
def unmerge(actor: Actor, *, merged: Merge) -> None:
    """Undo a merge: what moved goes back; what came to `kept` since then stays with `kept`."""
    merged = Merge.objects.select_for_update().get(pk=merged.pk)
    if merged.undone_at is not None:
        unchanged()
        return
    references = {reference.key: reference for reference in person_references()}
    gone = Person.objects.select_for_update().get(pk=merged.gone_id)
    gone.merged_into = None
    gone.save()
    for key, rows in merged.moved.items():
        references[key].move_back(rows, merged.gone_id, merged.kept_id)
    merged.undone_at, merged.undone_by = clock.now(), actor.id
    merged.save(update_fields=["undone_at", "undone_by"])
    first, second = sorted((merged.kept_id, merged.gone_id))
    DuplicateProposal.objects.filter(first_id=first, second_id=second).update(
        state=DuplicateProposal.State.OPEN, decided_at=None, decided_by=None
    )
    record(
        actor,
        merged,
        persons=[merged.kept_id, merged.gone_id],
        event=PEOPLE_UNMERGED,
        payload={"kept": merged.kept_id, "gone": merged.gone_id},
    )


@verb(Role.ADMINISTRATOR)
def rekey_documents(actor: Actor, *, limit: int = 5000) -> int:
    """Seal up to `limit` numbers anew under the current keys; returns how many. Run until it returns 0.

    Look-ups try every key meanwhile, so nobody waits; afterwards the old key files may be destroyed.
    """
    from khien.kernel import keys

    current = (keys.current("identity-hash").id, keys.current("identity-cipher").id)
    stale = (
        IdentityDocument.objects.select_for_update(skip_locked=True)
        .exclude(hash_key_id=current[0], cipher_key_id=current[1])
        .order_by("pk")[:limit]
    )
    rows = list(stale)
    for row in rows:
        for column, value in identity.seal(row.kind, identity.open_number(row)).items():
            setattr(row, column, value)
    if not rows:
        unchanged()
        return 0
    IdentityDocument.objects.bulk_update(
        rows, ["number_hash", "hash_key_id", "ciphertext", "cipher_key_id"], batch_size=500
    )
    record(actor, "people.identitydocument", rekeyed=len(rows))
    return len(rows)


@verb(Role.ADMINISTRATOR)
def load_people(
    actor: Actor,
    *,
    people: Sequence[Person],
    numbers: Sequence[tuple[int, str, str]],
    phones: Sequence[tuple[int, str]],
    since: date,
) -> None:
    """Load many people at once (a register, or the synthetic province). Numbers and phones name the place of
    the person in `people`; numbers must be normalised and unused."""
    moment = clock.now()
    ids = reserve_ids(Person, len(people))
    for pk, person in zip(ids, people, strict=True):
        person.pk = pk
        person.prepare()
    columns = [field for field in Person._meta.concrete_fields if field.attname != "merged_into_id"]
    for person in people:
        person.created_at = moment
    copy_rows(
        Person,
        [str(field.column) for field in columns],
        ([getattr(person, field.attname) for field in columns] for person in people),
    )
    remember_words({word for person in people for word in person.name_folded.split()})
    sealer = identity.Sealer()
    copy_rows(
        IdentityDocument,
        [
            "person_id",
            "kind",
            "number_hash",
            "hash_key_id",
            "ciphertext",
            "cipher_key_id",
            "last4",
            "created_at",
        ],
        ((ids[place], *sealer.seal(kind, number).values(), moment) for place, kind, number in numbers),
    )
    copy_rows(
        Phone,
        ("person_id", "number", "is_main"),
        ((ids[place], number, True) for place, number in phones),
    )
    copy_rows(
        Residence,
        ("person_id", "unit_id", "address", "during"),
        ((p.pk, p.unit_id, p.address, Range(since, None)) for p in people if p.unit_id is not None),
    )
    record(actor, "people.person", loaded=len(people))


def _must_be_free(kind: str, number: str) -> None:
    if IdentityDocument.objects.filter(kind=kind, number_hash__in=identity.hashes(kind, number)).exists():
        raise Conflict(
            _("Số giấy tờ này đã có trong sổ."),
            field="number",
            code="number_taken",
            way_out=_("Tìm người theo số này rồi bổ sung hồ sơ đã có."),
        )


def _add_document(person: Person, document: NewDocument, number: str) -> IdentityDocument:
    try:
        with transaction.atomic():
            return IdentityDocument.objects.create(
                person=person,
                issued_on=document.issued_on,
                created_at=clock.now(),
                **identity.seal(document.kind, number),
            )
    except IntegrityError as fault:  # somebody else registered it a moment ago
        raise Conflict(_("Số giấy tờ này đã có trong sổ."), field="number", code="number_taken") from fault


def _likeness(one: Person, other: Person) -> tuple[list[str], float]:
    """Why two people of one name look like one person, and how much (0 to 1)."""
    reasons, score = ["name"], 0.3
    if one.birth_date and one.birth_date == other.birth_date:
        reasons, score = [*reasons, "birth_date"], score + 0.4
    elif one.birth_year and one.birth_year == other.birth_year:
        reasons, score = [*reasons, "birth_year"], score + 0.1
    elif one.birth_year and other.birth_year:
        return reasons, 0.0
    if set(one.phones.values_list("number", flat=True)) & set(other.phones.values_list("number", flat=True)):
        reasons, score = [*reasons, "phone"], score + 0.3
    if one.unit_id and one.unit_id == other.unit_id:
        reasons, score = [*reasons, "unit"], score + 0.1
    return reasons, round(min(score, 1.0), 2)


def _decide(actor: Actor, proposal: DuplicateProposal, state: str) -> None:
    proposal.state, proposal.decided_at, proposal.decided_by = state, clock.now(), actor.id
    proposal.save(update_fields=["state", "decided_at", "decided_by"])
