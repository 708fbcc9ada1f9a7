"""One card, one colour: the phone, the gate and the desk say the same of everybody."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client

from khien.kernel import clock
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.kernel.standing import verbs as standing
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.declarations import reads, verbs
from khien.rooms.declarations.models import Task
from tests.factories import NOON, make_account, make_actor, make_place, make_province

SYSTEM = system_actor("test")


def shown(page: str) -> tuple[str, str]:
    found = re.search(r'data-card="(\w+)"><strong>[^<]*</strong><p>([^<]*)</p>', page)
    assert found is not None
    return found[1], html.unescape(found[2])


@pytest.mark.django_db
def test_phone_gate_and_desk_show_the_same_colour_and_sentence() -> None:
    with clock.reads.frozen_at(NOON - timedelta(days=2)):
        rules.load_seed(SYSTEM)
        verbs.load_forms(SYSTEM)
        _province, _district, commune = make_province()
        place = make_place(commune)
        people = [
            register_person(
                SYSTEM,
                full_name=f"Người {word}",
                birth_year=1980,
                unit=commune,
                phones=[f"091200000{n}"],
                documents=[NewDocument("cccd", f"03508000000{n}")],
            )
            for n, word in enumerate(("Chưa", "Khai", "Sốt", "Khỏi", "Cách", "Cách Khai", "Hết"))
        ]
        form = reads.form_in_force("health")

        def declares(number: int, ill: bool = False) -> None:
            value = {
                "filled_by": "self",
                "full_name": people[number].full_name,
                "birth_year": 1980,
                "phone": f"+8491200000{number}",
                "unit": commune.pk,
                "been_elsewhere": False,
                "has_symptoms": ill,
                "contact": False,
                "consent": True,
            } | ({"symptoms": ["fever"]} if ill else {})
            verbs.declare(
                SYSTEM,
                form=form,
                value=value,
                client_id=uuid.uuid4(),
                channel="public",
                person=people[number],
            )

        declares(6)
    with clock.reads.frozen_at(NOON + timedelta(days=2)):
        declares(1)
        declares(2, ill=True)
        declares(3, ill=True)
        verbs.settle(SYSTEM, task=Task.objects.get(person=people[3]), outcome="well")
        declares(5)
        for number in (4, 5):
            standing.impose(
                people[number].pk,
                "under_order",
                start=clock.now(),
                end=None,
                colour="red",
                reason="Đang cách ly tại nhà.",
                authority=people[number],
            )
        guard = make_actor(Role.GUARD, commune)
        officer = Client()
        officer.force_login(
            make_account(Role.COMMUNE_OFFICER, commune),
            backend="allauth.account.auth_backends.AuthenticationBackend",
        )
        seen = []
        for number, person in enumerate(people):
            event = {
                "id": str(uuid.uuid4()),
                "place": place.code,
                "at": clock.now().isoformat(),
                "direction": "in",
                "method": "manual",
                "code": f"03508000000{number}",
            }
            verdict = checkpoints.store_scans(guard, [event]).answers[0].verdict
            assert verdict is not None
            desk = shown(officer.get(f"/desk/people/{person.public_id}/").content.decode())
            phone = Client()
            session = phone.session
            session[RESIDENT_SESSION_KEY] = person.pk
            session.save()
            phone.cookies["sessionid"] = session.session_key
            passed = shown(phone.get("/checkpoints/pass/").content.decode())
            own = shown(phone.get("/me/").content.decode())
            assert desk == passed == own == (verdict.colour, verdict.reason)
            seen.append(desk)
        assert [colour for colour, _reason in seen] == [
            "yellow",
            "green",
            "yellow",
            "green",
            "red",
            "red",
            "yellow",
        ]
        assert seen[0][1] == seen[6][1] == "Chưa khai báo y tế trong 72 giờ qua."
        assert seen[2][1] == "Khai có triệu chứng: cán bộ y tế sẽ gọi."
