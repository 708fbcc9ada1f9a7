"""Making, correcting and closing places; loading the kinds that ship with Khiên."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.language import fold
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit

SEED = Path(__file__).with_name("kinds.json")

CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Letters and digits that nobody mistakes for each other, all of QR's compact alphanumeric set."""

CODE_LENGTH = 10

KEEPERS = (Role.COMMUNE_OFFICER, Role.ADMINISTRATOR)


def new_code() -> str:
    """A random code of 10 characters (50 bits): it says nothing and cannot be guessed."""
    return "".join(secrets.choice(CODE_ALPHABET) for _place in range(CODE_LENGTH))


@verb(Role.ADMINISTRATOR)
def load_kinds(actor: Actor) -> int:
    """Load the kinds that ship with Khiên; a kind that is there is left as the province has it. Returns how many
    were added."""
    known = set(PlaceKind.objects.values_list("code", flat=True))
    new = [PlaceKind(**row) for row in json.loads(SEED.read_text("utf-8")) if row["code"] not in known]
    if not new:
        unchanged()
        return 0
    PlaceKind.objects.bulk_create(new)
    record(actor, "places.placekind", added=len(new))
    return len(new)


@verb(*KEEPERS)
def create_place(
    actor: Actor,
    *,
    name: str,
    kind: str,
    unit: AdminUnit,
    parent: Place | None = None,
    address: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
    area_m2: float | None = None,
    capacity: int | None = None,
    contact_name: str = "",
    contact_phone: str = "",
) -> Place:
    """Put a place on the list, with a random code for its poster; open from now on."""
    actor.must_cover(unit, *KEEPERS)
    if parent is not None and parent.unit_id != unit.pk:
        raise Invalid(
            _("Phòng, khu phải cùng xã với nơi chứa nó."), field="parent", way_out=_("Chọn lại nơi chứa.")
        )
    place = Place(
        name=name,
        unit=unit,
        parent=parent,
        address=address,
        latitude=latitude,
        longitude=longitude,
        area_m2=area_m2,
        capacity=capacity,
        contact_name=contact_name,
        contact_phone=contact_phone,
        opened_at=clock.now(),
    )
    _describe(place, name=name, kind=kind)
    while True:
        place.code = new_code()
        try:
            with transaction.atomic():
                place.save(force_insert=True)
            break
        except IntegrityError:  # a code that exists already: one in 10^15, so draw again
            if not Place.objects.filter(code=place.code).exists():
                raise
    record(actor, place, unit=unit.pk, kind=kind)
    return place


@verb(*KEEPERS)
def edit_place(actor: Actor, *, place: Place, **changes: Any) -> Place:
    """Correct what is known of a place; its code stays, so posters that hang remain right."""
    actor.must_cover(place.unit, *KEEPERS)
    allowed = {
        "name", "kind", "address", "latitude", "longitude", "area_m2", "capacity", "contact_name", "contact_phone",
    }  # fmt: skip
    if not set(changes) <= allowed:
        raise Invalid(_("Cột này không sửa ở đây."), field=sorted(set(changes) - allowed)[0])
    before = {column: getattr(place, "kind_id" if column == "kind" else column) for column in changes}
    if before == changes:
        unchanged()
        return place
    for column, value in changes.items():
        if column not in {"name", "kind"}:
            setattr(place, column, value)
    _describe(place, name=changes.get("name", place.name), kind=changes.get("kind", place.kind_id))
    place.save()
    record(actor, place, columns=sorted(column for column in changes if before[column] != changes[column]))
    return place


@verb(*KEEPERS)
def close_place(actor: Actor, *, place: Place) -> Place:
    """The place takes no more scans from now on; what was scanned there stays."""
    actor.must_cover(place.unit, *KEEPERS)
    place = Place.objects.select_for_update().get(pk=place.pk)
    if place.closed_at is not None:
        unchanged()
        return place
    now = clock.now()
    if now <= place.opened_at:
        raise Conflict(_("Địa điểm chưa mở."), field="place", way_out=_("Sửa ngày mở trước."))
    place.closed_at = now
    place.save(update_fields=["closed_at"])
    record(actor, place)
    return place


@verb(*KEEPERS)
def reopen_place(actor: Actor, *, place: Place) -> Place:
    """The place takes scans again, with the same code and poster."""
    actor.must_cover(place.unit, *KEEPERS)
    if place.closed_at is None:
        unchanged()
        return place
    place.closed_at = None
    place.save(update_fields=["closed_at"])
    record(actor, place)
    return place


@verb(Role.ADMINISTRATOR)
def load_places(actor: Actor, *, places: Sequence[Place]) -> None:
    """Load many places at once (a register, or the synthetic province); missing codes are drawn, ids are set.

    Parents must be saved before their parts.
    """
    for place in places:
        place.name_folded = fold(place.name)
        place.code = place.code or new_code()
        place.opened_at = place.opened_at or clock.now()
    Place.objects.bulk_create(places, batch_size=5000)
    record(actor, "places.place", loaded=len(places))


def _describe(place: Place, *, name: str, kind: str) -> None:
    name = " ".join(name.split())
    if not name:
        raise Invalid(_("Thiếu tên địa điểm."), field="name", way_out=_("Nhập tên như trên biển hiệu."))
    found = PlaceKind.objects.filter(code=kind).first()
    if found is None:
        raise Invalid(
            _("Chưa có loại địa điểm này."), field="kind", way_out=_("Chọn một loại trong danh mục.")
        )
    if place.area_m2 is not None and place.area_m2 <= 0:
        raise Invalid(_("Diện tích phải lớn hơn 0."), field="area_m2", way_out=_("Nhập số mét vuông."))
    if place.capacity is not None and place.capacity <= 0:
        raise Invalid(_("Sức chứa phải lớn hơn 0."), field="capacity", way_out=_("Nhập số người."))
    place.name, place.name_folded, place.kind = name, fold(name), found
