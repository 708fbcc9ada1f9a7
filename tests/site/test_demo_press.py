"""The demo's bulletins are written by the same verbs as everybody's."""

from __future__ import annotations

import pytest

from khien.kernel import clock
from khien.rooms.broadcasts.models import BulletinVersion
from khien.site.demo import press
from khien.site.demo.staff import make_accounts
from tests.factories import NOON, make_province


@pytest.mark.django_db
def test_one_waits_for_its_approver_and_one_is_being_written() -> None:
    with clock.reads.frozen_at(NOON):
        province, _district, _commune = make_province()
        make_accounts(province)
        assert press.write(province) == 2
        assert press.write(province) == 2
    assert sorted(BulletinVersion.objects.values_list("state", flat=True)) == ["draft", "submitted"]
