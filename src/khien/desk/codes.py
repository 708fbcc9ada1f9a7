"""Sending the residents' one-time codes: at once, beside the request that asked, so that no page waits for the gateway
and its time says nothing of whether the number is known. What a process that died has left, the ticker sends."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from khien.gateways.sms.interface import Answer
from khien.gateways.sms.sending import send_now
from khien.kernel.residents import verbs

logger = logging.getLogger("khien.sign_in")

_THREADS = 2
_pool: ThreadPoolExecutor | None = None
_making = threading.Lock()
_waiting = threading.BoundedSemaphore(_THREADS * 2)


def soon(language: str) -> None:
    """Send what is due once the transaction is committed; several at once are one round."""
    transaction.on_commit(lambda: _start(language))


def send_all_due(language: str = "vi", limit: int = 1000) -> int:
    """Send the codes that are due, each once; returns how many the gateway took or may have taken."""
    sent = 0
    for _round in range(limit):
        claimed = verbs.claim_code()
        if claimed is None:
            break
        if isinstance(claimed, verbs.ClaimedCode):
            sent += _send(claimed, language)
    return sent


def _send(claimed: verbs.ClaimedCode, language: str) -> bool:
    with translation.override(language):
        text = _(
            "Khiên: mã đăng nhập của bạn là %(code)s, có hiệu lực %(minutes)s phút. Không đưa mã cho ai."
        )
        outcome = send_now(
            claimed.number,
            text % {"code": claimed.code, "minutes": claimed.minutes},
            purpose="one_time_code",
        )
    # A gateway that gave no answer may have taken the message: it is not sent again, the resident asks again.
    taken = outcome.answer in {Answer.ACCEPTED, Answer.UNKNOWN}
    verbs.note_outcome(claimed.pk, taken=taken, again=outcome.answer is Answer.THROTTLED)
    if not taken:
        logger.warning("one-time code %s: %s %s", claimed.pk, outcome.answer, outcome.code)
    return taken


def _start(language: str) -> None:
    global _pool
    if not _waiting.acquire(blocking=False):
        return  # rounds enough wait already, and each sends all there is
    with _making:
        if _pool is None:
            _pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="codes")
    _pool.submit(_round_of, language)


def _round_of(language: str) -> None:
    _waiting.release()  # who asks from here on starts another round
    try:
        send_all_due(language)
    except Exception as fault:  # a thread has nobody to tell; the ticker tries again
        logger.error("one-time codes: %s", type(fault).__name__)
        logger.debug("one-time codes", exc_info=True)
    finally:
        connection.close()
