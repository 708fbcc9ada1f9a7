"""The code of a declaration at a gate: it names its declarer, with the colour of the card; it gives nothing to read."""

from __future__ import annotations

import uuid

from khien.kernel.staff import Role
from khien.kernel.staff.reads import NOBODY
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.checkpoints.models import HeldScan, Scan
from khien.rooms.declarations import codes, verbs
from tests.factories import make_actor, make_place
from tests.rooms.checkpoints.cards import event
from tests.rooms.declarations.conftest import Ground
from tests.rooms.declarations.conftest import ground as ground


def test_a_declaration_names_its_declarer_at_a_gate(ground: Ground) -> None:
    row = verbs.declare(
        NOBODY, form=ground.health, value=ground.answer(), client_id=uuid.uuid4(), channel="public"
    ).declaration
    guard, place = make_actor(Role.GUARD, ground.commune), make_place(ground.commune)
    shown = codes.shown(row.code)
    answer, none = checkpoints.store_scans(
        guard, [event(place.code, shown), event(place.code, codes.shown(codes.new()))]
    ).answers
    assert (answer.outcome, answer.person) == ("stored", row.person_id)
    assert answer.verdict is not None
    assert (answer.verdict.colour, answer.verdict.name) == ("green", "N. T. Hoa")
    stored = Scan.objects.get()
    assert (stored.subject_kind, stored.flags) == ("declared", ["declaration_code"])
    assert row.code not in stored.subject
    assert (none.outcome, HeldScan.objects.get().reason) == ("held", "unknown_code")
    assert "tờ khai" in none.message
