"""Forgetting by rule: contacts of cases closed long ago, held rows that were seen."""

from __future__ import annotations

from datetime import date

from khien.kernel import clock
from khien.rooms.tracing.models import Case, ContactList, HeldLine, HeldPair, HeldResult, TracedContact


def forget_contacts(before: date) -> int:
    """Remove contacts, their evidence and their lists from cases closed before a day; returns contacts gone.

    The case itself stays, with who infected whom.
    """
    cases = Case.objects.filter(status=Case.Status.CLOSED, closed_at__lt=clock.start_of_day(before))
    gone, rows = TracedContact.objects.filter(case__in=cases).delete()
    ContactList.objects.filter(case__in=cases).delete()
    return rows.get("tracing.TracedContact", 0) if gone else 0


def forget_held(before: date) -> int:
    """Remove held lines and rows, and settled held results from before a day; returns rows gone."""
    moment = clock.start_of_day(before)
    lines, _rows = HeldLine.objects.filter(intake__at__lt=moment).delete()
    pairs, _rows = HeldPair.objects.filter(intake__at__lt=moment).delete()
    results, _rows = HeldResult.objects.filter(held_at__lt=moment, settled_at__isnull=False).delete()
    return lines + pairs + results
