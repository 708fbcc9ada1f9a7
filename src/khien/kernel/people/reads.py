"""Finding people: by any number, by name with or without accents; always inside the actor's scope."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from khien.kernel.errors import NotFound
from khien.kernel.language import fold, trigrams
from khien.kernel.people import identity
from khien.kernel.people.models import DuplicateProposal, IdentityDocument, Merge, Person, Phone
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
    wanted = Q(pk__in=[])
    for kind, number in identity.possible_kinds(text):
        wanted |= Q(
            pk__in=IdentityDocument.objects.filter(
                kind=kind, number_hash__in=identity.hashes(kind, number)
            ).values("person_id")
        )
    digits = re.sub(r"\D", "", text)
    if 9 <= len(digits) <= 12:
        national = digits[2:] if digits.startswith("84") else digits.lstrip("0")
        wanted |= Q(pk__in=Phone.objects.filter(number=f"+84{national}").values("person_id"))
    return people.filter(wanted, merged_into__isnull=True)


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
        people = find_by_number(actor, text)
        if people or not any(c.isalpha() for c in text):
            return SearchResult(people[:limit], len(people), False)
    folded = fold(text).split()
    years = [word for word in folded if re.fullmatch(r"(19|20)\d\d", word)]
    words = [word for word in folded if word not in years]
    scope = _scope_tokens(actor)
    if not words or scope == []:
        return SearchResult([], 0, False)
    tokens = [f"y{year}" for year in years]
    ids = _exact_ids(" ".join(words), tokens, scope, limit)
    found = _token_ids(words, "", tokens, scope, COUNT_CAP + 1)
    if len(found) < limit:
        # The last word may be unfinished: the others whole, its beginning by trigrams.
        found += [
            pk
            for pk in _token_ids(words[:-1], words[-1], tokens, scope, COUNT_CAP + 1)
            if pk not in set(found)
        ]
    candidates = list(dict.fromkeys([*ids, *found]))
    plain = _order(candidates, " ".join(words), " ".join(w for w in text.lower().split() if w not in years))
    rows = {p.pk: p for p in Person.objects.select_related("unit__parent").filter(pk__in=plain[:limit])}
    capped = len(candidates) > COUNT_CAP
    return SearchResult(
        [rows[pk] for pk in plain[:limit] if pk in rows], COUNT_CAP if capped else len(candidates), capped
    )


def _scope_tokens(actor: Actor) -> list[str] | None:
    """The unit tokens of which a person must have one; None for no limit, [] for nobody."""
    if actor.sees_everything:
        return None
    return [f"u{path.rstrip('.').rsplit('.', 1)[-1]}" for path in actor.paths(*Person.scope_roles)]


def _exact_ids(name: str, tokens: list[str], scope: list[str] | None, limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM people_person WHERE name_folded = %(name)s"
            " AND search_tokens @> %(tokens)s::varchar[]"
            " AND (%(all)s OR search_tokens && %(scope)s::varchar[])"
            " AND merged_into_id IS NULL LIMIT %(limit)s",
            {"name": name, "tokens": tokens, "all": scope is None, "scope": scope or [], "limit": limit},
        )
        return [row[0] for row in cursor.fetchall()]


def _token_ids(
    words: list[str], beginning: str, tokens: list[str], scope: list[str] | None, limit: int
) -> list[int]:
    """People who have all `words` (and a word that begins with `beginning`), one query a unit of scope."""
    pieces = [piece for piece in trigrams(beginning) if not piece.endswith(" ")] if beginning else []
    clauses = ["search_tokens @> %(tokens)s::varchar[]"]
    if pieces:
        clauses.append("vn_tri(name_folded) @> %(pieces)s")
        clauses.append("(' ' || name_folded) LIKE %(like)s")
    found: list[int] = []
    with connection.cursor() as cursor:
        for unit in [None] if scope is None else scope:
            wanted = [*words, *tokens, *([unit] if unit else [])]
            if not wanted:
                clauses[0] = "merged_into_id IS NULL AND %(tokens)s::varchar[] IS NOT NULL"
            cursor.execute(
                f"SELECT id FROM people_person WHERE {' AND '.join(clauses)} LIMIT %(limit)s",  # noqa: S608 - fixed clauses
                {"tokens": wanted, "pieces": pieces, "like": f"% {beginning}%", "limit": limit - len(found)},
            )
            found += [row[0] for row in cursor.fetchall()]
            if len(found) >= limit:
                break
    return found


def _order(ids: list[int], name: str, typed: str) -> list[int]:
    """Candidates by how near their name is to what was typed, then in Vietnamese order, then by age."""
    rows = Person.objects.filter(pk__in=ids).values_list(
        "pk", "full_name", "name_folded", "name_sort", "birth_year"
    )

    def key(row: tuple[int, str, str, str, int | None]) -> tuple[int, str, int, int]:
        pk, full_name, folded, name_sort, birth_year = row
        if folded == name:
            near = 0 if full_name.lower() == typed else 1
        elif folded.startswith(name):
            near = 2
        elif folded.endswith(name):
            near = 3
        else:
            near = 4
        return near, name_sort, birth_year or 0, pk

    return [row[0] for row in sorted(rows, key=key)]


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
