"""Every door, tried by everybody who should not get through it.

A small province in which one person has everything that the rooms know: scans, a tube, a positive result, a case,
contacts, an order, messages. Then every page and every API address, with every id that exists, is asked for by
nobody, by another resident, and by each role in another commune: none of the answers may hold the person's
name, address, phone or numbers, and none may be a fault of ours.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.events.verbs import deliver_pending
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.places import verbs as places
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.rooms.broadcasts.verbs import replies
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.declarations import verbs as declarations
from khien.rooms.declarations.reads import form_in_force
from khien.rooms.quarantine.models import Order
from khien.rooms.testing import verbs as testing
from khien.rooms.tracing import verbs as tracing
from khien.rooms.tracing.models import Case
from tests.factories import (
    NOON,
    make_account,
    make_actor,
    make_household,
    make_place,
    make_province,
    make_unit,
)

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")
SECRETS = ("Bí Mật", "0987654321", "987654321", "035190123456", "Ngõ Riêng Tư", "Kín Đáo")


@pytest.fixture
def world() -> Iterator[dict[str, object]]:
    with clock.reads.frozen_at(NOON):
        rules.load_seed(SYSTEM)
        places.load_kinds(SYSTEM)
        province, district, commune = make_province()
        elsewhere = make_unit("Xã Khác", district)
        people = [
            register_person(
                SYSTEM,
                full_name=name,
                unit=commune,
                address="Ngõ Riêng Tư 7",
                phones=[phone],
                documents=[NewDocument("cccd", number)],
            )
            for name, phone, number in (
                ("Nguyễn Bí Mật", "0987654321", "035190123456"),
                ("Trần Kín Đáo", "0987654321", "035190123457"),
            )
        ]
        make_household(commune, *people)
        place = make_place(commune)
        events = [
            {
                "id": str(uuid.uuid4()),
                "person": person.pk,
                "place": place.pk,
                "at": (NOON - timedelta(hours=hours)).isoformat(),
                "direction": direction,
                "method": "camera",
            }
            for person in people
            for hours, direction in ((30, "in"), (28, "out"))
        ]
        checkpoints.store_scans(SYSTEM, events)
        while checkpoints.derive_due(SYSTEM):
            pass
        specimen = testing.collect_specimen(
            SYSTEM, barcode="T-0001", person=people[0], sampled_at=NOON - timedelta(hours=8)
        )
        testing.record_result(SYSTEM, specimen=specimen, value="positive")
        while deliver_pending():
            pass
        declarations.load_forms(SYSTEM)
        declarations.declare(
            SYSTEM,
            form=form_in_force("health"),
            value={
                "filled_by": "self",
                "full_name": "Nguyễn Bí Mật",
                "birth_year": 1990,
                "phone": "+84987654321",
                "number": "035190123456",
                "unit": commune.pk,
                "address": "Ngõ Riêng Tư 7",
                "been_elsewhere": False,
                "has_symptoms": True,
                "symptoms": ["fever"],
                "contact": False,
                "consent": True,
                "companions": [{"full_name": "Lê Kín Đáo", "birth_year": 2010, "has_symptoms": False}],
            },
            client_id=uuid.uuid4(),
            channel="public",
        )
        replies.take_inbound(
            SYSTEM,
            messages=[{"id": "1", "number": "0987654321", "text": "Nguyễn Bí Mật ở Ngõ Riêng Tư 7 hỏi"}],
        )
        case = Case.objects.get()
        contacts = list(case.contacts.values_list("pk", flat=True))
        assert contacts
        tracing.approve_contacts(
            make_actor(Role.TRACER, province), case_id=case.pk, contact_ids=contacts, reason="thử"
        )
        while deliver_pending():
            pass
        assert Order.objects.exists()
        yield {"province": province, "commune": commune, "elsewhere": elsewhere, "people": people}


def addresses() -> list[tuple[str, list[str]]]:
    """Every address of ours as a format string, with its parameters."""
    found = []

    def walk(resolver: URLResolver, prefix: str) -> None:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                walk(entry, prefix + str(entry.pattern))
            elif isinstance(entry, URLPattern) and entry.callback.__module__.startswith(("khien.", "ninja")):
                found.append((prefix + str(entry.pattern), list(entry.pattern.converters)))

    walk(get_resolver(), "/")
    return found


def fill(pattern: str, names: list[str], world: dict[str, object]) -> list[str]:
    """The address with the ids that rows of its room have, or the public ids of people."""
    if not names:
        return [pattern]
    room = re.match(r"/(?:api/v1/)?(\w+)/", pattern)
    ids = sorted(
        {
            pk
            for model in apps.get_models()
            if room is not None
            and model._meta.app_label == room[1]
            and model._meta.pk.get_internal_type() == "BigAutoField"
            for pk in model._default_manager.values_list("pk", flat=True)[:4]
        }
    ) or [1, 2]
    publics = [str(p.public_id) for p in Person.objects.all()]
    choices = []
    for name in names:
        converter = pattern.split(f":{name}>")[0].rsplit("<", 1)[-1] if f":{name}>" in pattern else "str"
        choices.append(publics if converter == "uuid" else [str(i) for i in ids[:6]])
    filled = []
    for values in itertools.islice(itertools.product(*choices), 12):
        address = pattern
        for name, value in zip(names, values, strict=True):
            start = address.index(":" + name + ">") if f":{name}>" in address else address.index(f"<{name}>")
            begin = address.rindex("<", 0, start + 1)
            address = address[:begin] + value + address[address.index(">", begin) + 1 :]
        filled.append(address)
    return filled


def callers(world: dict[str, object]) -> Iterator[tuple[str, Client]]:
    """Nobody, another resident, and every role in another commune."""
    yield "nobody", Client()
    stranger = Person.objects.create(full_name="Người Lạ", unit=world["elsewhere"], created_at=clock.now())
    resident = Client()
    session = resident.session
    session[RESIDENT_SESSION_KEY] = stranger.pk
    session.save()
    resident.cookies["sessionid"] = session.session_key
    yield "another resident", resident
    for role in Role.values:
        client = Client()
        account = make_account(role, world["elsewhere"])  # type: ignore[arg-type]
        client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
        yield f"{role} elsewhere", client
    leader = Client()
    client_account = make_account(Role.LEADER, world["province"])  # type: ignore[arg-type]
    leader.force_login(client_account, backend="allauth.account.auth_backends.AuthenticationBackend")
    yield "leader of the province", leader


def readable(body: bytes) -> str:
    """What a person could read in an answer, PDFs included."""
    if body.startswith(b"%PDF"):
        return " ".join(page.extract_text() for page in PdfReader(BytesIO(body)).pages)
    return body.decode("utf-8", "ignore")


def test_no_door_tells_what_is_none_of_the_callers_business(world: dict[str, object]) -> None:
    leaks, faults, asked = [], [], 0
    targets = [address for pattern, names in addresses() for address in fill(pattern, names, world)]
    for who, client in callers(world):
        client.raise_request_exception = False
        for address in targets:
            answer = client.get(address)
            asked += 1
            if answer.status_code >= 500:
                faults.append(f"{who}: {address}: {answer.status_code}")
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            text = readable(body)
            leaks += [f"{who}: {address}: {secret}" for secret in SECRETS if secret in text]
    assert leaks == []
    assert faults == []
    assert asked > 500


def test_those_whose_business_it_is_do_see_it(world: dict[str, object]) -> None:
    """The walk above would pass on a house where every door is shut."""
    client = Client()
    account = make_account(Role.COMMUNE_OFFICER, world["commune"])  # type: ignore[arg-type]
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    seen = [
        address
        for pattern, names in addresses()
        for address in fill(pattern, names, world)
        if "Bí Mật" in (answer := client.get(address)).content.decode("utf-8", "ignore")
        and answer.status_code == 200
        if not answer.streaming
    ]
    assert len(seen) >= 4
