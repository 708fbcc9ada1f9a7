"""Cases that a tracer opens before anything is known of their days."""

from __future__ import annotations

from datetime import date

import pytest

from khien.kernel import clock
from khien.kernel.events.models import Delivery
from khien.kernel.events.verbs import deliver_pending
from khien.rooms.tracing import verbs
from khien.rooms.tracing.models import Case
from tests.factories import NOON, make_person, make_province
from tests.rooms.tracing.scenes import SYSTEM, load_rules, open_case

pytestmark = pytest.mark.django_db


def test_a_case_without_onset_and_sample_waits_and_fails_nothing() -> None:
    with clock.reads.frozen_at(NOON):
        load_rules()
        unit = make_province()[2]
        case = open_case(make_person(unit=unit), unit, classification=Case.Classification.SUSPECTED)
        while deliver_pending():
            pass
        assert not Delivery.objects.filter(done_at__isnull=True).exists()
        assert not case.lists.exists()
        verbs.enter_symptoms(SYSTEM, case_id=case.pk, onset_on=date(2022, 1, 9))
        assert verbs.list_contacts(SYSTEM, case_id=case.pk).version == 1
