"""Letting an approved version out on its channels, and taking it back."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Problem
from khien.kernel.staff import Actor, system_actor
from khien.rooms.broadcasts import channels
from khien.rooms.broadcasts.models import BulletinVersion, ChannelRun

logger = logging.getLogger(__name__)
State = BulletinVersion.State


def dispatch_version(version: BulletinVersion) -> list[ChannelRun]:
    """Start every channel of an approved version whose time has come, each in a transaction of its own: one that
    fails holds up no other and is tried again by the next call. Versions that it replaces are taken back before: on a
    channel where that fails the new one waits."""
    actor = system_actor("broadcasts")
    version = BulletinVersion.objects.select_related("bulletin").get(pk=version.pk)
    now = clock.now()
    if version.state != State.APPROVED or (version.effective_at or now) > now or version.expires_at <= now:
        return []
    older = [
        run
        for run in ChannelRun.objects.select_related("version").filter(
            version__bulletin=version.bulletin_id,
            version__number__lt=version.number,
            started_at__isnull=False,
            cancelled_at__isnull=True,
        )
        if not (run.channel in version.channels and channels.corrects(run.channel))
    ]
    taken_back = [cancel_channel(actor, version=run.version, channel=run.channel) for run in older]
    still_out = {run.channel for run in taken_back if run.cancelled_at is None}
    return [
        start_channel(actor, version=version, channel=key)
        for key in channels.started_in_order(version.channels)
        if key not in still_out
    ]


def take_back(version: BulletinVersion) -> list[ChannelRun]:
    """Cancel every channel on which a version that no longer holds has gone out."""
    actor = system_actor("broadcasts")
    runs = version.runs.filter(started_at__isnull=False, cancelled_at__isnull=True)
    return [cancel_channel(actor, version=version, channel=run.channel) for run in runs]


def dispatch_waiting() -> int:
    """Start and take back whatever is due and not done yet; returns how many versions were dealt with. Every minute."""
    done = 0
    now = clock.now()
    approved = BulletinVersion.objects.filter(state=State.APPROVED, expires_at__gt=now)
    for version in approved.prefetch_related("runs"):
        started = {run.channel for run in version.runs.all() if run.started_at}
        if set(version.channels) - started and (version.effective_at or now) <= now:
            dispatch_version(version)
            done += 1
    left = ChannelRun.objects.filter(started_at__isnull=False, cancelled_at__isnull=True)
    for version in BulletinVersion.objects.filter(state=State.WITHDRAWN, pk__in=left.values("version")):
        take_back(version)
        done += 1
    return done


@verb()
def start_channel(actor: Actor, *, version: BulletinVersion, channel: str) -> ChannelRun:
    """Start one channel, once: what it writes and that it was started are one transaction. A refusal is kept."""
    run = _held(version, channel)
    version = (
        BulletinVersion.objects.select_for_update(of=("self",))
        .select_related("bulletin__unit")
        .get(pk=version.pk)
    )
    if run.started_at is not None or version.state != State.APPROVED:
        unchanged()
        return run
    run.failure = _tried(channel, "start", version)
    run.attempts += 1
    if run.failure:
        run.failed_at = clock.now()
    else:
        run.started_at = clock.now()
        if channels.corrects(channel):
            ChannelRun.objects.filter(
                version__bulletin=version.bulletin_id,
                version__number__lt=version.number,
                channel=channel,
                started_at__isnull=False,
                cancelled_at__isnull=True,
            ).update(cancelled_at=clock.now())
    run.save()
    record(actor, version, channel=channel, started=run.started_at is not None, attempts=run.attempts)
    return run


@verb()
def cancel_channel(actor: Actor, *, version: BulletinVersion, channel: str) -> ChannelRun:
    """Take a version back on one channel, once. A refusal is kept and tried again."""
    run = _held(version, channel)
    version = BulletinVersion.objects.select_related("bulletin__unit").get(pk=version.pk)
    if run.cancelled_at is not None or run.started_at is None:
        unchanged()
        return run
    run.failure = _tried(channel, "cancel", version)
    run.attempts += 1
    if run.failure:
        run.failed_at = clock.now()
    else:
        run.cancelled_at = clock.now()
    run.save()
    record(actor, version, channel=channel, cancelled=run.cancelled_at is not None, attempts=run.attempts)
    return run


def _held(version: BulletinVersion, channel: str) -> ChannelRun:
    """The row of a channel, for whoever comes first; others wait until that one is done."""
    run, _made = ChannelRun.objects.get_or_create(version_id=version.pk, channel=channel)
    return ChannelRun.objects.select_for_update().get(pk=run.pk)


def _tried(channel: str, act: str, version: BulletinVersion) -> str:
    """What went wrong, in words; "" when nothing did. What the channel wrote is then undone."""
    found = channels.get(channel)
    if found is None:
        return _("Máy chủ này không có kênh đó.")
    try:
        with transaction.atomic():
            getattr(found, act)(version)
    except Problem as problem:
        return str(problem)[:400]
    except Exception:
        logger.exception("channel %s: %s of version %s", channel, act, version.pk)
        return _("Lỗi bất ngờ; quản trị viên xem nhật ký của máy chủ.")
    return ""
