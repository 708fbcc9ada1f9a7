"""Questions about orders to carriers."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import BulletinVersion, CarrierOrder

_OPEN = (CarrierOrder.State.ORDERED, CarrierOrder.State.SENT)


def orders(actor: Actor, *, state: str = "") -> QuerySet[CarrierOrder]:
    """Orders that the actor may see, latest first; `state` one of theirs or "overdue"."""
    rows = (
        CarrierOrder.objects.seen_by(actor)
        .select_related("carrier", "version__bulletin__unit")
        .defer("file", "document", "signature", "document_signature")
    )
    if state == "overdue":
        rows = rows.filter(state__in=_OPEN, report_due_at__lt=clock.now())
    elif state:
        rows = rows.filter(state=state)
    return rows.order_by("-created_at", "carrier")


def order(actor: Actor, pk: int) -> CarrierOrder:
    """One order with its file and letter. Raises `NotFound`."""
    found: CarrierOrder | None = (
        CarrierOrder.objects.seen_by(actor)
        .select_related("carrier", "version__bulletin__unit")
        .filter(pk=pk)
        .first()
    )
    if found is None:
        raise NotFound(_("Không có lệnh này."))
    return found


def orders_of(version: BulletinVersion) -> list[CarrierOrder]:
    """The orders of a version (which the caller has narrowed), without their files."""
    return list(
        CarrierOrder.objects.filter(version=version)
        .select_related("carrier")
        .defer("file", "document", "signature", "document_signature")
        .order_by("carrier")
    )


def is_overdue(row: CarrierOrder) -> bool:
    """Whether its counts should be there by now."""
    return row.state in _OPEN and row.report_due_at < clock.now()
