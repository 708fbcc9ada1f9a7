"""Questions at the residents' door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.utils import timezone

from khien.kernel import clock, limits
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.residents import allowed
from khien.kernel.residents.models import HelpSession, KnownBrowser, MessageDay
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.models import Account


def people_with_phone(number: str) -> list[Person]:
    """Everybody whose phone this is (E.164), in Vietnamese order: for somebody who has proved to hold it."""
    return list(
        Person.objects.filter(phones__number=number, merged_into__isnull=True)
        .order_by("name_sort", "pk")
        .distinct()
    )


def person_of_document(kind: str, number: str) -> Person | None:
    """Whose document bears this number, merged records followed: for somebody whose identity another system has
    proved. The number is hashed at once and goes nowhere. Raises `Invalid` for what is no such number."""
    hashes = identity.hashes(kind, identity.normalise(kind, number))
    document = (
        IdentityDocument.objects.select_related("person").filter(kind=kind, number_hash__in=hashes).first()
    )
    person = None if document is None else document.person
    while person is not None and person.merged_into is not None:
        person = person.merged_into
    return person


def is_known_browser(number: str, browser: str) -> bool:
    """Whether this browser (its cookie) has signed in with this number and may still be remembered."""
    if not browser:
        return False
    return KnownBrowser.objects.filter(
        number_hash=limits.keyed("number", number),
        browser=limits.keyed("browser", browser),
        seen_at__gt=timezone.now() - allowed.today().browser_kept,
    ).exists()


@dataclass(frozen=True, slots=True)
class Budget:
    """One-time codes of one day beside the cap; `known_cap` is what strangers may use of it."""

    day: date
    sent: int
    cap: int
    refused: int
    alarm_at: datetime | None
    exhausted_at: datetime | None

    @property
    def alarming(self) -> bool:
        return self.alarm_at is not None


def message_day() -> date:
    """The Vietnamese day on which messages are counted (real time)."""
    return clock.local(timezone.now()).date()


def budget() -> Budget:
    """How many one-time codes were sent today, of how many."""
    cap = allowed.today().house_day
    row = MessageDay.objects.filter(day=message_day()).first() or MessageDay(day=message_day())
    return Budget(row.day, row.sent, cap, row.refused, row.alarm_at, row.exhausted_at)


def alarms(days: int = 14) -> list[MessageDay]:
    """The last days on which the codes reached the alarm, newest first."""
    return list(MessageDay.objects.filter(alarm_at__isnull=False).order_by("-day")[:days])


def running_help(account: Account, help_id: int) -> HelpSession | None:
    """The session of this member of staff if it has neither ended nor run out."""
    return (
        HelpSession.objects.select_related("person", "person__unit", "account")
        .filter(pk=help_id, account=account, ended_at__isnull=True, until__gt=timezone.now())
        .first()
    )


def help_of(actor: Actor, help_id: int) -> HelpSession | None:
    """A session of the actor's own, running or over."""
    if actor.kind != "staff" or actor.id is None:
        return None
    return (
        HelpSession.objects.select_related("person", "person__unit")
        .filter(pk=help_id, account_id=actor.id)
        .first()
    )
