from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from khien.kernel import clock
from khien.kernel.registries import menu


def house(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: who is signed in, the navigation that their roles open, the business time."""
    actor = getattr(request, "actor", None)
    entries = []
    if actor is not None and actor.kind == "staff":
        entries = sorted((e for e in menu if actor.has(*e.roles)), key=lambda e: e.order)
    return {"actor": actor, "menu": entries, "demo": settings.KHIEN_DEMO, "now": clock.now()}
