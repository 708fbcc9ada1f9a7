from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from khien.simulation.command import simulate
from khien.simulation.tables import SCHEMAS

FORMAT = Path(__file__).parents[2] / "docs" / "simulation-format.md"


def documented() -> dict[str, list[tuple[str, str, bool]]]:
    """File to (column, type, nullable) rows of the page."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for line in FORMAT.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## (\S+)\.parquet", line):
            rows = found.setdefault(heading[1], [])
        elif row := re.match(r"\| `(\w+)` \| ([^|]+) \| (yes|no) \|", line):
            rows.append((row[1], row[2].strip(), row[3] == "yes"))
    return found


def test_every_file_is_written_with_the_columns_documented(tmp_path: Path) -> None:
    arguments = ["--people", "500", "--days", "2", "--seed", "4", "--out", str(tmp_path)]
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code == 0, result.output
    pages = documented()
    assert set(pages) == set(SCHEMAS)
    for name, columns in pages.items():
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert [
            (field.name, str(field.type).replace("element", "item"), field.nullable) for field in schema
        ] == columns


@pytest.mark.parametrize(
    "arguments", [["--people", "10"], ["--coverage", "0"], ["--start", "03/01/2022"], ["--days", "0"]]
)
def test_what_cannot_be_simulated_is_refused(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(simulate, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert arguments[0] in result.output
    assert not (tmp_path / "out").exists()
