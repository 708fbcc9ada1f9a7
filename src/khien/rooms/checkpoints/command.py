"""`khien presence derive`: have stays follow from the scans once more."""

from __future__ import annotations

from datetime import datetime

import click


@click.command()
@click.argument("first", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("last", type=click.DateTime(["%Y-%m-%d"]))
def derive(first: datetime, last: datetime) -> None:
    """Mark the people scanned from FIRST to LAST (YYYY-MM-DD, days in Viet Nam); the ticker derives their stays anew.

    Only what is different is written: on an installation that is right, nothing.
    """
    import django

    django.setup()
    from khien.kernel.staff import system_actor
    from khien.rooms.checkpoints import verbs

    if last < first:
        raise click.BadParameter("LAST lies before FIRST", param_hint="LAST")
    marks = verbs.derive_anew(system_actor("checkpoints"), first=first.date(), last=last.date())
    click.echo(f"{marks} people and days are due; the ticker derives them within minutes")
