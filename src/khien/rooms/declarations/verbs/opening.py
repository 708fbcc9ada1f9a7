"""Opening a declaration with its code: the code names it, the birth year or the phone's last digits open it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, verb
from khien.kernel.errors import Conflict, Problem
from khien.kernel.staff import Actor
from khien.rooms.declarations import codes
from khien.rooms.declarations.models import HELPERS, Attempt, Declaration

WRONG_A_CODE = 5
WRONG_AN_ADDRESS = 30
WINDOW = timedelta(hours=1)


@verb(*HELPERS, residents=True)
def open_with_code(actor: Actor, *, code: str, proof: str, address: str) -> Declaration | None:
    """The declaration of a code when `proof` is its birth year or the last 4 digits of its phone; None when the two
    do not belong together or there is none: the page says the same. Raises `Conflict` after too many wrong tries
    of a code (5 an hour, right ones no longer count) or from an address (30 an hour)."""
    text = codes.parsed(code)
    keys = [_key("code", text or code), _key("address", address)]
    since = clock.now() - WINDOW
    for key, limit in zip(keys, (WRONG_A_CODE, WRONG_AN_ADDRESS), strict=True):
        if Attempt.objects.filter(key=key, at__gt=since).count() >= limit:
            raise _TooMany()
    row = Declaration.objects.filter(code=text).first() if text else None
    proof = "".join(c for c in proof if c.isascii() and c.isdigit())
    if row is not None and len(proof) == 4:
        right = [
            constant_time_compare(proof, str(row.birth_year)),
            constant_time_compare(proof, row.phone[-4:]),
        ]
        if any(right):
            record(actor, row, persons=[row.person_id])
            return row
    Attempt.objects.filter(at__lt=since).delete()
    Attempt.objects.bulk_create(Attempt(key=key, at=clock.now()) for key in keys)
    record(actor, "declarations.attempt")
    return None


class _TooMany(Conflict):
    def __init__(self) -> None:
        Problem.__init__(
            self,
            _("Đã nhập sai quá nhiều lần."),
            code="too_many_tries",
            field="proof",
            way_out=_("Thử lại sau một giờ, hoặc nhờ trạm y tế xã mở giúp."),
        )


def _key(sort: str, text: str) -> str:
    return hashlib.sha256(f"{sort}:{text}".encode()).hexdigest()
