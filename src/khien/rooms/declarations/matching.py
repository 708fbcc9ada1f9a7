"""Whose declaration this is: only on what is exact, else an officer compares."""

from __future__ import annotations

from dataclasses import dataclass

from khien.kernel.language import fold
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument, Person


@dataclass(frozen=True, slots=True)
class Found:
    """`person` when it is certain; else `held_reason` ("" when the ledger knows nobody like that)."""

    person: Person | None
    held_reason: str = ""


def whose(
    *, full_name: str, birth_year: int, phone: str, number_kind: str, number: str, unit_path: str
) -> Found:
    """The person of the ledger whom a declaration means.

    A number counts when the name or the birth year agrees; a phone with the same folded name and birth year.
    Somebody of that name and year in the same commune may be the same person: nobody is made twice, an officer looks.
    """
    folded = fold(full_name)
    if number:
        held = (
            IdentityDocument.objects.filter(
                kind=number_kind, number_hash__in=identity.hashes(number_kind, number)
            )
            .select_related("person__merged_into")
            .first()
        )
        if held is not None:
            owner = held.person.merged_into or held.person
            if owner.name_folded == folded or owner.birth_year == birth_year:
                return Found(owner)
            return Found(None, "number_of_another")
    named = Person.objects.filter(name_folded=folded, birth_year=birth_year, merged_into__isnull=True)
    by_phone = list(named.filter(phones__number=phone).distinct()[:2])
    if len(by_phone) == 1:
        return Found(by_phone[0])
    if by_phone:
        return Found(None, "several")
    if named.filter(unit__path__startswith=unit_path).exists():
        return Found(None, "similar")
    return Found(None)
