"""One-time codes: asked for, sent, used.

Three promises stand beside each other. Nobody learns who is in the ledger: asking does the same for every number, and
whether it is known is looked up later, by whoever sends. Nobody is flooded: messages to a number, from an address
block and of the whole installation are limited. And nobody is locked out by a flood: what strangers have asked
for a number can be used by its owner, the last message that is free carries a code of ten letters, which cannot be
guessed and lives until the next message may be sent, and a browser that has signed in before has limits of its own.
"""

from __future__ import annotations

import hmac
import logging
import math
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from khien.kernel import clock, limits
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.residents import allowed, reads
from khien.kernel.residents.models import Allowance, KnownBrowser, MessageDay, SignInCode
from khien.kernel.staff import Actor, system_actor

logger = logging.getLogger("khien.sign_in")

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LONG = 10
"""Ten of 32 letters are 50 bits: with the limits of an address block nobody guesses one before it is over."""

LEASE = timedelta(seconds=20)
RETRY_S = (2, 5, 15)
_CONTESTED = timedelta(hours=1)
_HOUSE = "house"


@dataclass(frozen=True, slots=True)
class Asked:
    """`fresh` when a message is on its way now; else the code that was sent before is still good until
    `expires_at`. The same for a number that nobody has."""

    fresh: bool
    expires_at: datetime


@verb(residents=True)
def request_code(actor: Actor, *, number: str, block: str, browser: str = "") -> Asked:
    """Ask for a code for a phone (E.164). `block` is the caller's address block, `browser` its cookie, if any.

    Raises `Conflict` (with the hour from which it works again) when the address block, the number or the day's
    messages are used up.
    """
    now, held = timezone.now(), allowed.today()
    _spend(held.asks, block, now)
    if reads.budget().exhausted_at is not None and not reads.is_known_browser(number, browser):
        raise Conflict(
            _("Hôm nay hệ thống đã gửi hết số tin nhắn cho phép."),
            code="no_more_messages",
            way_out=_(
                "Đăng nhập bằng định danh điện tử, chờ sang ngày mai, hoặc đến trạm y tế xã để được giúp."
            ),
        )
    key = limits.keyed("number", number)
    own = limits.keyed("browser", browser) if reads.is_known_browser(number, browser) else ""
    if not own and limits.used_up(held.house_hour, _HOUSE, now):
        raise Conflict(
            _("Quá nhiều người đang xin mã cùng lúc."),
            code="messages_busy",
            way_out=_("Thử lại sau vài phút, hoặc đăng nhập bằng định danh điện tử."),
        )
    limits.lock(key)
    living = list(
        SignInCode.objects.filter(
            number_hash=key, browser=own, used_at__isnull=True, expires_at__gt=now + timedelta(seconds=20)
        ).order_by("-created_at")
    )
    usable = [row for row in living if row.long or row.tries < held.code_tries]
    if usable and usable[0].created_at > now - held.again:
        unchanged()
        return Asked(False, usable[0].expires_at)
    limit = held.browser if own else held.number
    taken = limits.take(limit, limits.keyed("own", f"{key}{own}") if own else key, now)
    if not taken.allowed:
        if usable:
            unchanged()
            return Asked(False, usable[0].expires_at)
        raise Conflict(
            _("Đã gửi nhiều mã tới số này."),
            code="too_many_codes",
            way_out=_(
                "Thử lại sau %(minutes)s phút, đăng nhập bằng định danh điện tử, hoặc đến trạm y tế xã để được giúp."
            )
            % {"minutes": _minutes(taken.next_at - now)},
        )
    long = not taken.left or _contested(key, now, held)
    life = min(held.long_life, max(held.code_life, taken.next_at - now + timedelta(minutes=1)))
    row = SignInCode.objects.create(
        number_hash=key,
        number=number,
        browser=own,
        long=long,
        created_at=now,
        expires_at=now + (life if long else held.code_life),
        send_at=now,
    )
    record(actor, row)
    return Asked(True, row.expires_at)


@dataclass(frozen=True, slots=True)
class ClaimedCode:
    """A code that whoever claimed it must send now; it is nowhere else in the clear."""

    pk: int
    number: str
    code: str
    minutes: int


def claim_code() -> ClaimedCode | bool | None:
    """Take the next code that is to be sent: the code; True when one was settled without a message; None when
    nothing is due. Of several senders each code has one; what a dead one leaves is due again after 20 seconds."""
    return _claim(system_actor("sign_in"))


@verb()
def _claim(actor: Actor) -> ClaimedCode | bool | None:
    """Take the next code that is to be sent, if its number is in the ledger and the day has messages left."""
    now, held = timezone.now(), allowed.today()
    row = (
        SignInCode.objects.select_for_update(skip_locked=True)
        .filter(send_at__lte=now)
        .order_by("send_at", "pk")
        .first()
    )
    if row is None:
        unchanged()
        return None
    people = reads.people_with_phone(row.number) if row.expires_at > now and row.used_at is None else []
    if not people or not _message_left(held, now, known=bool(row.browser)):
        row.send_at, row.number = None, ""
        row.save(update_fields=["send_at", "number"])
        unchanged()
        return True
    code = (
        "".join(secrets.choice(LETTERS) for _place in range(LONG))
        if row.long
        else f"{secrets.randbelow(1_000_000):06d}"
    )
    row.code_hash = _hash(row.number_hash, code)
    row.send_at, row.sends = now + LEASE, row.sends + 1
    row.save(update_fields=["code_hash", "send_at", "sends"])
    record(actor, row, persons=[person.pk for person in people])
    minutes = max(1, round((row.expires_at - now).total_seconds() / 60))
    return ClaimedCode(row.pk, row.number, code, minutes)


def note_outcome(pk: int, *, taken: bool, again: bool) -> None:
    """What the gateway said: the message was (perhaps) taken, or certainly not and may be tried `again`."""
    row = SignInCode.objects.filter(pk=pk).first()
    if row is None:
        return
    if taken or not again or row.sends > len(RETRY_S):
        SignInCode.objects.filter(pk=pk).update(send_at=None, number="")
    else:
        SignInCode.objects.filter(pk=pk).update(
            send_at=timezone.now() + timedelta(seconds=RETRY_S[row.sends - 1])
        )
    if not taken:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE residents_messageday SET sent = greatest(sent - 1, 0) WHERE day = %s",
                [reads.message_day()],
            )


@verb(residents=True)
def use_code(actor: Actor, *, number: str, code: str, block: str, browser: str = "") -> bool:
    """Whether `code` is a living code of the phone; the right answer uses it up, and so do a few wrong ones where
    it has six digits. Raises `Invalid` when there is no living code, `Conflict` when the address block has tried
    too often."""
    now, held = timezone.now(), allowed.today()
    _spend(held.tries, block, now)
    key = limits.keyed("number", number)
    own = limits.keyed("browser", browser) if reads.is_known_browser(number, browser) else ""
    given = _hash(key, code)
    with connection.cursor() as cursor:
        # The try counts before it is looked at: a thousand guesses at one moment are still only as many as allowed.
        cursor.execute(
            "UPDATE residents_signincode SET tries = tries + 1 WHERE id IN ("
            " SELECT id FROM residents_signincode WHERE number_hash = %s AND browser = ANY(%s)"
            " AND used_at IS NULL AND expires_at > %s ORDER BY id FOR UPDATE)"
            " AND used_at IS NULL AND (long OR tries < %s) RETURNING id, code_hash",
            [key, list({"", own}), now, held.code_tries],
        )
        rows = cursor.fetchall()
    if not rows:
        raise Invalid(
            _("Mã đã hết hạn hoặc đã nhập sai quá nhiều lần."),
            field="code",
            code="code_expired",
            way_out=_("Xin một mã mới."),
        )
    right = [pk for pk, known in rows if hmac.compare_digest(known or "-", given)]
    if not right:
        limits.take(held.wrong, _HOUSE, now)
        unchanged()
        return False
    SignInCode.objects.filter(pk__in=[pk for pk, _known in rows]).update(used_at=now, send_at=None, number="")
    limits.give_back(held.tries, block)
    if limits.take(held.returned, key, now).allowed:
        limits.give_back(held.asks, block)
        limits.give_back(held.number, key)
    record(
        actor,
        f"residents.signincode:{right[0]}",
        persons=[person.pk for person in reads.people_with_phone(number)],
    )
    return True


def forget_codes(before: date) -> int:
    """Remove codes made before a Vietnamese day, sessions that ended before it, and limits that are free again;
    returns how many codes and sessions went."""
    moment = clock.start_of_day(before)
    codes, _rows = SignInCode.objects.filter(created_at__lt=moment).delete()
    sessions, _rows = Session.objects.filter(expire_date__lt=moment).delete()
    now = timezone.now()
    Allowance.objects.filter(full_at__lt=now - timedelta(days=1)).delete()
    KnownBrowser.objects.filter(seen_at__lt=now - allowed.today().browser_kept).delete()
    return codes + sessions


def _spend(limit: limits.Limit, block: str, now: datetime) -> None:
    taken = limits.take(limit, block, now)
    if not taken.allowed:
        raise Conflict(
            _("Có quá nhiều lần thử từ mạng này."),
            code="too_many_from_here",
            way_out=_("Thử lại sau %(minutes)s phút, hoặc dùng mạng khác.")
            % {"minutes": _minutes(taken.next_at - now)},
        )


def _minutes(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds() / 60))


def _contested(key: str, now: datetime, held: allowed.Limits) -> bool:
    """Whether somebody is guessing: at this number within the last hour, or in the whole installation."""
    guessed = SignInCode.objects.filter(
        number_hash=key, created_at__gt=now - _CONTESTED, used_at__isnull=True, tries__gte=held.code_tries
    )
    return guessed.exists() or limits.used_up(held.wrong, _HOUSE, now)


def _message_left(held: allowed.Limits, now: datetime, *, known: bool) -> bool:
    """Use one of the day's messages; strangers leave a share of them to browsers that are known."""
    cap = held.house_day if known else int(held.house_day * (1 - held.kept_for_known))
    day = reads.message_day()
    if not known and not limits.take(held.house_hour, _HOUSE, now).allowed:
        MessageDay.objects.get_or_create(day=day)
        _refuse(day, now, exhausted=False)
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO residents_messageday AS held (day, sent, refused) VALUES (%(day)s, 1, 0)"
            " ON CONFLICT (day) DO UPDATE SET sent = held.sent + 1 WHERE held.sent < %(cap)s RETURNING sent",
            {"day": day, "cap": cap},
        )
        row = cursor.fetchone()
    if row is None:
        _refuse(day, now, exhausted=True)
        return False
    alarming = row[0] >= held.alarm_at * held.house_day * (1 - held.kept_for_known)
    if alarming and MessageDay.objects.filter(day=day, alarm_at__isnull=True).update(alarm_at=now):
        logger.error("one-time codes: %s of %s messages of the day are used", row[0], held.house_day)
    return True


def _refuse(day: date, now: datetime, *, exhausted: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE residents_messageday SET refused = refused + 1, alarm_at = coalesce(alarm_at, %(now)s),"
            " exhausted_at = CASE WHEN %(exhausted)s THEN coalesce(exhausted_at, %(now)s) ELSE exhausted_at END"
            " WHERE day = %(day)s",
            {"day": day, "now": now, "exhausted": exhausted},
        )
    logger.error("one-time codes: the messages of the %s are used up", "day" if exhausted else "hour")


def _hash(number_hash: str, code: str) -> str:
    text = "".join(letter for letter in code.upper() if letter.isalnum())
    return limits.keyed("code", f"{number_hash}:{text}")
