"""How often residents may ask for codes and try them: the rules `sign_in.*` as limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from khien.kernel import clock
from khien.kernel.limits import Limit
from khien.kernel.rules import reads as rules


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
