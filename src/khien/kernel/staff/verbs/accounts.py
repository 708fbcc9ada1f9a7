"""Accounts and their roles."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.models import Account, RoleGrant
from khien.kernel.staff.roles import Role
from khien.kernel.units.models import AdminUnit


@verb(Role.ADMINISTRATOR)
def create_account(
    actor: Actor, *, username: str, full_name: str, password: str, email: str = "", phone: str = ""
) -> Account:
    """Make an account for somebody employed in the response; it may do nothing until a role is granted."""
    if Account.objects.filter(username__iexact=username).exists():
        raise Conflict(_("Tên đăng nhập đã có người dùng."), field="username", way_out=_("Chọn tên khác."))
    account = Account(
        username=username, full_name=full_name, email=email, phone=phone, created_at=clock.now()
    )
    try:
        validate_password(password, account)
    except ValidationError as fault:
        raise Invalid(" ".join(fault.messages), field="password") from fault
    account.set_password(password)
    account.save()
    record(actor, account)
    return account


@verb(Role.ADMINISTRATOR)
def grant_role(
    actor: Actor, *, account: Account, role: str, unit: AdminUnit, until: datetime | None = None
) -> RoleGrant:
    """Let an account work as `role` inside `unit` from now on. Only within the administrator's own units."""
    actor.must_cover(unit, Role.ADMINISTRATOR)
    now = clock.now()
    held = RoleGrant.objects.filter(account=account, role=role, unit=unit, during__contains=now).first()
    if held is not None:
        unchanged()
        return held
    grant = RoleGrant.objects.create(account=account, role=role, unit=unit, during=(now, until))
    record(actor, grant, account=account.pk, role=role, unit=unit.pk)
    return grant


@verb(Role.ADMINISTRATOR)
def end_role(actor: Actor, *, grant: RoleGrant) -> None:
    """The account no longer has that role in that unit, from now on."""
    actor.must_cover(grant.unit, Role.ADMINISTRATOR)
    now = clock.now()
    if grant.during.upper is not None and grant.during.upper <= now:
        unchanged()
        return
    grant.during = (grant.during.lower, max(now, grant.during.lower))
    grant.save(update_fields=["during"])
    record(actor, grant, account=grant.account_id, role=grant.role, unit=grant.unit_id)


@verb(Role.ADMINISTRATOR)
def set_active(actor: Actor, *, account: Account, active: bool) -> None:
    """Close an account (its sessions end at the next request) or open it again."""
    if account.is_active == active:
        unchanged()
        return
    account.is_active = active
    account.save(update_fields=["is_active"])
    record(actor, account, active=active)
