"""The official vectors, `ehn-dcc-development/dcc-testdata` (Apache-2.0): 201 files, read through KHIEN_TEST_DATA."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from khien.kernel.certificates import hc1, trust
from khien.site import environment

FILES = 201


@dataclass(frozen=True)
class Vector:
    """One file: `name` is like "DK/1", `expects` the table EXPECTEDRESULTS."""

    name: str
    data: dict[str, Any]

    @property
    def expects(self) -> dict[str, bool]:
        return self.data["EXPECTEDRESULTS"]

    @property
    def cose(self) -> bytes:
        """The signed message, from the layer that the file has."""
        return bytes.fromhex(self.data["COSE"]) if "COSE" in self.data else hc1.unwrap(self.data["PREFIX"])

    @property
    def trusted(self) -> trust.TrustList:
        """A list of the one certificate that the file names; empty when it names none or one that is broken."""
        certificate = self.data["TESTCTX"].get("CERTIFICATE")
        try:
            return trust.gathered([trust.signer(base64.b64decode(certificate))] if certificate else [])
        except trust.TrustError:
            return trust.TrustList({})

    @property
    def clock(self) -> datetime:
        moment = datetime.fromisoformat(self.data["TESTCTX"]["VALIDATIONCLOCK"])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@cache
def load() -> tuple[Vector, ...]:
    """All vectors; skips the test that asks where the data set is absent."""
    folder = environment.get("KHIEN_TEST_DATA").text() or environment.PROJECT.parent / "shared" / "data"
    folder = Path(folder) / "dcc-testdata"
    if not folder.is_dir():
        pytest.skip(f"the data set dcc-testdata is absent: {folder} (set KHIEN_TEST_DATA)")
    found = tuple(
        Vector(f"{path.relative_to(folder).parts[0]}/{path.stem}", json.loads(path.read_text()))
        for path in sorted(folder.rglob("*.json"))
    )
    assert len(found) == FILES
    return found


def expecting(key: str) -> Iterator[tuple[Vector, bool]]:
    """The vectors that expect something of this step, with what they expect."""
    return ((vector, vector.expects[key]) for vector in load() if key in vector.expects)
