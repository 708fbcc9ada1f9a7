"""The room's machine door: what a code shows at a gate."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors.api import PROBLEMS, DeviceAuth, StaffAuth
from khien.kernel.errors import NotFound
from khien.kernel.staff import Role
from khien.rooms.declarations import reads
from khien.rooms.declarations.models import HELPERS

router = Router(tags=["declarations"])


class CodeOut(Schema):
    """What a code shows: the card's colour (red, orange, yellow, green) with its word and one sentence, the masked
    name, when it was declared and until when it is valid. Nothing of what was answered."""

    colour: str
    word: str
    reason: str
    name: str
    declared_at: datetime
    valid_until: datetime
    valid: bool


@router.get(
    "/codes/{code}",
    auth=[DeviceAuth(), StaffAuth()],
    response={200: CodeOut, **PROBLEMS},
    summary="What the code of a declaration shows at a gate",
    operation_id="show_declaration_code",
)
def show_code(request: HttpRequest, code: str) -> CodeOut:
    """`KB1:` and twelve characters, dashes and small letters allowed."""
    actor = request.actor  # type: ignore[attr-defined]
    actor.must_have((Role.GUARD, *HELPERS))
    row = reads.by_code(code)
    if row is None:
        raise NotFound()
    read(actor, "declarations.at_gate", persons=[row.person_id] if row.person_id else [], subject=row)
    shown = reads.shown(row, clock.now())
    return CodeOut(
        colour=shown.colour.colour,
        word=shown.colour.word,
        reason=shown.colour.reason,
        name=shown.name,
        declared_at=shown.declared_at,
        valid_until=shown.valid_until,
        valid=shown.is_valid,
    )
