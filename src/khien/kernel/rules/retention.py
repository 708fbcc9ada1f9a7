"""Forgetting: every registered table, by its dated rule, once a business day."""

from __future__ import annotations

from datetime import date, timedelta

from khien.kernel import clock
from khien.kernel.acts import record, verb
from khien.kernel.registries import retention
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role, system_actor

_last_day: date | None = None


@verb(Role.ADMINISTRATOR)
def forget(actor: Actor) -> dict[str, int]:
    """Remove everything that is past its rule today; returns rows gone by registry key."""
    today = clock.today()
    gone: dict[str, int] = {}
    for key, entry in retention.items():
        days = int(rules.on(entry.rule_key, today).value["days"])
        gone[key] = entry.forget(today - timedelta(days=days))
    record(actor, "rules.retention", day=today.isoformat(), gone=gone)
    return gone


def forget_once_a_day() -> None:
    """For the ticker: run when the business day has changed since this process last ran it."""
    global _last_day
    today = clock.today()
    if _last_day != today:
        forget(system_actor("retention"))
        _last_day = today
