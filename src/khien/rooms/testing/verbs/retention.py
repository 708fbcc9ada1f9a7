"""Forgetting what the rules no longer allow to keep; run by the retention job."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from khien.kernel import clock
from khien.rooms.testing.models import HeldRow, Intake, Result, SamplingRequest, Specimen


def forget_results(before: date) -> int:
    """Remove specimens sampled before a Vietnamese day, with all versions of their results; returns how many
    specimens went."""
    edge = clock.start_of_day(before)
    with transaction.atomic():
        old = Specimen.objects.filter(sampled_at__lt=edge)
        Result.objects.filter(specimen__in=old).delete()
        SamplingRequest.objects.exclude(state=SamplingRequest.State.OPEN).filter(settled_at__lt=edge).delete()
        _all, by_model = old.delete()
    return by_model.get(Specimen._meta.label, 0)


def forget_held(before: date) -> int:
    """Remove batches from before a Vietnamese day with their held rows; returns how many held rows went."""
    _all, by_model = Intake.objects.filter(at__lt=clock.start_of_day(before)).delete()
    return by_model.get(HeldRow._meta.label, 0)
