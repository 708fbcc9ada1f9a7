from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel.acts import record, verb
from khien.kernel.errors import Conflict
from khien.kernel.rules.models import Rule, RuleKey
from khien.kernel.staff import Actor, Role

SEED = Path(__file__).with_name("seed.json")


@verb(Role.ADMINISTRATOR)
def load_seed(actor: Actor) -> int:
    """Load the rules that ship with Khiên into keys that have none; returns how many rules were added.

    A key that already has rules is left alone: the province's own decisions win.
    """
    added = 0
    for entry in json.loads(SEED.read_text("utf-8")):
        key, _created = RuleKey.objects.get_or_create(
            key=entry["key"], defaults={"meaning": entry["meaning"]}
        )
        if key.rules.exists():
            continue
        for rule in entry["rules"]:
            Rule.objects.create(
                key=key,
                during=(_day(rule["from"]), _day(rule["to"])),
                value=rule["value"],
                decision=rule["decision"],
                issued_on=_day(rule["issued_on"]),
                summary=rule["summary"],
                source=rule["source"],
                to_confirm=rule["to_confirm"],
            )
            added += 1
    record(actor, "rules.rule", added=added)
    return added


@verb(Role.ADMINISTRATOR)
def enact(
    actor: Actor,
    *,
    key: str,
    start: date,
    value: dict[str, Any],
    decision: str,
    summary: str,
    source: str,
    issued_on: date | None = None,
) -> Rule:
    """Put a rule in force from `start` on; the rule before it ends that day. Old cases keep theirs.

    Raises `Conflict` when a rule of that key begins on that day or later.
    """
    rule_key = RuleKey.objects.select_for_update().get(key=key)
    for rule in rule_key.rules.all():
        begins, ends = rule.during.lower, rule.during.upper
        if begins is not None and begins >= start:
            raise Conflict(
                _("Đã có quy định “%(key)s” từ ngày %(day)s (%(decision)s).")
                % {"key": key, "day": begins.strftime("%d/%m/%Y"), "decision": rule.decision},
                field="start",
                way_out=_("Chọn ngày hiệu lực muộn hơn."),
            )
        if ends is None or ends > start:
            rule.during = (begins, start)
            rule.save(update_fields=["during"])
    made = Rule.objects.create(
        key=rule_key,
        during=(start, None),
        value=value,
        decision=decision,
        summary=summary,
        source=source,
        issued_on=issued_on,
        to_confirm=False,
    )
    record(actor, made, key=key, start=start.isoformat())
    return made


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
