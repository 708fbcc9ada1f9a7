"""Each page says who may open it; a test walks all addresses and fails on one that does not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from khien.kernel.errors import NotAllowed
from khien.kernel.staff.actors import Actor


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
    """A resident who has proved who they are; others are led to the residents' sign-in."""

    @functools.wraps(view)
    def door(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.actor.person_id is None:
            return HttpResponseRedirect(f"{reverse('desk:resident_sign_in')}?next={request.get_full_path()}")
        return view(request, *args, **kwargs)

    door.demands = frozenset({"resident"})  # type: ignore[attr-defined]
    return door


def public_page(view: View) -> View:
    """Everybody."""

    @functools.wraps(view)
    def door(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    door.demands = frozenset({"public"})  # type: ignore[attr-defined]
    return door
