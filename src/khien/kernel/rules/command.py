"""`khien retention prove`: is nothing left that is older than its rule?"""

from __future__ import annotations

import sys

import click


@click.command()
def prove() -> None:
    """Check all that is held and the log of deletions; exit status 1 when something is too old or cannot be shown."""
    import django

    django.setup()
    from khien.kernel.audit.models import AuditLine
    from khien.kernel.registries import holdings, retention, retention_checks
    from khien.kernel.rules import retention as forgetting

    flaws = list(forgetting.prove())
    for flaw in flaws:
        click.echo(f"{flaw.where}: {flaw.what}")
    runs = AuditLine.objects.filter(act=forgetting.ACT, subject=forgetting.SUBJECT).count()
    click.echo(
        f"{len(retention)} rules, {len(holdings)} tables, {len(retention_checks)} other places, "
        f"{runs} deletions in the log; {len(flaws)} flaws"
    )
    sys.exit(1 if flaws else 0)
