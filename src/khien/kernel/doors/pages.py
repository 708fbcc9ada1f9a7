"""Each page says who may open it; a test walks all addresses and fails on one that does not."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from khien.kernel.errors import NotAllowed
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.reads import HELP_SESSION_KEY, RESIDENT_SHARED_KEY, RESIDENT_UNTIL_KEY


class Request(HttpRequest):
    """A request that has passed `ActorMiddleware`. For typing only."""

    actor: Actor
    htmx: Any


View = Callable[..., HttpResponse]


def staff_page(*roles: str) -> Callable[[View], View]:
    """Signed-in staff with one of the roles (any role when none is named)."""

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def door(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.actor.kind != "staff":
                return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
            if roles and not request.actor.has(*roles):
                raise NotAllowed()
            return view(request, *args, **kwargs)

        door.demands = frozenset(roles) or frozenset({"staff"})  # type: ignore[attr-defined]
        return door

    return wrap


def resident_page(view: View) -> View:
    """A resident who has proved who they are, or staff who act for one in a session at a desk whose task has this
    page; others are led to the residents' sign-in. What the page shows is kept by no cache."""

    @functools.wraps(view)
    def door(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        _for_whom(request)
        if request.actor.person_id is None:
            query = urlencode({"next": request.get_full_path()})
            return HttpResponseRedirect(f"{reverse('desk:resident_sign_in')}?{query}")
        _keep_open(request)
        answer = view(request, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "private, no-store")
        return answer

    door.demands = frozenset({"resident"})  # type: ignore[attr-defined]
    return door


def _for_whom(request: Request) -> None:
    """Staff with a session at a desk act for its person on the pages of its task."""
    if HELP_SESSION_KEY in request.session and request.actor.kind == "staff":
        from khien.kernel.doors import desk

        request.actor = desk.helping(request) or request.actor


def _keep_open(request: Request) -> None:
    """On a shared phone the session ends some minutes after the last page, not after the first."""
    until = request.session.get(RESIDENT_UNTIL_KEY)
    length = request.session.get(RESIDENT_SHARED_KEY)
    if until is not None and length and until - time.time() < length - 30:
        request.session[RESIDENT_UNTIL_KEY] = time.time() + length


def same_for_all(view: View) -> View:
    """Everybody, and the same bytes for everybody: nobody asks who it is, so that any cache may keep the answer."""

    @functools.wraps(view)
    def door(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    door.demands = frozenset({"public"})  # type: ignore[attr-defined]
    return door


def public_page(view: View) -> View:
    """Everybody. Staff who act for somebody at a desk are that person's helper on the pages of their task."""

    @functools.wraps(view)
    def door(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        _for_whom(request)
        return view(request, *args, **kwargs)

    door.demands = frozenset({"public"})  # type: ignore[attr-defined]
    return door
