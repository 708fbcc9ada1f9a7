"""The colour of a person's card: one answer for the phone, the gate and the desk.

Everything it is made from is a `Standing`: orders and results restrict, a declaration (kind `declared`) or another
proof permits. The rule `gate.card_colour` of the day says how they become a colour::

    {"kinds": {"under_order": "red"},              what a kind counts as, where not as it was imposed
     "demanded": [{"kind": "declared", "colour": "yellow", "sentence": "Chưa khai báo y tế trong 72 giờ qua."}]}

The gravest colour wins, and its sentence is the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.rules import reads as rules
from khien.kernel.standing import reads
from khien.kernel.standing.models import Standing

RULE = "gate.card_colour"
GRAVEST_FIRST = ("red", "orange", "yellow", "green")


@dataclass(frozen=True, slots=True)
class CardColour:
    """`colour` is red, orange, yellow or green; `word` stands beside it, `reason` is one sentence; `kind` is the
    standing (or the one that is missing) that decided, "" when nothing restricts."""

    colour: str
    word: str
    reason: str
    kind: str


def of(person_ids: Iterable[int], at: datetime) -> dict[int, CardColour]:
    """The colour of each person's card at a moment, by the rule of that day. A fact: the door narrows who asks."""
    people = set(person_ids)
    rule = _rule(clock.local(at).date())
    holding = reads.holding(people, at)
    return {person: judged(holding.get(person, ()), rule) for person in people}


def _rule(day: date) -> Mapping[str, Any]:
    """The rule's value; before any was entered what was imposed counts as it was, because a gate cannot wait."""
    try:
        return rules.on(RULE, day).value
    except NotFound:
        return {}


def judged(standings: Sequence[Standing], rule: Mapping[str, Any]) -> CardColour:
    """What these standings make of a card by the rule's value."""
    kinds: Mapping[str, str] = rule.get("kinds", {})
    found = [(kinds.get(one.kind, one.colour), one.kind, one.reason) for one in standings]
    held = {one.kind for one in standings}
    found += [
        (one["colour"], one["kind"], one["sentence"])
        for one in rule.get("demanded", ())
        if one["kind"] not in held
    ]
    found = [one for one in found if one[0] != "green"]
    if not found:
        return CardColour("green", word("green"), _("Không có hạn chế nào đang hiệu lực."), "")
    colour, kind, reason = min(found, key=lambda one: GRAVEST_FIRST.index(one[0]))
    return CardColour(colour, word(colour), reason, kind)


def word(colour: str) -> str:
    """The word that stands beside a colour."""
    return {
        "green": _("Được qua"),
        "yellow": _("Lưu ý"),
        "orange": _("Cần kiểm tra"),
        "red": _("Dừng lại"),
    }[colour]
