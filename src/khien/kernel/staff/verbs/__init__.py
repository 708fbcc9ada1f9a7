"""Acts upon accounts, roles and devices."""

from khien.kernel.staff.verbs.accounts import create_account, end_role, grant_role, set_active

__all__ = ["create_account", "end_role", "grant_role", "set_active"]
