from __future__ import annotations

from datetime import date

import pytest

from khien.simulation import History, Province

START = date(2022, 1, 3)


@pytest.fixture(scope="package")
def province() -> Province:
    return Province(people=20_000, seed=5)


@pytest.fixture(scope="package")
def history(province: Province) -> History:
    return province.history(START, days=21)
