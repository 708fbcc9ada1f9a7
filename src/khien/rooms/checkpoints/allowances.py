"""How often something may be done within a window, counted in the database over all web processes.

Keys are hashed with a secret, so that the table holds neither addresses nor numbers; windows that are over are
removed by the ticker.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import Problem
from khien.rooms.checkpoints.models import Allowance

_TAKE = """
INSERT INTO checkpoints_allowance AS a (key, until, used) VALUES (%(key)s, %(until)s, %(many)s)
ON CONFLICT (key) DO UPDATE SET
    used = CASE WHEN a.until <= %(now)s THEN EXCLUDED.used ELSE a.used + EXCLUDED.used END,
    until = CASE WHEN a.until <= %(now)s THEN EXCLUDED.until ELSE a.until END
RETURNING used
"""


class TooMany(Problem):
    """Done too often for now."""

    status = 429
    default_code = "too_many"


def take(subject: str, *, most: int, within: timedelta, many: int = 1) -> None:
    """Count `many` against `subject` ("address:…"). Raises `TooMany` above `most` within the window."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"key": hashed(subject)[:40], "until": now + within, "now": now, "many": many})
        (used,) = cursor.fetchone()
    if used > most:
        raise TooMany(
            _("Quá nhiều lượt trong một lúc."),
            way_out=_("Đợi vài phút rồi thử lại, hoặc đưa thẻ căn cước cho người trực."),
        )


def address_of(request: HttpRequest) -> str:
    """Whose request it is: behind our own web server, what that server says."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    if forwarded and address in {"", "127.0.0.1", "::1"}:
        return forwarded.rsplit(",", 1)[-1].strip()[:45]
    return address


def hashed(text: str) -> str:
    """A keyed hash, hex, 64 characters."""
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def forget_old() -> int:
    """For the ticker: windows that are over."""
    return Allowance.objects.filter(until__lt=clock.now()).delete()[0]
