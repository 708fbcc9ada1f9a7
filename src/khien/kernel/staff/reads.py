"""Who is asking: actors made from accounts, residents' sessions and device tokens."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from khien.kernel import clock, prepared
from khien.kernel.staff.actors import Actor, Grant
from khien.kernel.staff.models import Account, Device, RoleGrant
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import within
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.kernel.units.reads import scope_paths

RESIDENT_SESSION_KEY = "resident_person_id"
RESIDENT_UNTIL_KEY = "resident_until"
"""Seconds since 1970 until which the session holds; a shared phone's moves on with each page."""
RESIDENT_SHARED_KEY = "resident_shared"
HELP_SESSION_KEY = "help_session"

NOBODY = Actor(kind="resident", id=None, name="")


def actor_of_account(account: Any) -> Actor:
    """The member of staff with the grants that hold now; an inactive account is nobody."""
    if not isinstance(account, Account) or not account.is_active:
        return NOBODY
    held = RoleGrant.objects.filter(account=account, during__contains=clock.now()).values_list(
        "role", "unit_id"
    )
    grants = tuple(Grant(role, scope_paths(unit_id)) for role, unit_id in held)
    return Actor(kind="staff", id=account.pk, name=account.full_name, grants=grants)


def actor_of_resident(person_id: int) -> Actor:
    """A resident who has proved to be this person."""
    return Actor(kind="resident", id=person_id, name=f"person:{person_id}", person_id=person_id)


def device_of_token(token: str) -> Device | None:
    """The device with this token, in whatever state it is; None for an unknown one."""
    rows = prepared.run(_DEVICE, [hash_token(token)])
    return Device.from_db("default", _DEVICE_COLUMNS, rows[0]) if rows else None


_DEVICE_COLUMNS = [field.attname for field in Device._meta.concrete_fields]
_DEVICE = (
    f"SELECT {', '.join(str(field.column) for field in Device._meta.concrete_fields)}"  # noqa: S608 - names of our own
    " FROM staff_device WHERE token_hash = %s"
)


def actor_of_device_token(token: str) -> Actor | None:
    """The active device with this token, as a guard of its unit; None for unknown, suspended or revoked."""
    device = device_of_token(token)
    return None if device is None or device.state != Device.State.ACTIVE else actor_of_device(device)


def actor_of_device(device: Device) -> Actor:
    """The device as a guard of its unit, and of the other units in which its team travels."""
    return Actor(
        kind="device",
        id=device.pk,
        name=device.name,
        grants=tuple(
            Grant(Role.GUARD, scope_paths(unit_id)) for unit_id in (device.unit_id, *device.other_units)
        ),
    )


def accounts_seen_by(actor: Actor) -> QuerySet[Account]:
    """The accounts an administrator looks after: those with a role inside their units, and those with none yet."""
    if actor.sees_everything:
        return Account.objects.all()
    grants = RoleGrant.objects.filter(within(actor, "unit__path", Role.ADMINISTRATOR))
    inside = Q(pk__in=grants.values("account_id"))
    if actor.has(Role.ADMINISTRATOR):
        inside |= ~Q(pk__in=RoleGrant.objects.values("account_id"))
    return Account.objects.filter(inside)


def communes_of(actor: Actor, *roles: str) -> QuerySet[AdminUnit]:
    """The communes of today inside the actor's units (for these roles), in Vietnamese order."""
    communes = units.on(clock.today()).filter(within(actor, "path", *roles), tier=Tier.COMMUNE)
    return communes.order_by("sort_key")


def actor_of_request(request: HttpRequest) -> Actor:
    """The actor of a page: staff first, then a signed-in resident, else nobody."""
    if request.user.is_authenticated:
        return actor_of_account(request.user)
    person_id = request.session.get(RESIDENT_SESSION_KEY)
    until = request.session.get(RESIDENT_UNTIL_KEY)
    if person_id is None or (until is not None and until < time.time()):
        return NOBODY
    return actor_of_resident(person_id)


def hash_token(token: str) -> str:
    """What is stored of a token or a one-time code (they are long and random, so a plain hash is enough)."""
    return hashlib.sha256(token.encode()).hexdigest()
