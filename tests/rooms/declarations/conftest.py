from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from khien.kernel import clock
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.declarations import reads, verbs
from khien.rooms.declarations.models import Form
from tests.factories import NOON, make_province, make_unit

SYSTEM = system_actor("test")


@dataclass
class Ground:
    province: AdminUnit
    district: AdminUnit
    commune: AdminUnit
    other: AdminUnit

    @property
    def health(self) -> Form:
        return reads.form_in_force("health")

    @property
    def movement(self) -> Form:
        return reads.form_in_force("movement")

    def answer(self, **more: Any) -> dict[str, Any]:
        """A health declaration of somebody who is well."""
        return {
            "filled_by": "self",
            "full_name": "Nguyễn Thị Hoa",
            "birth_year": 1986,
            "phone": "+84912345678",
            "unit": self.commune.pk,
            "been_elsewhere": False,
            "has_symptoms": False,
            "contact": False,
            "consent": True,
            **more,
        }

    def journey(self, **more: Any) -> dict[str, Any]:
        """A movement declaration with one destination."""
        plain = self.answer()
        del plain["been_elsewhere"]
        return {
            **plain,
            "origin": self.other.pk,
            "departs_on": "2022-01-10",
            "vehicle": "coach",
            "destinations": [{"unit": self.commune.pk, "from": "2022-01-10"}],
            **more,
        }


@pytest.fixture
def ground(db: None) -> Iterator[Ground]:
    with clock.reads.frozen_at(NOON):
        rules.load_seed(SYSTEM)
        verbs.load_forms(SYSTEM)
        province, district, commune = make_province()
        yield Ground(province, district, commune, make_unit("Minh Khai", district, code="13288"))
