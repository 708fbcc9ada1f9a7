"""`khien bench NAME`: each claim of speed is a file in `benchmarks/` with a click command `main`."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module

import click

from khien.site.environment import PROJECT

FOLDER = PROJECT / "benchmarks"


def names() -> list[str]:
    """The benchmarks there are: the files that define `main`."""
    return sorted(
        path.stem
        for path in FOLDER.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "main"
            for node in ast.parse(path.read_text()).body
        )
    )


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str | None, arguments: tuple[str, ...]) -> None:
    """Run the benchmark NAME (or `all`) with its own options; without a name, list them."""
    if not FOLDER.is_dir():
        raise click.ClickException("benchmarks/ is not here: run this from a clone of the project")
    if name is None:
        for each in names():
            click.echo(each)
        return
    if name == "all":
        failed = [
            each
            for each in names()
            if subprocess.run(  # noqa: S603
                [sys.executable, "-m", "khien.site.cli", "bench", each, *arguments], check=False
            ).returncode
        ]
        if failed:
            raise click.ClickException(f"failed: {', '.join(failed)}")
        return
    if name not in names():
        raise click.ClickException(f"no benchmark {name!r}; there are: {', '.join(names())}")
    sys.path.insert(0, str(PROJECT))
    command: click.Command = import_module(f"benchmarks.{name}").main
    command.main(args=list(arguments), prog_name=f"khien bench {name}")
