"""Work in the background: presence derived from what came in, old days forgotten, partitions made ahead."""

from __future__ import annotations

from datetime import date, timedelta

from procrastinate.contrib.django import app

from khien.kernel import clock, partitions
from khien.kernel.presence import verbs as presence
from khien.kernel.staff import system_actor
from khien.rooms.checkpoints import verbs
from khien.rooms.checkpoints.models import Due, HeldScan, Scan, ScanId, TypedPerson
from khien.rooms.checkpoints.verbs.coverage import DAYS_AGAIN

ROUNDS = 20


@app.task(name="checkpoints.derive_presence", queue="checkpoints")
def derive_presence() -> int:
    """Work off everything that is due now; the ticker does the same in small portions."""
    return derive_when_due()


@app.task(name="checkpoints.print_run", queue="checkpoints")
def print_run(run_id: int) -> int:
    """Make the parts of a print order until none is left or somebody stops it; returns what was made. Begun again
    after a crash it goes on with the next part."""
    actor = system_actor("checkpoints")
    done = 0
    try:
        while made := verbs.print_part(actor, run_id=run_id):
            done += made
    except Exception as fault:
        verbs.close_run(actor, run_id=run_id, failure=type(fault).__name__)
        raise
    verbs.close_run(actor, run_id=run_id)
    return done


def derive_when_due() -> int:
    """For the ticker: derive what is due, at most 20 portions at a time; returns marks worked off."""
    done = 0
    for _round in range(ROUNDS):
        if not Due.objects.exists():
            break
        portion = verbs.derive_due(system_actor("checkpoints"))
        if not portion:
            break
        done += portion
    return done


def count_coverage() -> int:
    """For the ticker: today and the days before it that late scans may still change. The first count of a day makes
    yesterday's last."""
    today = clock.today()
    first = today - timedelta(days=DAYS_AGAIN)
    return verbs.count_coverage(system_actor("checkpoints"), first=first, last=today)


def link_unknown_people() -> int:
    """For the ticker: scans of numbers that have meanwhile been registered get their person."""
    return verbs.link_scans(system_actor("checkpoints"))


def build_bundle() -> int:
    """For the ticker: what devices at gates know of people, made anew when it changed; returns the build."""
    return verbs.build_bundle(system_actor("checkpoints")).pk


def prepare_days_ahead() -> int:
    """For the ticker: partitions of presence and scans for the coming days."""
    return presence.prepare_days_ahead() + partitions.ensure_ahead(Scan._meta.db_table, clock.today())


def forget_scans(before: date) -> int:
    """Raw scans received before a day, with their partitions."""
    return partitions.drop_before(Scan._meta.db_table, before)


def forget_scan_ids(before: date) -> int:
    """Ids of events: kept longer than any device repeats itself."""
    return ScanId.objects.filter(day__lt=before).delete()[0]


def forget_typed(before: date) -> int:
    """What guards typed of people without a code, of scans before a day."""
    return TypedPerson.objects.filter(at__lt=clock.start_of_day(before)).delete()[0]


def forget_held(before: date) -> int:
    """Held events received before a day, looked at or not."""
    return HeldScan.objects.filter(received_at__lt=clock.start_of_day(before)).delete()[0]
