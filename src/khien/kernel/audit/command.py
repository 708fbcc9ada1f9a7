"""`khien audit verify`: is the chain whole?"""

from __future__ import annotations

import sys

import click


@click.command()
def verify() -> None:
    """Check every seal of the audit chain; exit status 1 when one is broken."""
    import django

    django.setup()
    from khien.kernel.audit import chain, reads
    from khien.kernel.audit.models import Seal

    faults = list(chain.verify())
    for fault in faults:
        click.echo(f"seal {fault.seal}: {fault.reason}")
    state = reads.sealing()
    click.echo(
        f"{Seal.objects.count()} seals, {len(faults)} faults; "
        f"{state.unsealed} lines not yet sealed, the oldest {state.oldest_s:.0f} s old"
    )
    sys.exit(1 if faults else 0)
