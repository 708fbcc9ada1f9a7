"""The demo's accounts: one a role, with a password that everybody knows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from khien.kernel.staff import Role, system_actor
from khien.kernel.staff import verbs as staff
from khien.kernel.staff.models import Account
from khien.kernel.units.models import AdminUnit, Tier

PASSWORD = "khien-demo-2022"  # noqa: S105 - the demo refuses to run in production


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """Who can sign in to the demo, and what they see."""

    username: str
    full_name: str
    role: Role
    commune: bool = False


ACCOUNTS = (
    DemoAccount("truyvet", "Nguyễn Thị Minh Truy", Role.TRACER),
    DemoAccount("ytexa", "Trần Văn Hòa", Role.COMMUNE_OFFICER, commune=True),
    DemoAccount("laymau", "Lê Thị Mẫn", Role.SAMPLER),
    DemoAccount("xetnghiem", "Phạm Quang Nghiệm", Role.LABORATORY),
    DemoAccount("chot", "Vũ Đức Trực", Role.GUARD),
    DemoAccount("truyenthong", "Hoàng Thu Thông", Role.COMMUNICATION_OFFICER),
    DemoAccount("motcua", "Bùi Thanh Cửa", Role.CLERK),
    DemoAccount("lanhdao", "Đỗ Xuân Lãnh", Role.LEADER),
    DemoAccount("quantri", "Đặng Hữu Quản", Role.ADMINISTRATOR),
    DemoAccount("kiemtra", "Ngô Thị Kiểm", Role.AUDITOR),
)


DUTY = DemoAccount("toitruc", "Tổ trực (mô phỏng)", Role.TRACER)
"""The invented office that acts when no visitor does; nobody can sign in as it."""


def make_accounts(province: AdminUnit) -> None:
    """Make what is missing of the demo's accounts; the commune officer works in the province's first ward."""
    system = system_actor("demo")
    commune = (
        AdminUnit.objects.filter(path__startswith=province.path, tier=Tier.COMMUNE, kind="Phường")
        .order_by("sort_key")
        .first()
    )
    for entry in ACCOUNTS:
        if Account.objects.filter(username=entry.username).exists():
            continue
        account = staff.create_account(
            system, username=entry.username, full_name=entry.full_name, password=PASSWORD
        )
        unit = commune if entry.commune and commune is not None else province
        staff.grant_role(system, account=account, role=entry.role, unit=unit)
    if not Account.objects.filter(username=DUTY.username).exists():
        duty = staff.create_account(
            system, username=DUTY.username, full_name=DUTY.full_name, password=secrets.token_urlsafe(24)
        )
        for role in (Role.TRACER, Role.COMMUNE_OFFICER):
            staff.grant_role(system, account=duty, role=role, unit=province)
