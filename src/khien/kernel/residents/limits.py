"""Limits that hold over all processes and restarts: each is one row and one statement.

A limit lets `at_once` things happen together and then one every `every_s` seconds (the generic cell rate algorithm,
ITU-T I.371). The row holds the moment at which everything is free again, so nothing has to be counted or cleaned.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from khien.kernel import clock
from khien.kernel.rules import reads as rules

_TAKE = """
INSERT INTO residents_allowance AS held (kind, key, full_at) VALUES (%(kind)s, %(key)s, %(now)s + %(every)s)
ON CONFLICT (kind, key) DO UPDATE SET full_at = greatest(held.full_at, %(now)s) + %(every)s
WHERE held.full_at <= %(now)s + %(room)s
RETURNING full_at
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`at_once` together, then one every `every_s` seconds; `kind` names whose and of what."""

    kind: str
    at_once: int
    every_s: float

    @property
    def room(self) -> timedelta:
        return timedelta(seconds=self.every_s * (self.at_once - 1))


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether it was allowed, how many more may follow at once, and when the next one may, aware UTC."""

    allowed: bool
    left: int
    next_at: datetime


def take(limit: Limit, key: str, now: datetime) -> Taken:
    """Use one of the limit for `key` (already hashed), if there is one."""
    every = timedelta(seconds=limit.every_s)
    values: dict[str, Any] = {"kind": limit.kind, "key": key, "now": now, "every": every, "room": limit.room}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        row = cursor.fetchone()
        if row is not None:
            free = limit.room + every - (row[0] - now)
            left = int(free / every + 1e-9)
            return Taken(True, left, now if left else row[0] - limit.room)
        cursor.execute(
            "SELECT full_at FROM residents_allowance WHERE kind = %s AND key = %s", [limit.kind, key]
        )
        row = cursor.fetchone()
        return Taken(False, 0, (row[0] if row else now) - limit.room)


def used_up(limit: Limit, key: str, now: datetime) -> bool:
    """Whether nothing of the limit is left for `key`; takes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT full_at > %s FROM residents_allowance WHERE kind = %s AND key = %s",
            [now + limit.room, limit.kind, key],
        )
        row = cursor.fetchone()
        return bool(row and row[0])


def give_back(limit: Limit, key: str) -> None:
    """What was taken turned out to be rightly asked: it does not count."""
    values: dict[str, Any] = {
        "every": timedelta(seconds=limit.every_s),
        "kind": limit.kind,
        "key": key,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE residents_allowance SET full_at = full_at - %(every)s WHERE kind = %(kind)s AND key = %(key)s",
            values,
        )


def lock(key: str) -> None:
    """Be the only one who deals with `key` until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 20))", [key])


def keyed(sort: str, text: str) -> str:
    """A keyed hash, hex: numbers and addresses can be guessed back from a plain one."""
    return hmac.new(
        settings.SECRET_KEY.encode(), f"khien.residents.{sort}:{text}".encode(), hashlib.sha256
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force today, from the rules `sign_in.*` (seconds, minutes, counts)."""

    code_life: timedelta
    code_tries: int
    again: timedelta
    long_life: timedelta
    asks: Limit
    tries: Limit
    wrong: Limit
    number: Limit
    browser: Limit
    returned: Limit
    house_hour: Limit
    house_day: int
    kept_for_known: float
    alarm_at: float
    own_session: timedelta
    shared_session: timedelta
    browser_kept: timedelta


def today() -> Limits:
    """The limits of the business day."""
    day = clock.today()
    codes, messages, tries, session = (
        _value(key, day) for key in ("sign_in.codes", "sign_in.messages", "sign_in.tries", "sign_in.session")
    )
    house = messages["house"]
    return Limits(
        code_life=timedelta(minutes=codes["minutes"]),
        code_tries=int(codes["tries"]),
        again=timedelta(seconds=codes["again_s"]),
        long_life=timedelta(minutes=codes["long_max_minutes"]),
        asks=Limit("address_asks", tries["asks"]["at_once"], 3600 / tries["asks"]["an_hour"]),
        tries=Limit("address_tries", tries["tries"]["at_once"], 3600 / tries["tries"]["an_hour"]),
        wrong=Limit("house_wrong", tries["wrong_an_hour"], 3600 / tries["wrong_an_hour"]),
        number=Limit("number", messages["number"]["at_once"], 86400 / messages["number"]["a_day"]),
        browser=Limit("browser", messages["browser"]["at_once"], 86400 / messages["browser"]["a_day"]),
        returned=Limit("returned", messages["browser"]["at_once"], 86400 / messages["browser"]["a_day"]),
        house_hour=Limit("house_hour", max(1, int(house["an_hour"] / 4)), 3600 / house["an_hour"]),
        house_day=int(house["a_day"]),
        kept_for_known=float(house["kept_for_known"]),
        alarm_at=float(house["alarm_at"]),
        own_session=timedelta(hours=session["own_hours"]),
        shared_session=timedelta(minutes=session["shared_minutes"]),
        browser_kept=timedelta(days=session["browser_days"]),
    )


def _value(key: str, day: date) -> dict[str, Any]:
    return rules.on(key, day).value
