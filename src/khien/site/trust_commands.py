"""`khien trust list` and `khien trust certificate`: whose health certificates are believed, and our own signer."""

from __future__ import annotations

import click


@click.command("list")
def show() -> None:
    """Name the signers whose HC1 certificates are believed here, and what is wrong with the list."""
    import django

    django.setup()
    from khien.kernel import clock
    from khien.kernel.certificates import trust

    found = trust.current()
    for signer in sorted((one for some in found.signers.values() for one in some), key=lambda one: one.kid):
        late = " (expired)" if signer.valid_until < clock.now() else ""
        uses = ", ".join(sorted(signer.uses)) or "any kind"
        click.echo(
            f"{signer.kid.hex()} {signer.country or '--'} until {signer.valid_until:%Y-%m-%d}{late}: {uses}"
        )
    for problem in found.problems:
        click.echo(f"left out: {problem}", err=True)
    click.echo(f"{len(found)} signers, {len(found.problems)} problems")


@click.command()
def certificate() -> None:
    """Print the certificate of our current HC1 key (PEM), for the trust lists of others."""
    import django

    django.setup()
    from cryptography.hazmat.primitives import serialization

    from khien.kernel import keys
    from khien.kernel.certificates import ours

    made = ours.certificate(keys.current(ours.PURPOSE))
    click.echo(made.public_bytes(serialization.Encoding.PEM).decode(), nl=False)
