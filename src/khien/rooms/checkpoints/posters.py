"""The address on a place's poster: any camera opens it, and a check of 8 characters tells ours from a forgery."""

from __future__ import annotations

import base64
import hashlib
import hmac

from django.conf import settings

from khien.kernel import keys

CHECK_LENGTH = 8


def address(code: str) -> str:
    """What the QR code of a place's poster says."""
    return f"{settings.KHIEN_URL}/checkpoints/at/{code}/?m={_check(code, keys.current('place-mac'))}"


def is_ours(code: str, check: str) -> bool:
    """Whether the check belongs to the code, under any key that posters were printed with."""
    keys.current("place-mac")
    return any(
        hmac.compare_digest(_check(code, keys.get("place-mac", key_id)).encode(), check.upper().encode())
        for key_id in keys.all_ids("place-mac")
    )


def _check(code: str, key: keys.Key) -> str:
    digest = hmac.new(key.secret, code.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode()[:CHECK_LENGTH]
