"""Browsers that want to be told, and telling them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F, Max, Q

from khien.kernel import clock, limits
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.channels import push
from khien.rooms.broadcasts.channels.texts import units_of
from khien.rooms.broadcasts.models import BulletinVersion, PushRetry, PushRun, PushSubscription

if TYPE_CHECKING:
    from khien.rooms.broadcasts.channels.push import Answer

MAX_ATTEMPTS = 6
GIVEN_UP = 5
"""Runs in a row in which nothing could be sent to a browser: then it is forgotten."""


@verb(residents=True)
def subscribe(
    actor: Actor, *, endpoint: Any, p256dh: Any, auth: Any, language: str, unit: AdminUnit | None
) -> PushSubscription:
    """A browser is told from now on about `unit` (None: the whole province); once more, it changes what it is told.
    Nothing says whose it is. Raises `Invalid` for an address of no push service that we know."""
    address = push.checked(endpoint, p256dh, auth)
    endpoint_hash = hash_of(address.endpoint)
    sealed, key_id = push.seal(address, endpoint_hash)
    row, created = PushSubscription.objects.update_or_create(
        endpoint_hash=endpoint_hash,
        defaults={
            "sealed": sealed,
            "seal_key": key_id,
            "vapid_key": push.public_key()[1],
            "language": language if language in ("vi", "en") else "vi",
            "unit": unit,
            "failures": 0,
            "since": clock.now(),
        },
    )
    # Not whose: the line names neither the person nor the browser.
    record(actor, row, new=created)
    return row


@verb(residents=True)
def unsubscribe(actor: Actor, *, endpoint: Any) -> bool:
    """Forget a browser; whoever knows its address may ask. False when it was not known."""
    known = isinstance(endpoint, str) and len(endpoint) <= 1000
    gone = PushSubscription.objects.filter(endpoint_hash=hash_of(endpoint)).delete()[0] if known else 0
    if not gone:
        unchanged()
        return False
    record(actor, "broadcasts.pushsubscription")
    return True


@verb()
def start_push(actor: Actor, *, version: BulletinVersion) -> PushRun:
    """Begin to tell the browsers that are known now; a version is told once."""
    found = PushRun.objects.filter(version=version).first()
    if found is not None:
        unchanged()
        return found
    last = PushSubscription.objects.aggregate(last=Max("pk"))["last"] or 0
    row, created = PushRun.objects.get_or_create(
        version=version, defaults={"last": last, "started_at": clock.now()}
    )
    if created:
        record(actor, row, last=last)
    else:
        unchanged()
    return row


@verb()
def cancel_push(actor: Actor, *, version: BulletinVersion) -> None:
    """Tell no further browser of this version."""
    stopped = PushRun.objects.filter(version=version, state=PushRun.State.RUNNING).update(
        state=PushRun.State.CANCELLED, ended_at=clock.now()
    )
    if not stopped:
        unchanged()
        return
    PushRetry.objects.filter(run__version=version).delete()
    record(actor, version)


@verb()
def claim_subscriptions(actor: Actor, *, run: PushRun, limit: int) -> list[PushSubscription]:
    """The next browsers of a run: first those whose second try is due, then new ones. They count as dealt with once
    this commits: one that a dying sender had claimed is not told twice."""
    locked = PushRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if locked.state != PushRun.State.RUNNING:
        unchanged()
        return []
    due = list(
        locked.retries.select_related("subscription")
        .filter(due_at__lte=datetime.now(UTC))
        .order_by("pk")[:limit]
    )
    if due:
        # Should the sender die, it is tried again after this.
        PushRetry.objects.filter(pk__in=[one.pk for one in due]).update(
            due_at=datetime.now(UTC) + timedelta(seconds=300), attempts=F("attempts") + 1
        )
        record(actor, locked, again=len(due))
        return [one.subscription for one in due]
    wanted = Q(unit__isnull=True)
    for unit in units_of(run.version):
        # Those in the units that it is about, and those whose unit holds one of them.
        steps = [step for step in unit.path.split(".") if step]
        above = [".".join(steps[:n]) + "." for n in range(1, len(steps) + 1)]
        wanted |= Q(unit__path__startswith=unit.path) | Q(unit__path__in=above)
    rows = list(
        PushSubscription.objects.filter(wanted, pk__gt=locked.reached, pk__lte=locked.last).order_by("pk")[
            :limit
        ]
    )
    if not rows:
        unchanged()
        return []
    locked.reached = rows[-1].pk
    locked.save(update_fields=["reached"])
    record(actor, locked, reached=locked.reached)
    return rows


@verb()
def settle_subscriptions(actor: Actor, *, run: PushRun, answers: Mapping[int, Answer]) -> None:
    """What the push services said: forget who has gone, try later what could not be taken, give up after six tries."""
    by_sort: dict[str, list[int]] = {}
    for pk, answer in answers.items():
        by_sort.setdefault(answer.sort, []).append(pk)
    tries = dict(
        PushRetry.objects.filter(run=run, subscription__in=list(answers)).values_list(
            "subscription", "attempts"
        )
    )
    later = [pk for pk in by_sort.get("later", []) if tries.get(pk, 1) < MAX_ATTEMPTS]
    failed = [*by_sort.get("failed", []), *(pk for pk in by_sort.get("later", []) if pk not in later)]
    sent, gone = by_sort.get("sent", []), by_sort.get("gone", [])
    PushRetry.objects.filter(run=run, subscription__in=[*sent, *gone, *failed]).delete()
    now = datetime.now(UTC)
    for pk in later:
        wait_s = answers[pk].wait_s or 30.0 * 2 ** (tries.get(pk, 1) - 1)
        PushRetry.objects.update_or_create(
            run=run,
            subscription_id=pk,
            defaults={"due_at": now + timedelta(seconds=min(wait_s, 3600.0)), "attempts": tries.get(pk, 1)},
        )
    PushSubscription.objects.filter(pk__in=sent).exclude(failures=0).update(failures=0)
    PushSubscription.objects.filter(pk__in=failed).update(failures=F("failures") + 1)
    PushSubscription.objects.filter(Q(pk__in=gone) | Q(pk__in=failed, failures__gte=GIVEN_UP)).delete()
    PushRun.objects.filter(pk=run.pk).update(
        sent=F("sent") + len(sent), gone=F("gone") + len(gone), failed=F("failed") + len(failed)
    )
    record(actor, run, sent=len(sent), gone=len(gone), failed=len(failed), later=len(later))


@verb()
def finish_push(actor: Actor, *, run: PushRun) -> bool:
    """End a run in which nobody waits any more; also when its bulletin has run out. Returns whether it has ended."""
    locked = PushRun.objects.select_for_update(of=("self",)).select_related("version").get(pk=run.pk)
    over = locked.version.expires_at <= clock.now()
    if locked.state != PushRun.State.RUNNING or (locked.retries.exists() and not over):
        unchanged()
        return locked.state != PushRun.State.RUNNING
    if over:
        locked.failed += locked.retries.count()
        locked.retries.all().delete()
    locked.state, locked.ended_at = PushRun.State.FINISHED, clock.now()
    locked.save(update_fields=["state", "ended_at", "failed"])
    record(actor, locked, sent=locked.sent, failed=locked.failed)
    return True


def hash_of(endpoint: str) -> str:
    """What a browser's address is found by again."""
    return limits.keyed("push", endpoint)
