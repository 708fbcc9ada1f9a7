"""Residents come in by their electronic identity: off to the provider, and back."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from khien.desk.pages import residents
from khien.gateways.identity import choosing
from khien.gateways.identity.interface import Refused, Unreachable
from khien.kernel.doors import Request, public_page
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.residents import reads

logger = logging.getLogger("khien.identity")

_BEGUN = "identity_begun"
_AT_ONCE = 4
_MINUTES = 10


@public_page
def begin(request: Request) -> HttpResponse:
    """Off to the provider. What must be the same when the browser is back stays in its session."""
    provider = choosing.provider()
    if provider is None:
        raise NotFound()
    try:
        begun = provider.begin(_back())
    except Unreachable:
        return _sorry(request, "unreachable", 503)
    waiting = [row for row in request.session.get(_BEGUN, []) if row["at"] > time.time() - _MINUTES * 60]
    waiting.append(
        {
            "state": begun.state,
            "nonce": begun.nonce,
            "verifier": begun.verifier,
            "shared": request.GET.get("shared") == "1",
            "at": time.time(),
        }
    )
    request.session[_BEGUN] = waiting[-_AT_ONCE:]
    return HttpResponseRedirect(begun.url)


@public_page
def back(request: Request) -> HttpResponse:
    """Back from the provider: whoever it names comes in, if they are in the ledger."""
    provider = choosing.provider()
    if provider is None:
        raise NotFound()
    begun = _taken(request, request.GET.get("state", ""))
    if begun is None:
        return _sorry(request, "state", 400)
    if request.GET.get("error"):
        return _sorry(request, "cancelled", 200)
    if request.actor.kind == "staff":
        return HttpResponseRedirect(reverse("desk:resident_sign_in"))
    try:
        identity = provider.finish(
            _back(),
            code=request.GET.get("code", ""),
            issuer=request.GET.get("iss", ""),
            nonce=begun["nonce"],
            verifier=begun["verifier"],
        )
        person = reads.person_of_document(identity.kind, identity.number)
    except Unreachable:
        return _sorry(request, "unreachable", 503)
    except Refused as fault:
        logger.warning("identity refused: %s", fault.reason)
        return _sorry(request, "refused", 400)
    except Invalid:
        logger.warning("identity refused: number_shape")
        return _sorry(request, "refused", 400)
    if person is None:
        return _sorry(request, "unknown", 200)
    return residents.come_in(request, person, how="identity", shared=begun["shared"])


def _taken(request: Request, state: str) -> dict[str, Any] | None:
    """What was kept for this state: once, and for ten minutes."""
    waiting = request.session.get(_BEGUN, [])
    found = next((row for row in waiting if state and constant_time_compare(row["state"], state)), None)
    if found is None:
        return None
    request.session[_BEGUN] = [row for row in waiting if row is not found]
    # Two requests with one session at once: the row is gone for the second only once this one is written.
    request.session.save()
    return found if found["at"] > time.time() - _MINUTES * 60 else None


def _sorry(request: Request, why: str, status: int) -> HttpResponse:
    texts = {
        "unreachable": (
            _("%(name)s hiện không trả lời"),
            _("Không phải lỗi của bạn. Thử lại sau vài phút, hoặc đăng nhập bằng mã gửi tới điện thoại."),
        ),
        "state": (
            _("Lần đăng nhập này đã cũ hoặc bắt đầu ở máy khác"),
            _("Hãy đăng nhập lại từ đầu, trên cùng một máy và trong mười phút."),
        ),
        "cancelled": (
            _("Bạn chưa đăng nhập"),
            _("Lần đăng nhập ở %(name)s đã bị hủy. Bạn có thể thử lại hoặc dùng cách khác."),
        ),
        "refused": (
            _("Không đăng nhập được bằng %(name)s"),
            _("Câu trả lời nhận được không dùng được, nên không ai được cho vào. Hãy đăng nhập lại từ đầu."),
        ),
        "unknown": (
            _("Chưa có bạn trong sổ dân cư"),
            _("%(name)s đã xác nhận bạn là ai, nhưng số giấy tờ của bạn chưa có trong sổ của tỉnh."),
        ),
    }
    title, text = (words % {"name": choosing.name()} for words in texts[why])
    context = {"title": title, "text": text, "why": why, "provider": choosing.name()}
    return render(request, "desk/identity_sorry.html", context, status=status)


def _back() -> str:
    return settings.KHIEN_URL + reverse("desk:identity_back")
