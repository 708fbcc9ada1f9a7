"""Keys lie in their folder and nowhere else."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection

from khien.kernel import clock, keys
from khien.kernel.certificates import contents, hc1
from khien.kernel.staff import Role
from khien.rooms.checkpoints import verbs
from khien.rooms.checkpoints.models import PassCard
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import NOON, make_actor, make_person, make_place, make_unit
from tests.rooms.checkpoints.cards import CCCD, event

pytestmark = pytest.mark.django_db

PURPOSES = sorted(keys.SYMMETRIC | keys.ED25519 | keys.ES256)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_new_key_is_current_and_the_old_one_stays(purpose: str, settings: Any, tmp_path: Any) -> None:
    settings.KHIEN_KEYS = tmp_path / "keys"
    old = keys.current(purpose)
    new = keys.make(purpose)
    assert keys.current(purpose) == new != old
    assert keys.get(purpose, old.id) == old
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("purpose", sorted(keys.ES256))
def test_gates_passes_and_certificates_have_p256_keys_of_their_own(purpose: str) -> None:
    assert isinstance(keys.current(purpose).es256().curve, ec.SECP256R1)
    assert keys.current(purpose).secret not in {
        keys.current(other).secret for other in keys.ES256 - {purpose}
    }


def test_no_private_key_is_anywhere_in_the_database() -> None:
    """After passes, scans, sealed numbers and held events were written: every row of every table is looked at."""
    with clock.reads.frozen_at(NOON):
        unit = make_unit()
        guard, officer = make_actor(Role.GUARD, unit), make_actor(Role.COMMUNE_OFFICER, unit)
        person, place = make_person("Đoàn Thị Lạ Tên", unit=unit), make_place(unit)
        card = verbs.issue_pass(officer, person=person, kind=PassCard.Kind.PAPER)
        content = contents.dcc(full_name="An", birth="1990", kind=contents.TEST, entry={"ci": "X"})
        texts = [
            CCCD,
            text_of(card),
            hc1.issue(content, expires_at=NOON + timedelta(days=1)),
            "nonsense",
        ]
        answer = verbs.store_scans(guard, [event(place.code, code) for code in texts])
        assert (answer.stored, answer.held) == (3, 1)
    needles = {name: spelling for purpose in PURPOSES for name, spelling in spellings(purpose)}
    rows = everything()
    assert sum(person.full_name.lower() in row for _table, row in rows) == 1, (
        "the look-out sees what is there"
    )
    assert [(table, name) for table, row in rows for name, key in needles.items() if key.lower() in row] == []


def everything() -> list[tuple[str, str]]:
    """Every row of every table as a text in lower case, octets as hex."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            found += [(table, text.lower()) for (text,) in cursor.fetchall()]
    return found


def spellings(purpose: str) -> list[tuple[str, str]]:
    """How a key might be written in a column: as octets, in base64, as a text."""
    secret = keys.current(purpose).secret
    if purpose in keys.SYMMETRIC:
        raw = secret
    elif purpose in keys.ED25519:
        raw = keys.current(purpose).ed25519().private_bytes_raw()
    else:
        raw = keys.current(purpose).es256().private_numbers().private_value.to_bytes(32, "big")
    return [
        (f"{purpose} in hex", raw.hex()),
        (f"{purpose} in base64", base64.b64encode(raw).decode()[:40]),
        (f"{purpose} in URL base64", base64.urlsafe_b64encode(raw).decode()[:40]),
        (f"{purpose} as its file", secret.hex()[:200]),
        *([(f"{purpose} as PEM", secret.decode().splitlines()[1])] if purpose not in keys.SYMMETRIC else []),
    ]
