"""Finding people: by any number, by name with or without accents; always inside the actor's scope."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from khien.kernel.acts import read
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.language import fold
from khien.kernel.people import identity
from khien.kernel.people.models import DuplicateProposal, IdentityDocument, Merge, NameWord, Person, Phone
from khien.kernel.staff.actors import Actor

COUNT_CAP = 1000
"""Above this many hits the count is shown as "1.000+": nobody reads on, and counting would cost."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best hits and how many there are; `capped` when there are more than `COUNT_CAP`."""

    people: list[Person]
    count: int
    capped: bool


def get(actor: Actor, public_id: UUID | str) -> Person:
    """The person that the actor may see, merged records followed. Raises `NotFound`."""
    person = (
        Person.objects.select_related("unit", "household", "merged_into__unit")
        .filter(public_id=public_id)
        .first()
    )
    while person is not None and person.merged_into is not None:
        person = person.merged_into
    if person is None or not Person.objects.seen_by(actor).filter(pk=person.pk).exists():
        raise NotFound()
    return person


def find_by_number(actor: Actor, text: str) -> list[Person]:
    """Everybody in scope known by this number: identity card, old card, passport, insurance or phone."""
    return list(_by_number(text, Person.objects.seen_by(actor).select_related("unit"))[:50])


def _by_number(text: str, people: QuerySet[Person]) -> QuerySet[Person]:
    # The few bearers are looked up first: as subqueries they would have the planner read everybody.
    found: set[int] = set()
    for kind, number in identity.possible_kinds(text):
        found.update(
            IdentityDocument.objects.filter(
                kind=kind, number_hash__in=identity.hashes(kind, number)
            ).values_list("person_id", flat=True)
        )
    digits = re.sub(r"\D", "", text)
    if 9 <= len(digits) <= 12:
        national = digits[2:] if digits.startswith("84") else digits.lstrip("0")
        found.update(Phone.objects.filter(number=f"+84{national}").values_list("person_id", flat=True))
    return people.filter(pk__in=found, merged_into__isnull=True)


def search(actor: Actor, text: str, limit: int = 50) -> SearchResult:
    """The first `limit` people for a typed text: any number, or words of a name (with or without accents,
    the last word may be unfinished) and perhaps a birth year.

    Ranked: the same letters with the same accents, then the same letters, then names that begin so, then
    the words in another order. Commonest names answer as fast as rare ones because candidates are capped.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if not text:
        return SearchResult([], 0, False)
    if any(c.isdigit() for c in text) and (
        identity.possible_kinds(text) or re.fullmatch(r"\+?[\d .\-]{9,}", text)
    ):
        known = find_by_number(actor, text)
        if known or not any(c.isalpha() for c in text):
            return SearchResult(known[:limit], len(known), False)
    folded = fold(text).split()
    years = [word for word in folded if re.fullmatch(r"(19|20)\d\d", word)]
    words = [word for word in folded if word not in years]
    scope = _scope_paths(actor)
    if not words or scope == []:
        return SearchResult([], 0, False)
    name = " ".join(words)
    narrowed = _Narrowed([f"y{year}" for year in years], scope)
    found = narrowed.by_name(name, limit)
    rows = {row.pk: row for row in [*found, *narrowed.by_words(words, [])]}
    if len(rows) < limit:
        # The last word may be unfinished: the others whole, and any known word that begins so.
        unfinished = list(
            NameWord.objects.filter(word__startswith=words[-1]).values_list("word", flat=True)[:_MOST_WORDS]
        )
        if unfinished:
            rows |= {row.pk: row for row in narrowed.by_words(words[:-1], unfinished)}
    typed = " ".join(word for word in text.lower().split() if word not in years)
    ranked = sorted(rows.values(), key=lambda row: row.distance(name, typed))[:limit]
    people = {
        p.pk: p
        for p in Person.objects.select_related("unit__parent").filter(pk__in=[row.pk for row in ranked])
    }
    capped = len(rows) > COUNT_CAP
    return SearchResult(
        [people[row.pk] for row in ranked if row.pk in people], COUNT_CAP if capped else len(rows), capped
    )


_MOST_WORDS = 200


class _Row(NamedTuple):
    """A candidate: what ranking needs of a person."""

    pk: int
    full_name: str
    folded: str
    name_sort: str
    birth_year: int | None

    def distance(self, name: str, typed: str) -> tuple[int, str, int, int]:
        """How far the name is from what was typed; then Vietnamese order, then age."""
        if self.folded == name:
            near = 0 if self.full_name.lower() == typed else 1
        elif self.folded.startswith(name):
            near = 2
        elif self.folded.endswith(name):
            near = 3
        else:
            near = 4
        return near, self.name_sort, self.birth_year or 0, self.pk


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """Candidates with all of `tokens` inside the units of `scope` (paths; None: everywhere).

    A commune's token narrows in the index; a province's has nearly everybody behind it, so there each
    candidate is looked at instead: the index need not read a list of a million.
    """

    tokens: list[str]
    scope: list[str] | None

    def by_name(self, name: str, limit: int) -> list[_Row]:
        """Whose name is, or begins with, `name`: at most `limit` of each."""
        return self._rows("name_folded = %(name)s", limit, name=name) + self._rows(
            "name_folded LIKE %(like)s", limit, like=f"{name}%"
        )

    def by_words(self, words: list[str], unfinished: list[str]) -> list[_Row]:
        """Who has all `words`, and one of `unfinished` when there are any."""
        where = "search_tokens @> %(words)s::varchar[]" if words else "TRUE"
        if unfinished:
            where += " AND search_tokens && %(unfinished)s::varchar[]"
        return self._rows(where, COUNT_CAP + 1, words=words, unfinished=unfinished)

    def _rows(self, where: str, limit: int, **values: str | list[str]) -> list[_Row]:
        found: list[_Row] = []
        with connection.cursor() as cursor:
            for path in self.scope if self.scope is not None else [""]:
                clauses = [where, "merged_into_id IS NULL"]
                unit = f"u{path.rstrip('.').rsplit('.', 1)[-1]}"
                if path.count(".") > _WIDE_TIERS:
                    clauses.append("search_tokens @> ARRAY[%(unit)s]::varchar[]")
                elif path:
                    clauses.append("%(unit)s = ANY (search_tokens)")
                if self.tokens:
                    clauses.append("search_tokens @> %(tokens)s::varchar[]")
                statement = " ".join(
                    [
                        "SELECT id, full_name, name_folded, name_sort, birth_year FROM people_person WHERE",
                        " AND ".join(clauses),
                        "LIMIT %(limit)s",
                    ]
                )
                cursor.execute(
                    statement, {**values, "tokens": self.tokens, "unit": unit, "limit": limit - len(found)}
                )
                found += [_Row(*row) for row in cursor.fetchall()]
                if len(found) >= limit:
                    break
        return found


_WIDE_TIERS = 2
"""Country and province: their paths have at most two numbers."""


def _scope_paths(actor: Actor) -> list[str] | None:
    """The unit paths in which a person must live; None for no limit, [] for nobody."""
    return None if actor.sees_everything else list(actor.paths(*Person.scope_roles))


def duplicate_proposals(actor: Actor) -> QuerySet[DuplicateProposal]:
    """Open pairs of which the actor may see both people, likeliest first."""
    seen = Person.objects.seen_by(actor).values("pk")
    return (
        DuplicateProposal.objects.filter(state=DuplicateProposal.State.OPEN, first__in=seen, second__in=seen)
        .select_related("first__unit", "second__unit")
        .prefetch_related("first__documents", "second__documents")
        .order_by("-score", "pk")
    )


def merges(actor: Actor) -> QuerySet[Merge]:
    """Merges into people the actor may see, newest first."""
    return (
        Merge.objects.filter(kept__in=Person.objects.seen_by(actor).values("pk"))
        .select_related("kept", "gone")
        .order_by("-pk")
    )


def show_number(actor: Actor, document: IdentityDocument) -> str:
    """Open a sealed number for somebody whose work needs it; the look is written down with its purpose."""
    if not actor.purpose:
        raise Invalid(_("Thiếu mục đích xem số giấy tờ."), field="purpose", way_out=_("Ghi xem để làm gì."))
    if not Person.objects.seen_by(actor).filter(pk=document.person_id).exists():
        raise NotFound()
    read(actor, "people.show_number", persons=[document.person_id], subject=document)
    return identity.open_number(document)
