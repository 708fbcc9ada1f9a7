"""Questions about what has been published."""

from __future__ import annotations

from django.db.models import QuerySet

from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import Article, CapMessage, PushRun, PushSubscription


def articles(actor: Actor) -> QuerySet[Article]:
    """Articles, latest first."""
    rows = Article.objects.seen_by(actor).select_related("version", "bulletin__unit")
    return rows.order_by("-changed_at", "-pk")


def alerts(actor: Actor) -> QuerySet[CapMessage]:
    """CAP messages, latest first; those of one bulletin are its chain."""
    rows = CapMessage.objects.seen_by(actor).select_related("version", "bulletin__unit")
    return rows.order_by("-sent", "-number", "-pk")


def push_runs(actor: Actor) -> QuerySet[PushRun]:
    """Which versions browsers were told of, latest first."""
    return (
        PushRun.objects.seen_by(actor)
        .select_related("version__bulletin__unit")
        .order_by("-started_at", "-pk")
    )


def browsers() -> int:
    """How many browsers want to be told; whose they are nobody knows."""
    return PushSubscription.objects.count()
