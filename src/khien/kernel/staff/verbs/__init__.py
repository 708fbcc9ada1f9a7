"""Acts upon accounts, roles and devices."""

from khien.kernel.staff.verbs.accounts import create_account, end_role, grant_role, set_active
from khien.kernel.staff.verbs.devices import (
    enrol_device,
    make_enrolment_code,
    note_heartbeat,
    revoke_device,
    signed_by,
    suspend_device,
)

__all__ = [
    "create_account",
    "end_role",
    "enrol_device",
    "grant_role",
    "make_enrolment_code",
    "note_heartbeat",
    "revoke_device",
    "set_active",
    "signed_by",
    "suspend_device",
]
