"""Residents prove who they are with a code sent to their phone."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from khien.desk.models import SignInCode
from khien.desk.reads import people_with_phone
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.staff import Actor

CODE_MINUTES = 5
WRONG_TRIES = 5
CODES_AN_HOUR = 5
SECONDS_BETWEEN_CODES = 60
KEPT_DAYS = 2


@verb(residents=True)
def make_code(actor: Actor, *, number: str) -> str | None:
    """A new six-digit code for a phone (E.164), which the caller sends; older codes of the phone die.

    None when nobody in the ledger has the phone: the page says the same as for a known one, so that nobody
    can find out who is in the ledger. Raises `Conflict` when codes are asked for too often.
    """
    now = timezone.now()
    SignInCode.objects.filter(created_at__lt=now - timedelta(days=KEPT_DAYS)).delete()
    recent = SignInCode.objects.filter(number=number, created_at__gt=now - timedelta(hours=1))
    last = recent.order_by("-created_at").first()
    if last is not None and last.created_at > now - timedelta(seconds=SECONDS_BETWEEN_CODES):
        raise Conflict(
            _("Vừa gửi một mã tới số này."),
            code="code_just_sent",
            way_out=_("Chờ một phút rồi xin mã khác nếu chưa nhận được."),
        )
    if recent.count() >= CODES_AN_HOUR:
        raise Conflict(
            _("Đã xin quá nhiều mã cho số này."),
            code="too_many_codes",
            way_out=_("Thử lại sau một giờ, hoặc đến trạm y tế xã để được giúp."),
        )
    people = people_with_phone(number)
    code = f"{secrets.randbelow(1_000_000):06d}"
    recent.update(expires_at=now)
    row = SignInCode.objects.create(
        number=number,
        code_hash=_hash(number, code),
        created_at=now,
        expires_at=now + timedelta(minutes=CODE_MINUTES),
    )
    record(actor, row, persons=[person.pk for person in people])
    return code if people else None


@verb(residents=True)
def use_code(actor: Actor, *, number: str, code: str) -> bool:
    """Whether `code` is the living code of the phone; it is used up by the right answer and dies after
    `WRONG_TRIES` wrong ones. Raises `Invalid` when there is no living code any more."""
    now = timezone.now()
    row = (
        SignInCode.objects.select_for_update()
        .filter(number=number, used_at__isnull=True, expires_at__gt=now, wrong_tries__lt=WRONG_TRIES)
        .order_by("-created_at")
        .first()
    )
    if row is None:
        raise Invalid(
            _("Mã đã hết hạn hoặc đã nhập sai quá nhiều lần."),
            field="code",
            code="code_expired",
            way_out=_("Xin một mã mới."),
        )
    if not constant_time_compare(row.code_hash, _hash(number, code)):
        row.wrong_tries += 1
        row.save(update_fields=["wrong_tries"])
        unchanged()
        return False
    row.used_at = now
    row.save(update_fields=["used_at"])
    record(actor, row, persons=[person.pk for person in people_with_phone(number)])
    return True


def _hash(number: str, code: str) -> str:
    # A million codes can be tried against a plain hash in a second, so the hash is keyed.
    return salted_hmac("khien.desk.sign_in", f"{number}:{code}", algorithm="sha256").hexdigest()
