"""Questions that cross rooms: the one search, a person's page, who read a record."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from khien.kernel.audit.models import AuditLine
from khien.kernel.people import reads as people
from khien.kernel.people.models import IdentityDocument, Merge, Person, Phone, Residence
from khien.kernel.places import reads as places
from khien.kernel.places.models import Place
from khien.kernel.registries import person_panels, search_entries
from khien.kernel.registries.registry import PersonPanel, SearchHit
from khien.kernel.staff import Actor
from khien.kernel.standing import colours
from khien.kernel.standing import reads as standing
from khien.kernel.standing.colours import CardColour
from khien.kernel.standing.models import Standing

PLACES_SHOWN = 10
HITS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SearchGroup:
    """Hits of one sort, e.g. of the registry entry "Ca bệnh"."""

    title: str | Promise
    hits: list[SearchHit]


@dataclass(frozen=True, slots=True)
class Found:
    """What the one search gives: people, places, and what the rooms announce, each within the actor's scope."""

    people: people.SearchResult
    places: list[Place]
    groups: list[SearchGroup]

    @property
    def nothing(self) -> bool:
        return not (self.people.people or self.places or self.groups)


def looks_like_a_number(text: str) -> bool:
    """Whether a typed text may be an identity or phone number, which must not stand in an address or a log."""
    return len(re.findall(r"\d", text)) >= 6


def search(actor: Actor, text: str, limit: int = 50) -> Found:
    """Everything that a typed text may mean to this actor: a number, a name, a place, a tube, a case."""
    groups = [
        SearchGroup(entry.title, hits)
        for entry in sorted(search_entries, key=lambda entry: entry.order)
        if (hits := entry.find(actor, text, HITS_SHOWN))
    ]
    return Found(
        people.search(actor, text, limit), list(places.listed(actor, text=text)[:PLACES_SHOWN]), groups
    )


@dataclass(frozen=True, slots=True)
class PersonFile:
    """What the kernel knows of a person, for the head of their page. Numbers of documents stay closed."""

    person: Person
    documents: list[IdentityDocument]
    phones: list[Phone]
    residences: list[Residence]
    card: CardColour
    standings: list[Standing]
    merges: list[Merge]
    panels: list[tuple[PersonPanel, dict[str, object]]]


def person_file(actor: Actor, person: Person, at: datetime, *, panels: bool = True) -> PersonFile:
    """The page of a person that the actor has already been allowed to open (`people.reads.get`); `panels`
    are the sections that rooms announce for staff."""
    sections = []
    for panel in sorted(person_panels, key=lambda panel: panel.order) if panels else ():
        context = panel.read(actor, person.pk)
        if context is not None:
            sections.append((panel, context))
    return PersonFile(
        person=person,
        documents=list(person.documents.order_by("kind", "pk")),
        phones=list(person.phones.order_by("-is_main", "pk")),
        residences=list(person.residences.select_related("unit").order_by("-during")),
        card=colours.of([person.pk], at)[person.pk],
        standings=[
            row
            for row in standing.holding([person.pk], at).get(person.pk, [])
            if row.colour != Standing.Colour.GREEN
        ],
        merges=list(Merge.objects.filter(kept=person, undone_at__isnull=True).select_related("gone")),
        panels=sections,
    )


_ROOMS: dict[str, str | Promise] = {
    "desk": _("Bàn làm việc"),
    "people": _("Hồ sơ dân cư"),
    "checkpoints": _("Chốt kiểm soát"),
    "testing": _("Xét nghiệm"),
    "tracing": _("Truy vết"),
    "quarantine": _("Cách ly"),
    "broadcasts": _("Thông báo"),
    "declarations": _("Khai báo y tế"),
    "residents": _("Đăng nhập và làm giúp tại quầy"),
    "sign_in": _("Đăng nhập và làm giúp tại quầy"),
    "vaccination": _("Tiêm chủng"),
    "presence": _("Lượt vào/ra"),
    "places": _("Địa điểm"),
    "standing": _("Tình trạng"),
    "response": _("Quy trình ứng phó"),
}


@dataclass(frozen=True, slots=True)
class RecordRead:
    """One line of "who opened my record"."""

    at: datetime
    who: str
    kind: str
    area: str | Promise
    wrote: bool
    purpose: str
    helped: bool


def lines_about(person_id: int) -> QuerySet[AuditLine]:
    """The audit lines about a person and about the records merged into theirs, newest first, without what
    the person did alone. The door asks only for the resident's own id."""
    ids = [person_id, *Person.objects.filter(merged_into_id=person_id).values_list("pk", flat=True)]
    return (
        AuditLine.objects.filter(persons__overlap=ids)
        .exclude(
            Q(actor_kind="resident", actor_id=person_id) | Q(actor_kind="resident", actor_id__isnull=True)
        )
        .order_by("-pk")
    )


def as_reads(lines: Iterable[AuditLine]) -> list[RecordRead]:
    """Audit lines in words that a resident understands."""
    return [
        RecordRead(
            at=line.at,
            who="" if line.actor_kind == "system" else line.actor_name,
            kind=line.actor_kind,
            area=_ROOMS.get(line.act.split(".", 1)[0], line.act.split(".", 1)[0]),
            wrote=line.sort == AuditLine.Sort.WRITE,
            purpose=line.purpose,
            helped="acting_for" in line.details,
        )
        for line in lines
    ]
