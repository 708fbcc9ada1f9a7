"""The command `khien`. A command is one line in a table here and is imported when it is called.

`COMMANDS` need no database; before a command of `DATABASE_COMMANDS` runs, the database answers and
`DJANGO_SETTINGS_MODULE` is set (the command itself calls `django.setup()`).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

# name: ("module:attribute", what it does)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("khien.site.supervisor:up", "run an installation: database, web, worker, ticker, engine"),
    "demo": ("khien.site.supervisor:demo", "run the living demonstration of a province"),
    "doctor": ("khien.site.doctor:doctor", "name what is missing and how to get it"),
    "backup": ("khien.site.backup:backup", "write the database and the keys to one file"),
    "restore": ("khien.site.backup:restore", "put a backup back into an empty installation"),
    "trace": ("khien.engine.command:trace", "find contacts in a file of presence records"),
    "simulate": ("khien.simulation.command:simulate", "make a synthetic province and its epidemic"),
    "bench": ("khien.site.bench:bench", "run a benchmark, or all"),
    "sms simulate": ("khien.gateways.sms.command:simulate", "run SMPP carriers that misbehave as told"),
}
DATABASE_COMMANDS: dict[str, tuple[str, str]] = {
    "migrate": ("khien.site.manage:migrate", "bring the database to this version and load what it must hold"),
    "manage": ("khien.site.manage:manage", "Django's own commands"),
    "keys make": ("khien.site.key_commands:make", "make the keys that are missing"),
    "keys rotate": ("khien.site.key_commands:rotate", "make a new key and seal identity numbers anew"),
    "trust list": ("khien.site.trust_commands:show", "whose health certificates are believed here"),
    "trust certificate": (
        "khien.site.trust_commands:certificate",
        "print the certificate of our own HC1 key",
    ),
    "engine status": ("khien.site.engine:status", "how far the engine's segments go"),
    "engine rebuild": ("khien.site.engine:rebuild", "make the engine's segments anew from the database"),
    "retention prove": ("khien.kernel.rules.command:prove", "check that nothing is kept beyond its rule"),
    "presence derive": (
        "khien.rooms.checkpoints.command:derive",
        "derive the stays of some days once more from their scans",
    ),
    "audit verify": ("khien.kernel.audit.command:verify", "check the chain of the audit lines"),
    "import linelist": ("khien.rooms.tracing.command:import_linelist", "read a line list of cases"),
    "import contacts": ("khien.rooms.tracing.command:import_contacts", "read a log of who was near whom"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; names with a space make subgroups."""

    def __init__(self, name: str, table: Mapping[str, tuple[str, str]], help_text: str) -> None:
        super().__init__(name, help=help_text)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys(name.split(" ", 1)[0] for name in self._table))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        inner = {
            name.split(" ", 1)[1]: entry
            for name, entry in self._table.items()
            if name.startswith(f"{cmd_name} ")
        }
        if inner:
            wrapped = {name: (target, text) for name, (target, text) in inner.items()}
            return _Subgroup(cmd_name, wrapped, f"{cmd_name}: {', '.join(inner)}", self._full_name(cmd_name))
        if cmd_name not in self._table:
            return None
        return self._load(cmd_name)

    def _full_name(self, name: str) -> str:
        return name

    def _load(self, name: str) -> click.Command:
        target = self._table[name][0]
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return _with_database(command) if self._full_name(name) in DATABASE_COMMANDS else command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: dict[str, str] = {}
        for name, (_target, text) in self._table.items():
            rows[name] = text
        with formatter.section("Commands"):
            formatter.write_dl(list(rows.items()))


class _Subgroup(LazyGroup):
    def __init__(self, name: str, table: Mapping[str, tuple[str, str]], text: str, prefix: str) -> None:
        super().__init__(name, table, text)
        self._prefix = prefix

    def _full_name(self, name: str) -> str:
        return f"{self._prefix} {name}"


def _with_database(command: click.Command) -> click.Command:
    """The same command, run while the database answers."""
    invoke = command.invoke

    @functools.wraps(invoke)
    def invoke_with_database(ctx: click.Context) -> Any:
        from khien.site import database

        with database.running():
            return invoke(ctx)

    command.invoke = invoke_with_database  # type: ignore[method-assign]
    return command


group = LazyGroup(
    "khien",
    {**COMMANDS, **DATABASE_COMMANDS},
    "Khiên: a province's epidemic response and the digital services around it.",
)


def main() -> None:
    """The entry point: faults that a person can mend are one line, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
    from khien.site.environment import SettingError

    try:
        group(prog_name="khien")
    except SettingError as fault:
        sys.exit(f"khien: {fault}")
    except RuntimeError as fault:
        if type(fault).__name__ != "PostgresError":  # known without importing the launcher
            raise
        sys.exit(f"khien: {fault}")


if __name__ == "__main__":
    main()
