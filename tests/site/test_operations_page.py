"""`docs/operations.md` lists every setting and every command, with their defaults."""

from __future__ import annotations

import re

import pytest

from khien.site import cli, environment
from khien.site.environment import PROJECT

PAGE = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells[1:]
    for cells in (
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in PAGE.splitlines()
        if re.match(r"\| `[A-Z_]+`", line)
    )
}


@pytest.mark.parametrize("setting", environment.SETTINGS.values(), ids=lambda setting: setting.name)
def test_every_setting_is_listed_as_it_is(setting):
    default = f"`{setting.default}`" if setting.default else "–"
    meaning = setting.help + (" (secret)" if setting.secret else "")
    assert ROWS.get(f"`{setting.name}`") == [default, meaning]


def test_nothing_is_listed_that_is_not_there():
    assert set(ROWS) == {f"`{name}`" for name in environment.SETTINGS}


@pytest.mark.parametrize("name", sorted({**cli.COMMANDS, **cli.DATABASE_COMMANDS}))
def test_every_command_is_listed(name):
    assert f"`khien {name}" in PAGE
