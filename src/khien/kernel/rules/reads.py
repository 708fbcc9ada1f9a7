from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel.errors import NotFound
from khien.kernel.rules.models import Rule


@dataclass(frozen=True, slots=True)
class RuleFact:
    """The rule in force on a day, and by whose decision."""

    id: int
    key: str
    value: dict[str, Any]
    decision: str
    summary: str
    to_confirm: bool


def on(key: str, day: date) -> RuleFact:
    """The rule of `key` in force on `day` (a day in Viet Nam). Raises `NotFound` when none is."""
    rule = Rule.objects.select_related("key").filter(key__key=key, during__contains=day).first()
    if rule is None:
        raise NotFound(
            _("Chưa có quy định “%(key)s” cho ngày %(day)s.") % {"key": key, "day": day.strftime("%d/%m/%Y")},
            way_out=_("Quản trị viên nhập quy định của ngày đó trước."),
        )
    return RuleFact(rule.pk, key, rule.value, rule.decision, rule.summary, rule.to_confirm)
