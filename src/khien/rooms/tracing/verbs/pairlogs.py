"""Taking in a log of pair contacts, portion by portion: every row is stored, found already there, or held."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, verb
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.people.models import Person
from khien.kernel.presence import reads as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.pairs import Sightings, join_pairs
from khien.kernel.presence.stays import to_us
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing import pairlog
from khien.rooms.tracing.events import PAIR_CONTACTS_IMPORTED
from khien.rooms.tracing.models import Case, HeldPair, Outbreak, PairLogImport
from khien.rooms.tracing.pairlog import Contact, Fault, LogRow


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row that was not taken, and why."""

    row: LogRow
    fault: Fault


@dataclass(frozen=True, slots=True)
class PairLogAnswer:
    """What became of a portion: the counts stand in `intake`, the rows that were not taken in `held`."""

    intake: PairLogImport
    held: list[HeldRow] = field(default_factory=list)


@verb(Role.ADMINISTRATOR)
def import_pair_contacts(
    actor: Actor, *, unit: AdminUnit, rows: Sequence[LogRow], outbreak_name: str = "", sha256: str = ""
) -> PairLogAnswer:
    """Take in one portion of a log of who was near whom (`pairlog.read_log` reads it) as presence of pairs.

    A person is named by the public id, or by the case number within the outbreak named. Rows of one pair that overlap
    or touch are one contact; a row that says nothing new is a duplicate, so a file may be sent again. A held row
    stays held once, however often it is sent, and leaves when it can be taken. `sha256` is that of the whole file.
    Raises `NotFound` for an outbreak that is not there; then nothing is written.
    """
    actor.must_cover(unit, Role.ADMINISTRATOR)
    if not rows:
        raise Invalid(
            _("Tệp không có dòng nào."),
            field="rows",
            way_out=_("Dòng đầu là tên cột, mỗi dòng sau là một bản ghi."),
        )
    now, first_day = clock.now(), _first_day_kept()
    told: list[tuple[LogRow, Contact]] = []
    held: list[HeldRow] = []
    for row in rows:
        said = pairlog.understood(row, now=now, first_day=first_day)
        if isinstance(said, Fault):
            held.append(HeldRow(row, said))
        else:
            told.append((row, said))
    known = _people(actor, unit, {name for _row, c in told for name in (c.person, c.other)}, outbreak_name)
    good: list[tuple[LogRow, Contact]] = []
    for row, contact in told:
        fault = _fault_of_people(contact, known, outbreak_name)
        if fault is None:
            good.append((row, contact))
        else:
            held.append(HeldRow(row, fault))
    new = join_pairs(
        Sightings(
            np.array([known[c.person] for _row, c in good], np.int64),
            np.array([known[c.other] for _row, c in good], np.int64),
            np.array([to_us(c.begin) for _row, c in good], np.int64),
            np.array([to_us(c.end) for _row, c in good], np.int64),
        ),
        source=PresenceRecord.Source.BLUETOOTH,
    )
    stored = [contact for (_row, contact), is_new in zip(good, new.tolist(), strict=True) if is_new]
    held.sort(key=lambda one: one.row.line)
    intake = PairLogImport.objects.create(
        unit=unit,
        at=now,
        sha256=sha256,
        first_line=min(row.line for row in rows),
        last_line=max(row.line for row in rows),
        received=len(rows),
        stored=len(stored),
        duplicate=len(good) - len(stored),
        held=len(held),
    )
    _hold(intake, held, outbreak_name)
    _release((row for row, _contact in good), outbreak_name)
    days = sorted(clock.local(c.begin).date() for c in stored)
    record(
        actor,
        intake,
        persons=sorted({known[name] for c in stored for name in (c.person, c.other)}),
        event=PAIR_CONTACTS_IMPORTED if stored else None,
        payload={
            "log": intake.pk,
            "stored": len(stored),
            "first_day": str(days[0]),
            "last_day": str(days[-1]),
        }
        if stored
        else None,
        received=intake.received,
        stored=intake.stored,
        duplicate=intake.duplicate,
        held=intake.held,
    )
    return PairLogAnswer(intake, held)


def _first_day_kept() -> date:
    """Presence of earlier days is forgotten, or would be before another day has passed."""
    kept = int(rules.on("retention.presence", clock.today()).value["days"])
    oldest = clock.today() - timedelta(days=kept)
    gone = presence.forgotten_before()
    return oldest if gone is None else max(oldest, gone)


def _people(actor: Actor, unit: AdminUnit, names: Iterable[str], outbreak_name: str) -> dict[str, int]:
    """The person behind each name that is known: a public id, or a case number of the outbreak."""
    public = {name: one for name in names if (one := _uuid(name)) is not None}
    people = Person.objects.filter(public_id__in=set(public.values()))
    if not actor.sees_everything:
        people = people.filter(unit__path__startswith=unit.path)
    by_id = dict(people.values_list("public_id", "pk"))
    found = {name: by_id[one] for name, one in public.items() if one in by_id}
    if outbreak_name:
        outbreak = Outbreak.objects.filter(name=outbreak_name.strip(), unit=unit).first()
        if outbreak is None:
            raise NotFound(
                _("Không có ổ dịch tên “%(name)s”.") % {"name": outbreak_name},
                field="outbreak",
                way_out=_("Xem tên ở trang Ổ dịch, hoặc nhập danh sách ca trước bằng khien import linelist."),
            )
        cases = Case.objects.filter(outbreak=outbreak, registered_number__in=set(names) - public.keys())
        found |= dict(cases.exclude(registered_number="").values_list("registered_number", "person_id"))
    return _unmerged(found)


def _unmerged(found: Mapping[str, int]) -> dict[str, int]:
    """The same with merged records followed to the one that is kept."""
    kept = dict(found)
    while True:
        rows = Person.objects.filter(pk__in=set(kept.values()), merged_into__isnull=False)
        into = dict(rows.values_list("pk", "merged_into_id"))
        if not into:
            return kept
        kept = {name: into.get(pk, pk) for name, pk in kept.items()}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _fault_of_people(contact: Contact, known: Mapping[str, int], outbreak_name: str) -> Fault | None:
    for name in ("person", "other"):
        text = getattr(contact, name)
        if text in known:
            continue
        if _uuid(text) is not None:
            reason = _("Cột %(name)s: không có người mang mã “%(text)s”. Đăng ký người này rồi nhập lại.")
        elif outbreak_name:
            reason = _("Cột %(name)s: ổ dịch không có ca “%(text)s”. Nhập ca này trước, hoặc ghi mã người.")
        else:
            reason = _(
                "Cột %(name)s: “%(text)s” không phải mã người. Ghi mã người, hoặc chỉ --outbreak nếu là mã ca."
            )
        return Fault(name, reason % {"name": name, "text": pairlog.masked(text)})
    if known[contact.person] == known[contact.other]:
        return Fault("other", _("Hai cột là cùng một người. Ghi người kia vào cột other."))
    return None


def _hold(intake: PairLogImport, held: Iterable[HeldRow], outbreak_name: str) -> None:
    """Keep what was not taken, each row once: what comes again is renewed with the reason of now."""
    rows = {
        digest: HeldPair(
            intake=intake,
            digest=digest,
            line=one.row.line,
            field=one.fault.field,
            row={name: pairlog.masked(text) for name, text in one.row.cells.items()},
            reason=one.fault.reason[:300],
        )
        for one in held
        for digest in [_digest(one.row, outbreak_name)]
    }
    HeldPair.objects.bulk_create(
        rows.values(),
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["intake", "line", "field", "row", "reason"],
    )


def _release(taken: Iterable[LogRow], outbreak_name: str) -> None:
    """What was held before and has now been taken waits no longer."""
    HeldPair.objects.filter(digest__in=[_digest(row, outbreak_name) for row in taken]).delete()


def _digest(row: LogRow, outbreak_name: str) -> str:
    """What tells a row from others; keyed, because a cell may hold an identity number."""
    text = json.dumps([outbreak_name, *sorted(row.cells.items()), row.wrong_cells], ensure_ascii=False)
    key = settings.SECRET_KEY.encode()[:64]
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=key).hexdigest()
