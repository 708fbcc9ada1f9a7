"""Bringing the database to this version, and Django's own commands."""

from __future__ import annotations

import sys

import click


@click.command()
def migrate() -> None:
    """Bring the database to this version and load units, rules and kinds of places; safe to repeat."""
    import django

    django.setup()
    bring_up_to_date()


def bring_up_to_date() -> None:
    """Migrate and prepare; Django must be set up. Two at once wait for each other."""
    from django.core.management import call_command
    from django.db import connection

    from khien.site import setup

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            call_command("migrate", verbosity=1 if sys.stderr.isatty() else 0, interactive=False)
            setup.prepare()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


_LOCK = 0x317AE


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Django's own commands, for developers: `khien manage makemigrations ROOM`."""
    from django.core.management import execute_from_command_line

    execute_from_command_line(["khien manage", *arguments])
