"""A resident has proved who they are and comes in."""

from __future__ import annotations

from django.utils import timezone

from khien.kernel import limits
from khien.kernel.acts import record, verb
from khien.kernel.people.models import Person
from khien.kernel.residents.models import KnownBrowser
from khien.kernel.staff import Actor


@verb(residents=True)
def enter(actor: Actor, *, person: Person, how: str, number: str = "", browser: str = "") -> None:
    """Write down that somebody came in as this person, by `how` (phone, identity); their browser is known from now on
    for `number`, where a browser is given (not on a shared phone)."""
    if browser and number:
        KnownBrowser.objects.update_or_create(
            number_hash=limits.keyed("number", number),
            browser=limits.keyed("browser", browser),
            defaults={"seen_at": timezone.now()},
        )
    record(actor, person, persons=[person.pk], how=how)
