"""Loudspeakers: entering stations, giving them bulletins, and what they say that they played."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from khien.kernel import clock, keys, limits
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.limits import Limit, TooMany
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import keywords
from khien.rooms.broadcasts.channels import sound
from khien.rooms.broadcasts.channels.texts import units_of
from khien.rooms.broadcasts.models import (
    KEEPERS,
    OPERATORS,
    BulletinVersion,
    Play,
    Station,
    StationReport,
)
from khien.rooms.broadcasts.models.stations import REPORT_FAULTS

DEFAULT_SLOTS = ("05:30", "17:00")
EARLIEST, LATEST = time(5, 0), time(21, 30)
"""Between these a commune may be spoken to; an emergency at any time."""
AHEAD = timedelta(hours=2)
"""How long before its time a station may have a bulletin, so that it is there when the network is not."""
REPEATS = {Play.Priority.EMERGENCY: 3, Play.Priority.PRIORITY: 2, Play.Priority.NORMAL: 1}
OPEN = (Play.State.WAITING, Play.State.SENDING, Play.State.SENT)
REPORTS = Limit("station_reports", 600, 6)
MOST_REPORTS = 100
_SENDING_S = 120
_LONGEST_WAIT_S = 600.0
_SKEW = timedelta(minutes=5)
_SLOT = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


# Stations -----------------------------------------------------------------------------------------


@verb(*KEEPERS)
def save_station(
    actor: Actor,
    *,
    station: Station | None = None,
    unit: AdminUnit,
    name: str,
    kind: str,
    way: str,
    address: str = "",
    slots: Sequence[str] = (),
    is_active: bool = True,
) -> Station:
    """Enter a station or change one. `slots` are hours on a Vietnamese clock ("05:30"). Raises `Invalid` with the
    field, `Conflict` when the unit has a station of that name."""
    actor.must_cover(unit, *KEEPERS)
    if station is not None:
        station = Station.objects.seen_by(actor).select_for_update(of=("self",)).get(pk=station.pk)
        actor.must_cover(station.unit, *KEEPERS)
    row = station or Station(created_at=clock.now())
    row.unit, row.name, row.kind, row.is_active = unit, " ".join(name.split())[:120], kind, is_active
    row.way = Station.Way.PAPER if kind == Station.Kind.FM else way
    row.address = address.strip() if row.way == Station.Way.PUSH else ""
    row.slots = _slots(slots)
    if not row.name:
        raise Invalid(_("Đài chưa có tên."), field="name", way_out=_("Nhập tên đài."))
    if row.way == Station.Way.PUSH and not re.fullmatch(r"https?://[!-~]{1,280}", row.address):
        raise Invalid(
            _("Đài nhận tin gửi đến cần địa chỉ."), field="address", way_out=_("Nhập địa chỉ https://…")
        )
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as fault:
        raise Conflict(
            _("%(unit)s đã có đài tên này.") % {"unit": unit}, field="name", way_out=_("Đặt tên khác.")
        ) from fault
    record(actor, row, kind=row.kind, way=row.way, active=row.is_active)
    return row


@verb(*KEEPERS)
def new_token(actor: Actor, *, station: Station) -> str:
    """A new token for a station; the one before ends at once. It is shown here and stored nowhere."""
    from khien.rooms.broadcasts.channels import tokens

    row = Station.objects.seen_by(actor).select_for_update(of=("self",)).get(pk=station.pk)
    actor.must_cover(row.unit, *KEEPERS)
    row.token_key, row.token_serial = keys.current("station").id, row.token_serial + 1
    row.save(update_fields=["token_key", "token_serial"])
    record(actor, row, serial=row.token_serial)
    return tokens.token_of(row)


# Bulletins to stations ----------------------------------------------------------------------------


@verb()
def start_plays(actor: Actor, *, version: BulletinVersion) -> int:
    """Give a version to every active station in its units, each once; returns how many got it now. One that has no hour
    left before the version runs out is marked so."""
    now = clock.now()
    inside = Q(pk__in=[])
    for unit in units_of(version):
        inside |= Q(unit__path__startswith=unit.path)
    has = Play.objects.filter(version=version).values("station")
    stations = list(Station.objects.filter(inside, is_active=True).exclude(pk__in=has))
    priority = priority_of(version)
    plays = []
    for station in stations:
        due = due_at(version, station.slots, priority, now)
        plays.append(
            Play(
                station=station,
                version=version,
                priority=priority,
                repeat=REPEATS[priority],
                due_at=due or now,
                until=version.expires_at,
                state=Play.State.WAITING if due else Play.State.NOT_PLAYED,
                code="" if due else "no_slot",
                created_at=now,
            )
        )
    made = Play.objects.bulk_create(plays, ignore_conflicts=True, batch_size=1000)
    if not made:
        unchanged()
        return 0
    record(actor, version, stations=len(made))
    return len(made)


@verb()
def cancel_plays(actor: Actor, *, version: BulletinVersion) -> int:
    """Cancel what no station has played yet; stations that have it are told when they ask. Returns how many."""
    count = Play.objects.filter(version=version, state__in=OPEN).update(
        state=Play.State.CANCELLED, retry_at=None
    )
    if not count:
        unchanged()
        return 0
    record(actor, version, cancelled=count)
    return count


@verb(*OPERATORS)
def move_play(actor: Actor, *, play: Play, due_at: datetime, rank: int = 0) -> Play:
    """Choose another hour, or another place within it, for what is no emergency. Raises `Conflict` once it is settled,
    `Invalid` for an hour at night or after the bulletin's end."""
    row = _own(actor, play)
    if row.priority == Play.Priority.EMERGENCY or row.state not in OPEN:
        raise Conflict(_("Bản tin này không đổi giờ được nữa."), way_out=_("Tải lại trang."))
    if not EARLIEST <= clock.local(due_at).time() <= LATEST:
        raise Invalid(
            _("Chỉ phát từ %(start)s đến %(end)s.")
            % {"start": f"{EARLIEST:%H:%M}", "end": f"{LATEST:%H:%M}"},
            field="due_at",
        )
    if not clock.now() - _SKEW <= due_at < row.until:
        raise Invalid(
            _("Giờ phát phải từ bây giờ đến khi bản tin hết hiệu lực."),
            field="due_at",
            way_out=_("Chọn giờ khác."),
        )
    row.due_at, row.rank = due_at, max(-100, min(100, rank))
    row.save(update_fields=["due_at", "rank"])
    record(actor, row)
    return row


@verb(*OPERATORS)
def settle_play(actor: Actor, *, play: Play, played: bool, note: str = "") -> Play:
    """Somebody at the station says whether it was read out. A reason is needed where it was not."""
    row = _own(actor, play)
    if row.state in (Play.State.PLAYED, Play.State.CANCELLED):
        raise Conflict(_("Bản tin này đã ghi nhận xong."), way_out=_("Tải lại trang."))
    note = " ".join(note.split())[:200]
    if not played and not note:
        raise Invalid(_("Chưa ghi vì sao không phát."), field="note", way_out=_("Ghi lý do."))
    row.state = Play.State.PLAYED if played else Play.State.NOT_PLAYED
    row.played_at = clock.now() if played else None
    row.times, row.code, row.note = (row.repeat if played else 0), "by_hand", note
    row.save(update_fields=["state", "played_at", "times", "code", "note"])
    record(actor, row, played=played)
    return row


@verb()
def hand_out(actor: Actor, *, station: Station) -> tuple[list[Play], list[int]]:
    """What a station that asks is to play, in order, and the ids of what it must not play any more. What it had
    before is among it until it is settled."""
    now = clock.now()
    _seen(station, now)
    plays = list(
        Play.objects.select_for_update(of=("self",))
        .select_related("version__bulletin__unit", "station")
        .filter(station=station, state__in=OPEN, due_at__lte=now + AHEAD, until__gt=now)
        .order_by("priority", "due_at", "rank", "pk")[:50]
    )
    fresh = [play for play in plays if play.state != Play.State.SENT]
    Play.objects.filter(pk__in=[play.pk for play in fresh]).update(
        state=Play.State.SENT, sent_at=now, code="", retry_at=None
    )
    ended = Play.objects.filter(
        station=station, state=Play.State.CANCELLED, sent_at__isnull=False, until__gt=now
    )
    told = ended.filter(cancel_told_at__isnull=True).update(cancel_told_at=now)
    if fresh or told:
        record(actor, station, sent=[play.pk for play in fresh], cancelled=told)
    else:
        unchanged()
    return plays, list(ended.order_by("pk").values_list("pk", flat=True)[:200])


@verb()
def claim_pushes(actor: Actor, *, limit: int = 64) -> list[Play]:
    """Take bulletins that are due at stations to which they are pushed. Their transaction commits before anything is
    sent; one whose sender died is taken again after two minutes, under the same id."""
    now, real = clock.now(), datetime.now(UTC)
    rows = list(
        Play.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("version__bulletin__unit", "station__unit")
        .filter(
            Q(retry_at__isnull=True) | Q(retry_at__lte=real),
            station__way=Station.Way.PUSH,
            station__is_active=True,
            state__in=[Play.State.WAITING, Play.State.SENDING],
            due_at__lte=now + AHEAD,
            until__gt=now,
        )
        .order_by("priority", "due_at", "pk")[:limit]
    )
    if not rows:
        unchanged()
        return []
    for row in rows:
        row.state, row.attempts = Play.State.SENDING, row.attempts + 1
        row.retry_at = real + timedelta(seconds=_SENDING_S)
    Play.objects.bulk_update(rows, ["state", "attempts", "retry_at"])
    record(actor, "broadcasts.plays", claimed=[row.pk for row in rows])
    return rows


@verb()
def settle_pushes(actor: Actor, *, outcomes: Mapping[int, str]) -> None:
    """What came of pushing, by play: "" where the station took it, else why not. It is tried again after a growing
    wait, until the bulletin runs out."""
    now, real = clock.now(), datetime.now(UTC)
    rows = list(
        Play.objects.select_for_update(of=("self",))
        .select_related("station")
        .filter(pk__in=list(outcomes), state=Play.State.SENDING)
    )
    for row in rows:
        row.code = outcomes[row.pk][:40]
        if row.code:
            row.state = Play.State.WAITING
            wait = min(10.0 * 2 ** min(row.attempts - 1, 10), _LONGEST_WAIT_S)
            row.retry_at = real + timedelta(seconds=wait)
        else:
            row.state, row.retry_at, row.sent_at = Play.State.SENT, None, row.sent_at or now
    Play.objects.bulk_update(rows, ["state", "code", "retry_at", "sent_at"])
    answered = {row.station_id for row in rows if not row.code}
    Station.objects.filter(pk__in=answered).update(seen_at=now)
    # Cancelled while it was on its way: the station has it all the same, and must be told.
    late = [pk for pk, code in outcomes.items() if not code]
    Play.objects.filter(pk__in=late, state=Play.State.CANCELLED, sent_at__isnull=True).update(sent_at=now)
    record(
        actor,
        "broadcasts.plays",
        sent=sum(not row.code for row in rows),
        failed=sum(bool(row.code) for row in rows),
    )


@verb()
def expire_plays(actor: Actor) -> int:
    """What no station has got before its end was not played; returns how many. What a station has got and never spoke
    of stays open: nobody knows."""
    lost = Play.objects.filter(state__in=[Play.State.WAITING, Play.State.SENDING], until__lte=clock.now())
    # Paper reaches a station without our knowing.
    lost = lost.exclude(station__way=Station.Way.PAPER)
    count = lost.update(state=Play.State.NOT_PLAYED, code="not_reached", retry_at=None)
    if not count:
        unchanged()
        return 0
    record(actor, "broadcasts.plays", not_reached=count)
    return count


# What stations say --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one report: stored, duplicate or held, with the reason."""

    state: str
    code: str = ""
    message: str = ""


@verb()
def take_reports(actor: Actor, *, station: Station, reports: Sequence[Any]) -> list[Said]:
    """Take in what a station says it played, row by row. What cannot be so is held and shown, and changes nothing.

    Raises `TooMany` for a station that floods.
    """
    if not limits.take(
        REPORTS, f"station:{station.pk}", datetime.now(UTC), many=max(1, len(reports))
    ).allowed:
        raise TooMany(_("Đài gửi quá nhiều báo cáo."), way_out=_("Gửi lại sau vài phút."))
    now = clock.now()
    Station.objects.select_for_update().get(pk=station.pk)
    _seen(station, now)
    answers = [_report(station, given, now) for given in reports]
    if all(answer.state == "duplicate" for answer in answers):
        unchanged()
    else:
        states = [answer.state for answer in answers]
        record(actor, station, stored=states.count("stored"), held=states.count("held"))
    return answers


def _report(station: Station, given: Any, now: datetime) -> Said:
    fields = given if isinstance(given, dict) else {}
    said = {
        name: keywords.cleaned(str(fields[name]))[:200]
        for name in ("id", "state", "at", "times", "reason")
        if isinstance(fields.get(name), str | int | float)
    }
    text = json.dumps(given, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    if StationReport.objects.filter(station=station, digest=digest).exists():
        return Said("duplicate")
    number = said.get("id", "")
    play = None
    if number.isascii() and number.isdigit() and len(number) < 18:
        play = Play.objects.select_for_update(of=("self",)).filter(station=station, pk=int(number)).first()
    at = _time(said.get("at", ""))
    counted = said.get("times", "1")
    times = int(counted) if re.fullmatch(r"[1-9]\d?", counted) else 0
    code = _wrong(play, said, at, times or 1, now)
    if not code and "times" in said and not times:
        code = "bad_times"
    StationReport.objects.create(
        station=station, play=play, said=said, digest=digest, code=code, received_at=now
    )
    if code:
        if play is not None and code == "played_after_cancel":
            Play.objects.filter(pk=play.pk).update(code=code)
        return Said("held", code, str(REPORT_FAULTS[code]))
    assert play is not None
    assert at is not None
    played = said["state"] == "played"
    if played and play.state == Play.State.PLAYED:
        return Said("duplicate")
    play.state = Play.State.PLAYED if played else Play.State.NOT_PLAYED
    play.played_at = at if played else None
    play.times = int(said.get("times", 1)) if played else 0
    play.code, play.note = ("" if played else "reported"), said.get("reason", "")[:200]
    play.save(update_fields=["state", "played_at", "times", "code", "note"])
    return Said("stored")


def _wrong(play: Play | None, said: dict[str, str], at: datetime | None, times: int, now: datetime) -> str:
    """Why a report cannot be so; "" when it can."""
    if play is None:
        return "unknown_play"
    state = said.get("state")
    if state not in ("played", "not_played"):
        return "bad_state"
    if at is None:
        return "bad_time"
    if at > now + _SKEW:
        return "future_time"
    if play.sent_at is None or at < play.sent_at - _SKEW:
        return "before_it_had_it"
    if play.state == Play.State.CANCELLED:
        # Before it had heard of it, it could not know.
        told = play.cancel_told_at
        return "cancelled" if state == "not_played" or told is None or at < told else "played_after_cancel"
    if state == "not_played":
        return "contradiction" if play.state == Play.State.PLAYED else ""
    if at > play.until:
        return "too_late"
    if at < play.due_at - _SKEW:
        return "too_early"
    length = _seconds(play)
    if length and now < at + timedelta(seconds=0.8 * length * times):
        return "too_soon"
    return ""


def _seconds(play: Play) -> float:
    """How long the sound is that the station was given; 0 where it got the text alone."""
    found = sound.published(play.version)
    return found.seconds if found is not None else 0.0


def _time(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text[:40])
    except ValueError:
        return None
    return None if moment is None else moment if moment.tzinfo else moment.replace(tzinfo=clock.reads.ZONE)


# When ---------------------------------------------------------------------------------------------


def priority_of(version: BulletinVersion) -> Play.Priority:
    """The priority in the terms of the provincial source system."""
    if version.is_emergency:
        return Play.Priority.EMERGENCY
    return Play.Priority.PRIORITY if version.urgency == "Immediate" else Play.Priority.NORMAL


def due_at(
    version: BulletinVersion, slots: Sequence[str], priority: Play.Priority, now: datetime
) -> datetime | None:
    """When a station with these slots plays it: an emergency at once, else at the next slot, or at once by day when
    none comes before its end. None when it has no hour left."""
    begin = max(now, version.effective_at or now)
    if begin >= version.expires_at:
        return None
    if priority == Play.Priority.EMERGENCY:
        return begin
    day = clock.local(begin).date()
    hours = [time.fromisoformat(slot) for slot in (slots or DEFAULT_SLOTS)]
    for ahead in range(2):
        for hour in sorted(hours):
            moment = datetime.combine(day + timedelta(days=ahead), hour, tzinfo=clock.reads.ZONE)
            if begin <= moment < version.expires_at:
                return moment
    by_day = EARLIEST <= clock.local(begin).time() <= LATEST
    return begin if by_day or version.at_night else None


def _slots(given: Sequence[str]) -> list[str]:
    found = sorted({slot.strip() for slot in given if slot.strip()})
    for slot in found:
        if not _SLOT.fullmatch(slot) or not EARLIEST <= time.fromisoformat(slot) <= LATEST:
            raise Invalid(
                _("Giờ phát “%(slot)s” không dùng được.") % {"slot": slot[:10]},
                field="slots",
                way_out=_("Viết như 05:30, từ 05:00 đến 21:30, cách nhau dấu phẩy."),
            )
    if len(found) > 12:
        raise Invalid(_("Nhiều nhất 12 giờ phát một ngày."), field="slots")
    return found


def _own(actor: Actor, play: Play) -> Play:
    row: Play | None = (
        Play.objects.seen_by(actor)
        .select_for_update(of=("self",))
        .select_related("station__unit")
        .filter(pk=play.pk)
        .first()
    )
    if row is None:
        raise NotFound(_("Không có bản tin này ở đài."))
    actor.must_cover(row.station.unit, *OPERATORS)
    return row


def _seen(station: Station, now: datetime) -> None:
    """Not at every question: a station asks twice a minute."""
    if station.seen_at is None or not timedelta(0) <= now - station.seen_at < timedelta(seconds=60):
        Station.objects.filter(pk=station.pk).update(seen_at=now)
        station.seen_at = now
