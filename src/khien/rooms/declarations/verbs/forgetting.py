"""Forgetting what the rules no longer allow to keep; run by the retention job."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from khien.kernel import clock
from khien.kernel.standing import verbs as standing
from khien.rooms.declarations.models import Declaration, HeldRow, Intake

_PORTION = 10_000


def forget_declarations(before: date) -> int:
    """Remove declarations received before a Vietnamese day with their tasks and what they stated of people; returns
    how many went. Those of a family go together, by the declarer's."""
    edge = clock.start_of_day(before)
    gone = 0
    while True:
        with transaction.atomic():
            ids = list(
                Declaration.objects.filter(received_at__lt=edge, parent=None).values_list("pk", flat=True)[
                    :_PORTION
                ]
            )
            if not ids:
                return gone
            ids += list(Declaration.objects.filter(parent__in=ids).values_list("pk", flat=True))
            standing.forget(Declaration, ids)
            gone += len(ids)
            Declaration.objects.filter(pk__in=ids).delete()


def forget_held(before: date) -> int:
    """Remove sheets from before a Vietnamese day with their held rows; returns how many held rows went."""
    _all, by_model = Intake.objects.filter(at__lt=clock.start_of_day(before)).delete()
    return by_model.get(HeldRow._meta.label, 0)
