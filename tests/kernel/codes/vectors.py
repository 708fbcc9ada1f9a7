"""The shared vectors of codes: `tests/vectors/codes.json`, which the reader in the browser is held to as well."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from khien.kernel import codes

FILE = Path(__file__).resolve().parents[2] / "vectors" / "codes.json"


@dataclass(frozen=True, slots=True)
class Vector:
    """One text and how it must be read; `tests/vectors/README.md` explains the fields."""

    name: str
    text: str
    kind: str
    number: str
    full_name: str
    birth: str
    sex: str
    note: str


def load() -> list[Vector]:
    return [Vector(**row) for row in json.loads(FILE.read_text())]


def reading(text: str) -> tuple[str, str, str, str, str]:
    """(kind, number, full name, birth, sex) as the vectors write them; a refusal is ("refused", reason, "", "", "")."""
    try:
        found = codes.parse(text)
    except codes.CodeError as fault:
        return "refused", fault.reason, "", "", ""
    if not isinstance(found, codes.CardCode | codes.NationalCode):
        return found.kind, "", "", "", ""
    birth = found.birth_date.isoformat() if found.birth_date else str(found.birth_year or "")
    return found.kind, found.number or "", found.full_name, birth, found.sex
