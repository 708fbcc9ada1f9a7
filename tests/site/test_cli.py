"""`khien` starts fast and its table of commands is true."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import click
import pytest
from click.testing import CliRunner

from khien.site import bench, cli


def test_help_names_every_command():
    answer = CliRunner().invoke(cli.group, ["--help"])
    assert answer.exit_code == 0
    for name in {**cli.COMMANDS, **cli.DATABASE_COMMANDS}:
        assert name in answer.output


@pytest.mark.parametrize("name", sorted({**cli.COMMANDS, **cli.DATABASE_COMMANDS}))
def test_every_command_of_the_table_exists(name):
    module, _, attribute = {**cli.COMMANDS, **cli.DATABASE_COMMANDS}[name][0].partition(":")
    loaded = pytest.importorskip(module) if _not_yet(module) else __import__(module, fromlist=[attribute])
    assert isinstance(getattr(loaded, attribute), click.Command)


def _not_yet(module: str) -> bool:
    parent = module.rpartition(".")[0]
    return find_spec(parent) is None or find_spec(module) is None


def test_the_command_line_starts_without_django():
    script = "import sys; import khien.site.cli; sys.exit('django' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_unknown_command_is_refused():
    assert CliRunner().invoke(cli.group, ["nonsense"]).exit_code == 2


def test_bench_lists_what_there_is():
    answer = CliRunner().invoke(cli.group, ["bench"])
    assert "search" in answer.output.split()
    assert "report" not in bench.names()
    assert CliRunner().invoke(cli.group, ["bench", "nonsense"]).exit_code == 1
