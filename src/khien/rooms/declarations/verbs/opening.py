"""Opening a declaration with its code: the code names it, the birth year or the phone's last digits open it."""

from __future__ import annotations

from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from khien.kernel import limits
from khien.kernel.acts import record, verb
from khien.kernel.limits import Limit, TooMany
from khien.kernel.staff import Actor
from khien.rooms.declarations import codes
from khien.rooms.declarations.models import HELPERS, Declaration

WRONG_A_CODE = Limit("declaration_code", 5, 720)
WRONG_AN_ADDRESS = Limit("declaration_address", 30, 120)


@verb(*HELPERS, residents=True)
def open_with_code(actor: Actor, *, code: str, proof: str, block: str) -> Declaration | None:
    """The declaration of a code when `proof` is its birth year or the last 4 digits of its phone; None when the two
    do not belong together or there is none: the page says the same. Raises `TooMany` after too many wrong tries
    of a code (5 an hour, right ones no longer count) or from an address block (30 an hour)."""
    text = codes.parsed(code)
    counted = ((WRONG_A_CODE, limits.keyed("declaration", text or code)), (WRONG_AN_ADDRESS, block))
    now = timezone.now()
    # Taken before the look, so that many at once get no more tries than one after the other; given back when right.
    if not all(limits.take(limit, key, now).allowed for limit, key in counted):
        raise TooMany(
            _("Đã nhập sai quá nhiều lần."),
            code="too_many_tries",
            field="proof",
            way_out=_("Thử lại sau một giờ, hoặc nhờ trạm y tế xã mở giúp."),
        )
    row = Declaration.objects.filter(code=text).first() if text else None
    proof = "".join(c for c in proof if c.isascii() and c.isdigit())
    if row is not None and len(proof) == 4:
        right = [
            constant_time_compare(proof, str(row.birth_year)),
            constant_time_compare(proof, row.phone[-4:]),
        ]
        if any(right):
            for limit, key in counted:
                limits.give_back(limit, key)
            record(actor, row, persons=[row.person_id])
            return row
    record(actor, "declarations.attempt")
    return None
