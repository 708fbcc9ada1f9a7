"""Acts on a campaign: made, started, judged, paused, resumed, cancelled, finished. What a sender does: `chunks`."""

# ruff: noqa: S608 - statements are put together from pieces of this file alone
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext as _

from khien.gateways.sms.text import encoding_of, measure
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.staff import Actor, Role
from khien.rooms.broadcasts import composing
from khien.rooms.broadcasts.events import CAMPAIGN_FINISHED
from khien.rooms.broadcasts.models import Audience, BulletinVersion, Campaign, CampaignResult, Carrier, Chunk
from khien.rooms.broadcasts.reads import campaigns as reads
from khien.rooms.broadcasts.verbs.carriers import mark_dead

CHUNK = 50
"""Members of a chunk at most."""

HOLDERS = (Role.COMMUNICATION_OFFICER, Role.LEADER, Role.ADMINISTRATOR)
"""Who may pause, resume and cancel within their units."""

_SENDING = (Campaign.State.CANARY, Campaign.State.RUNNING)
_OPEN = (Campaign.State.WAITING, *_SENDING, Campaign.State.PAUSED)
_ANSWERED = "accepted + rejected + unknown + delivered + undelivered"

# The members of one carrier in one unit are a range, cut into pieces. Their order is random but always the same, and
# each carrier has its own first share.
_CUT = f"""
INSERT INTO broadcasts_chunk (campaign_id, carrier_id, unit_id, first, last, rank, is_canary, state, attempts, resends,
    accepted, rejected, unknown, delivered, undelivered, cancelled)
SELECT %(campaign)s, carrier_id, unit_id, first, last, rank,
    %(share)s > 0 AND rank <= GREATEST(1, ceil(pieces * %(share)s)), 'queued', 0, false, 0, 0, 0, 0, 0, 0
FROM (
    SELECT carrier_id, unit_id, first, LEAST(first + {CHUNK - 1}, till) AS last,
        row_number() OVER (PARTITION BY carrier_id ORDER BY md5(%(campaign)s::text || '/' || first)) AS rank,
        count(*) OVER (PARTITION BY carrier_id) AS pieces
    FROM unnest(%(carriers)s::bigint[], %(units)s::bigint[], %(firsts)s::int[], %(lasts)s::int[])
        AS range(carrier_id, unit_id, since, till), generate_series(since, till, {CHUNK}) AS first
) AS ranked
"""


@verb(Role.COMMUNICATION_OFFICER, Role.LEADER)
def create_campaign(
    actor: Actor,
    *,
    audience: Audience,
    text: str,
    version: BulletinVersion | None = None,
    lane: str = Campaign.Lane.CAMPAIGN,
    policy: str = BulletinVersion.Policy.NEVER_TWICE,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    at_night: bool = False,
    canary_share: float = 0.01,
    canary_limit: float = 0.05,
) -> Campaign:
    """Have `text` sent to a frozen audience; the sender begins when `not_before` has come. Asked again for the same
    version, answers with the campaign there is.

    `not_after`: what is queued then is cancelled. `canary_share` (0 to 1) of each carrier's chunks leaves first; when
    more than `canary_limit` of it is refused the campaign pauses itself. Raises `Invalid` for an audience of nobody, a
    placeholder without a value (code `missing_value`), or accents for a carrier that takes none; `Conflict` for an
    audience that is not frozen or has had its campaign.
    """
    actor.must_cover(audience.unit, Role.COMMUNICATION_OFFICER, Role.LEADER)
    if version is not None and (same := Campaign.objects.filter(version=version).first()):
        unchanged()
        return same
    if audience.frozen_at is None:
        raise Conflict(_("Danh sách nhận chưa được chốt."), way_out=_("Chốt danh sách trước khi gửi."))
    if Campaign.objects.filter(audience=audience).exists():
        raise Conflict(_("Danh sách này đã được gửi."), way_out=_("Chốt một danh sách mới."))
    if not_before and not_after and not_after <= not_before:
        raise Invalid(_("Giờ hết hạn phải sau giờ bắt đầu."), field="not_after")
    text = composing.checked(text)
    ranges = _ranges(audience)
    _check_values(audience, composing.placeholders(text))
    _check_accents(text, {row[0] for row in ranges})
    now = clock.now()
    campaign = Campaign.objects.create(
        unit=audience.unit,
        version=version,
        audience=audience,
        text=text,
        parts=measure(text).parts,
        lane=lane,
        policy=policy,
        not_before=not_before,
        not_after=not_after,
        at_night=at_night,
        canary_share=canary_share,
        canary_limit=canary_limit,
        created_at=now,
    )
    _make_partition(campaign.pk)
    carriers, units, firsts, lasts, counts = (list(column) for column in zip(*ranges, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _CUT,
            {
                "campaign": campaign.pk,
                "share": canary_share,
                "carriers": carriers,
                "units": units,
                "firsts": firsts,
                "lasts": lasts,
            },
        )
        chunks = cursor.rowcount
    record(
        actor, campaign, audience=audience.pk, members=sum(counts), chunks=chunks, policy=policy, lane=lane
    )
    return campaign


@verb()
def start_campaign(actor: Actor, *, campaign: Campaign) -> bool:
    """Begin to send, when its time has come. Returns whether it began now."""
    locked = _locked(campaign)
    now = clock.now()
    if locked.state != Campaign.State.WAITING or (locked.not_before and locked.not_before > now):
        unchanged()
        return False
    locked.started_at = now
    _go_on(locked)
    record(actor, locked, state=locked.state)
    return True


@verb(*HOLDERS)
def pause_campaign(actor: Actor, *, campaign: Campaign, because: str = "") -> None:
    """Nothing more is claimed from now on: what senders have claimed, at most a window for each bind, still leaves."""
    locked = _locked(campaign, actor)
    if locked.state == Campaign.State.PAUSED:
        unchanged()
        return
    if locked.state not in _OPEN:
        raise _is_over(locked)
    locked.state, locked.paused_because = Campaign.State.PAUSED, because.strip()[:200]
    locked.save(update_fields=["state", "paused_because"])
    record(actor, locked)


@verb(*HOLDERS)
def resume_campaign(actor: Actor, *, campaign: Campaign) -> None:
    """Go on where it was paused. After a canary that went badly this is the decision to send in spite of it."""
    locked = _locked(campaign, actor)
    if locked.state != Campaign.State.PAUSED:
        if locked.state in _OPEN:
            unchanged()
            return
        raise _is_over(locked)
    locked.paused_because = ""
    if locked.started_at is None:
        locked.state = Campaign.State.WAITING
        locked.save(update_fields=["state", "paused_because"])
    else:
        _go_on(locked)
    record(actor, locked, state=locked.state)


@verb(*HOLDERS)
def cancel_campaign(actor: Actor, *, campaign: Campaign, because: str = "") -> int:
    """Cancel what is queued for good; what is claimed still leaves. Returns how many members will not be sent to."""
    locked = _locked(campaign, actor)
    if locked.state == Campaign.State.CANCELLED:
        unchanged()
        return 0
    if locked.state not in _OPEN:
        raise _is_over(locked)
    locked.state, locked.paused_because = Campaign.State.CANCELLED, because.strip()[:200]
    locked.save(update_fields=["state", "paused_because"])
    count = _cancel_queued(locked)
    record(actor, locked, cancelled=count)
    return count


@verb(*HOLDERS)
def resend_unknown(actor: Actor, *, campaign: Campaign) -> int:
    """A person decides that what is unknown be sent once more, under the same client ids: some will get it twice.
    Returns to how many members. Those that are being sent now are left alone."""
    locked = _locked(campaign, actor)
    if locked.state == Campaign.State.CANCELLED:
        raise _is_over(locked)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE broadcasts_chunk SET state = 'queued', resends = true, retry_at = NULL"
            " WHERE campaign_id = %s AND unknown > 0 AND state IN ('settled', 'queued') RETURNING first, last",
            [locked.pk],
        )
        rows = cursor.fetchall()
        cursor.execute(
            "UPDATE broadcasts_campaignresult r SET code = %s"
            " FROM unnest(%s::int[], %s::int[]) AS range(first, last)"
            " WHERE r.campaign_id = %s AND r.seq BETWEEN range.first AND range.last AND r.state = 'unknown'",
            [CampaignResult.Code.RESEND, [row[0] for row in rows], [row[1] for row in rows], locked.pk],
        )
        count = cursor.rowcount
    if not count:
        raise Conflict(_("Không còn tin nào chưa rõ."), way_out=_("Tải lại trang."))
    if locked.state == Campaign.State.FINISHED:
        locked.state, locked.ended_at = Campaign.State.RUNNING, None
        locked.save(update_fields=["state", "ended_at"])
    record(actor, locked, resent=count)
    return count


@verb()
def judge_canary(actor: Actor, *, campaign: Campaign) -> bool:
    """Once the first share has its answers (or what is left of it was put off by the carrier): go on with everything,
    or pause when too much of it was refused. Returns whether it was judged now."""
    locked = _locked(campaign)
    if locked.state != Campaign.State.CANARY:
        unchanged()
        return False
    canary = reads.canary(locked.pk)
    if canary.waiting or not (canary.answered or canary.over):
        unchanged()
        return False
    locked.canary_judged_at = clock.now()
    share = canary.rejected / canary.answered if canary.answered else 0.0
    if share > locked.canary_limit:
        locked.state = Campaign.State.PAUSED
        locked.paused_because = _("Gửi thử: %(share)s %% bị từ chối, quá mức %(limit)s %%.") % {
            "share": f"{100 * share:.0f}",
            "limit": f"{100 * locked.canary_limit:g}",
        }
    else:
        locked.state = Campaign.State.RUNNING
    locked.save(update_fields=["state", "paused_because", "canary_judged_at"])
    record(actor, locked, state=locked.state, answered=canary.answered, rejected=canary.rejected)
    return True


@verb()
def expire_campaign(actor: Actor, *, campaign: Campaign) -> int:
    """After `not_after`: what is still queued is cancelled. Returns how many members."""
    locked = _locked(campaign)
    if locked.state not in _OPEN or locked.not_after is None or locked.not_after > clock.now():
        unchanged()
        return 0
    count = _cancel_queued(locked)
    if not count:
        unchanged()
        return 0
    record(actor, locked, cancelled=count, because="expired")
    return count


@verb()
def finish_campaign(actor: Actor, *, campaign: Campaign) -> bool:
    """Announce `campaign_finished` when nothing is queued or under way any more. Returns whether it did."""
    locked = _locked(campaign)
    if locked.ended_at is not None:
        unchanged()
        return False
    if locked.state == Campaign.State.CANCELLED:
        _cancel_queued(locked)  # what came back from the carrier in the meantime
    if Chunk.objects.filter(campaign=locked, state__in=[Chunk.State.QUEUED, Chunk.State.CLAIMED]).exists():
        unchanged()
        return False
    if locked.state != Campaign.State.CANCELLED:
        locked.state = Campaign.State.FINISHED
    locked.ended_at = clock.now()
    locked.save(update_fields=["state", "ended_at"])
    counts = reads.totals(locked.pk)
    record(
        actor,
        locked,
        event=CAMPAIGN_FINISHED,
        payload={
            "campaign": locked.pk,
            "version": locked.version_id,
            "state": str(locked.state),
            "counts": counts.by_state(),
        },
    )
    if dead := _dead_numbers(locked):
        mark_dead(actor, numbers=dead)
    return True


NO_SUCH_NUMBER = "0x0000000b"
"""ESME_RINVDSTADR of SMPP 3.4: the carrier says that the number is none. Other refusals say nothing of the number."""


def _dead_numbers(campaign: Campaign) -> list[tuple[str, str]]:
    """The numbers that a carrier called none, with its code: left out of the audiences to come."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.phone, r.code FROM broadcasts_campaignresult r JOIN broadcasts_audiencemember m"
            " ON m.audience_id = %s AND m.seq = r.seq"
            " WHERE r.campaign_id = %s AND r.state = 'rejected' AND r.code = %s",
            [campaign.audience_id, campaign.pk, NO_SUCH_NUMBER],
        )
        return cursor.fetchall()


def _locked(campaign: Campaign, actor: Actor | None = None) -> Campaign:
    """The campaign as it is now, held until the end of the act."""
    locked = Campaign.objects.select_for_update(of=("self",)).select_related("unit").get(pk=campaign.pk)
    if actor is not None:
        actor.must_cover(locked.unit, *HOLDERS)
    return locked


def _go_on(campaign: Campaign) -> None:
    """Into the state in which chunks are claimed."""
    judged = campaign.canary_judged_at is not None or campaign.canary_share == 0
    campaign.state = Campaign.State.RUNNING if judged else Campaign.State.CANARY
    campaign.save(update_fields=["state", "paused_because", "started_at"])


def _is_over(campaign: Campaign) -> Conflict:
    return Conflict(
        _("Đợt gửi này đã kết thúc: %(state)s.") % {"state": campaign.get_state_display()},
        way_out=_("Tải lại trang."),
    )


def _cancel_queued(campaign: Campaign) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (UPDATE broadcasts_chunk SET state = 'cancelled', settled_at = now(), resends = false,"
            f" cancelled = last - first + 1 - ({_ANSWERED})"
            " WHERE campaign_id = %s AND state = 'queued' RETURNING cancelled)"
            " SELECT COALESCE(sum(cancelled), 0) FROM gone",
            [campaign.pk],
        )
        return int(cursor.fetchone()[0])


def _ranges(audience: Audience) -> list[tuple[int, int, int, int, int]]:
    """Carrier, unit, first and last place, count; checked to be ranges."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT carrier_id, unit_id, min(seq), max(seq), count(*) FROM broadcasts_audiencemember"
            " WHERE audience_id = %s GROUP BY carrier_id, unit_id ORDER BY min(seq)",
            [audience.pk],
        )
        ranges = cursor.fetchall()
    if not ranges:
        raise Invalid(
            _("Danh sách nhận không có ai."), field="audience", way_out=_("Chọn địa bàn hoặc sổ khác.")
        )
    if any(last - first + 1 != count for _carrier, _unit, first, last, count in ranges):
        raise AssertionError(f"audience {audience.pk}: the members of a carrier in a unit are no range")
    return ranges


def _check_values(audience: Audience, names: set[str]) -> None:
    """A missing value is an error before anything is sent, never an empty word."""
    for name in sorted(names):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM broadcasts_audiencemember WHERE audience_id = %s"
                " AND btrim(COALESCE(values ->> %s, '')) = ''",
                [audience.pk, name],
            )
            missing = cursor.fetchone()[0]
        if missing:
            raise Invalid(
                _("Thiếu %(names)s cho %(count)d người.") % {"names": f"{{{name}}}", "count": missing},
                field="text",
                code="missing_value",
                way_out=_("Bỏ chỗ điền này hoặc chọn danh sách có đủ; chưa tin nào được gửi."),
            )


def _check_accents(text: str, carrier_ids: set[int]) -> None:
    if encoding_of(text) == "GSM-7":
        return
    refusing = Carrier.objects.filter(pk__in=carrier_ids, takes_accents=False).values_list("name", flat=True)
    if refusing:
        raise Invalid(
            _("%(carriers)s không nhận tin có dấu.") % {"carriers": ", ".join(sorted(refusing))},
            field="text",
            way_out=_("Soạn bản không dấu và duyệt lại."),
        )


def _make_partition(campaign_id: int) -> None:
    """Where the results will lie. Made beside the others and then attached, so that no sender waits for it."""
    name = f"broadcasts_campaignresult_{int(campaign_id)}"
    with connection.cursor() as cursor:
        for statement in _partition(name, int(campaign_id)):
            cursor.execute(statement)


def _partition(name: str, campaign_id: int) -> Sequence[str]:
    return (
        f"CREATE TABLE {name} (LIKE broadcasts_campaignresult INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
        f" CHECK (campaign_id = {campaign_id}), PRIMARY KEY (campaign_id, seq))",
        f"CREATE INDEX {name}_message ON {name} (message_id) WHERE message_id <> ''",
        f"CREATE INDEX {name}_unknown ON {name} (seq) WHERE state = 'unknown'",
        f"ALTER TABLE broadcasts_campaignresult ATTACH PARTITION {name} FOR VALUES IN ({campaign_id})",
    )
