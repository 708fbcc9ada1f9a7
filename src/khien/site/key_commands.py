"""`khien keys make` and `khien keys rotate`: the key folder of an installation."""

from __future__ import annotations

import click


@click.command()
def make() -> None:
    """Make the keys that a new installation lacks; those that are there stay."""
    import django

    django.setup()
    from khien.kernel import keys

    for purpose in sorted(keys.SYMMETRIC | keys.ED25519 | keys.ES256):
        ids = keys.all_ids(purpose)
        click.echo(f"{purpose}: {ids[-1] if ids else f'{keys.make(purpose).id} (new)'}")


@click.command()
@click.argument("purpose")
def rotate(purpose: str) -> None:
    """Make a new current key for PURPOSE; for identity numbers, seal every number anew under it.

    Old key files stay: after identity numbers are sealed anew they may be destroyed, those of passes and
    seals are needed as long as what they signed counts.
    """
    import django

    django.setup()
    from khien.kernel import keys
    from khien.kernel.people import verbs as people
    from khien.kernel.staff import system_actor

    if purpose not in keys.SYMMETRIC | keys.ED25519 | keys.ES256:
        names = ", ".join(sorted(keys.SYMMETRIC | keys.ED25519 | keys.ES256))
        raise click.BadParameter(f"{purpose} is none of {names}", param_hint="PURPOSE")
    click.echo(f"{purpose}: {keys.make(purpose).id} is the current key now")
    if purpose.startswith("identity-"):
        done = 0
        while sealed := people.rekey_documents(system_actor("keys")):
            done += sealed
            click.echo(f"{done} numbers sealed anew")
        click.echo("no number needs an old key any more")
