"""How a row that could not be taken is kept and settled. Called by the verbs of rooms, inside their transaction."""

from __future__ import annotations

from typing import Any, TypeVar

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.intakes.models import Waiting
from khien.kernel.staff import Actor

Row = TypeVar("Row", bound=Waiting)


def hold(
    model: type[Waiting], intake: Any, *, line: int, row: Any, digest: str, reason: str, code: str = ""
) -> None:
    """Keep a row with the reason, unless the same one waits already."""
    told = {"intake": intake, "line": line, "row": row, "code": code[:40], "reason": reason[:600]}
    model.objects.get_or_create(digest=digest, state=Waiting.State.OPEN, defaults=told)


def locked(actor: Actor, held: Row, *related: str) -> Row:
    """The row as it is now, for this transaction alone, with `related` rows beside it. Raises `Conflict` when somebody
    else has settled it, or when it is not the actor's."""
    rows: Any = type(held).objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=held.pk)
    row: Row | None = (rows.select_related(*related) if related else rows).first()
    if row is None or row.state != Waiting.State.OPEN:
        raise Conflict(_("Dòng này đã được xử lý."), way_out=_("Tải lại trang để xem danh sách mới."))
    return row


def settle(actor: Actor, row: Waiting, state: str = Waiting.State.STORED, note: str = "") -> None:
    """Say what became of a locked row. The caller records it."""
    row.state, row.settled_at, row.settled_by, row.note = state, clock.now(), actor.id, note[:300]
    row.save(update_fields=["state", "settled_at", "settled_by", "note"])


def dismiss(actor: Actor, held: Row, reason: str) -> Row:
    """The body of a verb: the row will not be taken in, and why; it stays readable until it is forgotten."""
    if not reason.strip():
        raise Invalid(_("Chưa ghi lý do."), field="reason", way_out=_("Ghi ngắn gọn vì sao bỏ dòng này."))
    if held.state == Waiting.State.DISMISSED:
        unchanged()
        return held
    row = locked(actor, held)
    settle(actor, row, Waiting.State.DISMISSED, reason.strip())
    record(actor, row)
    return row
