"""Commune loudspeakers: what a station gets, by push or when it asks."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from django.db.models import Count as Counted
from django.db.models import Min, Q
from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts.channels import ChannelState, Count, sound, tokens
from khien.rooms.broadcasts.channels.texts import units_of
from khien.rooms.broadcasts.models import BulletinVersion, Play, Station
from khien.rooms.broadcasts.verbs import stations as verbs

# httpx logs every address that it asks.
logging.getLogger("httpx").setLevel(logging.WARNING)

AT_ONCE = 16
"""Stations that are spoken to at the same time."""
TIMEOUT_S = 10.0
PATIENCE_S = 25.0
"""For one round in all: a station that sends a letter every nine seconds is given up."""
LATE = {Play.Priority.EMERGENCY: timedelta(minutes=10)}
_LATE = timedelta(minutes=45)
SILENT = timedelta(minutes=15)
"""After which a station that should ask by itself counts as silent."""


class LoudspeakerChannel:
    """A bulletin at every station of its units; only a station's own report says that it was played."""

    def start(self, version: BulletinVersion) -> None:
        """See `Channel.start`."""
        from khien.rooms.broadcasts.channels import jobs

        verbs.start_plays(system_actor("broadcasts"), version=version)
        jobs.at_once(jobs.push_to_stations)

    def cancel(self, version: BulletinVersion) -> None:
        """See `Channel.cancel`."""
        from khien.rooms.broadcasts.channels import jobs

        verbs.cancel_plays(system_actor("broadcasts"), version=version)
        jobs.at_once(jobs.push_to_stations)

    def state(self, version: BulletinVersion) -> ChannelState | None:
        """See `Channel.state`."""
        counts = dict(
            Play.objects.filter(version=version).values_list("state").annotate(n=Counted("pk")).order_by()
        )
        if not counts:
            return None
        late = Play.objects.filter(overdue(), version=version).count()
        shown = [Count(state.label, counts[state]) for state in Play.State if counts.get(state)] + (
            [Count(_("Quá giờ chưa báo"), late)] if late else []
        )
        open_left = any(counts.get(state) for state in verbs.OPEN)
        label = _("Đang phát") if open_left else _("Đã xong")
        if set(counts) == {Play.State.CANCELLED}:
            label = _("Đã hủy")
        began = Play.objects.filter(version=version).aggregate(at=Min("created_at"))["at"]
        return ChannelState(
            label, tuple(shown), at=began, url=f"/broadcasts/stations/bulletins/{version.pk}/"
        )


def overdue() -> Q:
    """Plays of which nothing has been heard long after their time."""
    now = clock.now()
    emergency = Q(priority=Play.Priority.EMERGENCY, due_at__lt=now - LATE[Play.Priority.EMERGENCY])
    return Q(state__in=verbs.OPEN) & (emergency | Q(due_at__lt=now - _LATE))


def silent() -> Q:
    """Stations that ask by themselves and have not asked for a while."""
    edge = clock.now() - SILENT
    return Q(way=Station.Way.PULL, is_active=True) & (Q(seen_at__isnull=True) | Q(seen_at__lt=edge))


def bulletin_for(play: Play) -> dict[str, Any]:
    """What a station is given. `audio` is null where nothing could speak: then the text is to be read."""
    version = play.version
    heard = sound.published(version)
    return {
        "id": play.pk,
        "title": version.title,
        "text": sound.words_of(version),
        "language": "vi",
        "priority": Play.Priority(play.priority).name.lower(),
        "repeat": play.repeat,
        "not_before": clock.local(play.due_at).isoformat(timespec="seconds"),
        "not_after": clock.local(play.until).isoformat(timespec="seconds"),
        "units": [unit.code for unit in units_of(version)],
        "audio": None
        if heard is None
        else {"url": heard.url, "sha256": heard.sha256, "bytes": heard.size, "type": "audio/mpeg"},
    }


# Push ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request: to which address, with which token, what. `key` is the play, negative for a cancelling."""

    key: int
    address: str
    token: str
    body: dict[str, Any]


def push_due() -> float | None:
    """Push what is due, and tell stations of what was cancelled; seconds until something is to be tried again, None
    when nothing waits."""
    actor = system_actor("broadcasts")
    verbs.expire_plays(actor)
    while plays := verbs.claim_pushes(actor):
        verbs.settle_pushes(actor, outcomes=_send([_parcel(play) for play in plays]))
    _tell_cancelled()
    due = Play.objects.filter(
        station__way=Station.Way.PUSH,
        station__is_active=True,
        state__in=[Play.State.WAITING, Play.State.SENDING],
        retry_at__isnull=False,
        until__gt=clock.now(),
    ).aggregate(at=Min("retry_at"))["at"]
    return None if due is None else max(1.0, (due - datetime.now(UTC)).total_seconds())


def _tell_cancelled() -> None:
    rows = list(
        Play.objects.select_related("station").filter(
            station__way=Station.Way.PUSH,
            station__is_active=True,
            state=Play.State.CANCELLED,
            sent_at__isnull=False,
            cancel_told_at__isnull=True,
            until__gt=clock.now(),
        )[:200]
    )
    parcels = [
        Parcel(-row.pk, row.station.address, _token(row.station), {"id": row.pk, "cancel": True})
        for row in rows
    ]
    told = [-key for key, code in _send(parcels).items() if not code]
    Play.objects.filter(pk__in=told).update(cancel_told_at=clock.now())


def _parcel(play: Play) -> Parcel:
    return Parcel(play.pk, play.station.address, _token(play.station), bulletin_for(play))


def _token(station: Station) -> str:
    return tokens.token_of(station) if station.token_serial else ""


def _send(parcels: list[Parcel]) -> dict[int, str]:
    """What came of each: "" when the station took it. No station keeps another waiting for longer than `PATIENCE_S`."""
    if not parcels:
        return {}
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="station")
    running = {pool.submit(_post, parcel): parcel.key for parcel in parcels}
    rounds = -(-len(parcels) // AT_ONCE)
    done, _late = wait(running, timeout=PATIENCE_S * rounds)
    pool.shutdown(wait=False, cancel_futures=True)
    return {key: future.result() if future in done else "timeout" for future, key in running.items()}


def _post(parcel: Parcel) -> str:
    headers = {"Authorization": f"Bearer {parcel.token}"} if parcel.token else {}
    try:
        # Only the status counts: an answer of any length is not read.
        with (
            httpx.Client(timeout=TIMEOUT_S, headers=headers, follow_redirects=False) as client,
            client.stream("POST", parcel.address, json=parcel.body) as response,
        ):
            return "" if 200 <= response.status_code < 300 else f"http_{response.status_code}"
    except httpx.TimeoutException:
        return "timeout"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return "unreachable"
