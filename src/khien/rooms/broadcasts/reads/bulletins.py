"""Questions about bulletins: which there are, what one still lacks, who may decide, what has been done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from khien.gateways.sms.text import Measure, measure, strip_accents
from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Conflict, Invalid, NotFound, Text
from khien.kernel.staff import Actor
from khien.kernel.staff.models import Account
from khien.rooms.broadcasts import composing, content, deriving
from khien.rooms.broadcasts.models import (
    APPROVERS,
    AfterReview,
    Approval,
    ApprovalSeen,
    Audience,
    Bulletin,
    BulletinAudio,
    BulletinTemplate,
    BulletinTemplateVersion,
    BulletinVersion,
    Campaign,
    Channel,
    ChannelText,
    Recipient,
    TestNumber,
    TestSend,
)

State = BulletinVersion.State
SENT = (Recipient.State.ACCEPTED, Recipient.State.DELIVERED)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a version lacks before it can be submitted; `place` is where on the page it is mended."""

    code: str
    message: Text
    way_out: Text
    place: str

    @property
    def anchor(self) -> str:
        """The place on the author's page."""
        if self.place in ("audience", "test", "audio"):
            return self.place
        return f"id_{self.place}-text" if self.place.startswith("text-") else f"id_{self.place}"


class NotReady(Conflict):
    """A version lacks what `missing` lists."""

    default_code = "not_ready"

    def __init__(self, missing: Sequence[Missing]) -> None:
        first = missing[0]
        super().__init__(first.message, way_out=first.way_out, code=first.code, field=first.place)
        self.missing = list(missing)


@dataclass(frozen=True, slots=True)
class SmsView:
    """An SMS as its author sees it: with and without accents, side by side; `final` is what goes out."""

    text: str
    plain: str
    size: Measure
    plain_size: Measure
    final: str
    final_size: Measure


@dataclass(frozen=True, slots=True)
class Tested:
    """The test of the content as it is now: when, to how many phones, and how many of them the gateway took."""

    at: datetime
    phones: int
    taken: int
    settled: bool
    rows: list[Recipient]


def bulletins(actor: Actor, *, state: str = "", unit: str = "") -> QuerySet[BulletinVersion]:
    """The newest version of each bulletin, the one changed last first; `unit` is the path of a unit."""
    newest = BulletinVersion.objects.order_by("bulletin", "-number").distinct("bulletin")
    rows = BulletinVersion.objects.seen_by(actor).filter(pk__in=newest.values("pk"))
    if state:
        rows = rows.filter(state=state)
    if unit:
        rows = rows.filter(bulletin__unit__path__startswith=unit)
    return rows.select_related("bulletin__unit").order_by("-edited_at", "-pk")


def bulletin(actor: Actor, pk: int) -> Bulletin:
    """One bulletin. Raises `NotFound`."""
    found: Bulletin | None = Bulletin.objects.seen_by(actor).select_related("unit").filter(pk=pk).first()
    if found is None:
        raise NotFound(_("Không có bản tin này."))
    return found


def version(actor: Actor, bulletin_id: int, number: int | None = None) -> BulletinVersion:
    """One version, the newest where no number is given. Raises `NotFound`."""
    rows = (
        BulletinVersion.objects.seen_by(actor)
        .select_related("bulletin__unit", "template_version__template")
        .filter(bulletin=bulletin_id)
        .order_by("-number")
    )
    found: BulletinVersion | None = (rows if number is None else rows.filter(number=number)).first()
    if found is None:
        raise NotFound(_("Không có bản tin này."))
    return found


def versions(actor: Actor, bulletin_id: int) -> list[BulletinVersion]:
    """All versions of a bulletin, newest first."""
    return list(BulletinVersion.objects.seen_by(actor).filter(bulletin=bulletin_id).order_by("-number"))


def running(bulletin_id: int) -> BulletinVersion | None:
    """The version that is approved and goes out now, if there is one."""
    return (
        BulletinVersion.objects.filter(bulletin=bulletin_id, state=State.APPROVED).order_by("-number").first()
    )


def names_of(ids: Iterable[int | None]) -> dict[int, str]:
    """The names of accounts."""
    wanted = {pk for pk in ids if pk is not None}
    return dict(Account.objects.filter(pk__in=wanted).values_list("pk", "full_name"))


def payload(row: BulletinVersion) -> dict[str, Any]:
    """What events about a version say."""
    return {
        "bulletin": row.bulletin_id,
        "version": row.pk,
        "unit": row.bulletin.unit_id,
        "emergency": row.is_emergency,
    }


def sms_row(row: BulletinVersion) -> ChannelText | None:
    """The text that goes to phones, by the installation or by the carriers."""
    wanted = [key for key in deriving.SMS_CHANNELS if key in row.channels]
    rows = {text.channel: text for text in row.texts.filter(channel__in=wanted, language=deriving.FIRST)}
    return next((rows[key] for key in wanted if key in rows), None)


def sms_view(text: str, *, plain: bool) -> SmsView:
    """Its size with and without accents. Placeholders count as they stand."""
    stripped = strip_accents(text)
    final = stripped if plain else text
    return SmsView(
        text, stripped, measure(text or " "), measure(stripped or " "), final, measure(final or " ")
    )


def placeholders(row: BulletinVersion) -> set[str]:
    """The gaps in the SMS that are filled for each receiver."""
    text = sms_row(row)
    return composing.placeholders(text.text) if text is not None and text.channel == Channel.SMS else set()


def tested(row: BulletinVersion) -> Tested | None:
    """The last test of this content; None when there was none since the last edit."""
    seal = row.content_hash or content.hash_of(row)
    sent = (
        TestSend.objects.select_related("broadcast")
        .filter(version=row, content_hash=seal)
        .order_by("-at", "-pk")
        .first()
    )
    if sent is None or sent.broadcast is None:
        return None
    rows = list(sent.broadcast.recipients.order_by("phone"))
    return Tested(
        sent.at,
        len(rows),
        sum(one.state in SENT for one in rows),
        all(one.state not in (Recipient.State.QUEUED, Recipient.State.SUBMITTING) for one in rows),
        rows,
    )


def test_numbers() -> list[TestNumber]:
    """The fixed list."""
    return list(TestNumber.objects.order_by("holder", "number"))


def audio(row: BulletinVersion) -> BulletinAudio | None:
    """What loudspeakers play, without its sound."""
    return row.audios.defer("mp3").filter(language=deriving.FIRST).first()


def script(row: BulletinVersion) -> ChannelText | None:
    """The text for loudspeakers."""
    return row.texts.filter(channel=Channel.LOUDSPEAKER, language=deriving.FIRST).first()


def audience(row: BulletinVersion) -> Audience | None:
    """Whom its SMS goes to."""
    if row.audience_id is None:
        return None
    return Audience.objects.select_related("unit").filter(pk=row.audience_id).first()


def audiences_to_choose(actor: Actor, row: BulletinVersion) -> list[Audience]:
    """Audiences within the bulletin's unit that are not frozen yet, latest first."""
    rows = Audience.objects.seen_by(actor).filter(
        frozen_at__isnull=True, unit__path__startswith=row.bulletin.unit.path
    )
    return list(rows.select_related("unit").order_by("-created_at")[:100])


def estimate(row: BulletinVersion) -> Any:
    """People, parts, dong and time by carrier for the SMS (`reads.audiences.Estimate`), None where there is none.
    Raises `Invalid` for a text that cannot be sent."""
    from khien.rooms.broadcasts.reads import audiences

    text, whom = sms_row(row), audience(row)
    if text is None or whom is None or text.channel != Channel.SMS:
        return None
    return audiences.estimate(whom, text.text, row.plain_sms)


def missing(actor: Actor, row: BulletinVersion, *, with_costs: bool = True) -> list[Missing]:
    """All that keeps a draft from being submitted, in the order of the page; `with_costs` counts the receivers too,
    which takes seconds for a province."""
    found = [*_times(row), *_texts(row)]
    if Channel.SMS in row.channels:
        found += _receivers(row)
    if sms_row(row) is not None:
        found += _test(row)
    if Channel.LOUDSPEAKER in row.channels:
        found += _sound(row)
    if with_costs and Channel.SMS in row.channels and not found:
        found += _cost(row)
    return found


def lacking_after_freeze(row: BulletinVersion, whom: Audience) -> list[Missing]:
    """What can only be said once the list is fixed: nobody in it, or somebody without a value that the SMS needs."""
    if not whom.count:
        return [
            Missing(
                "nobody", _("Danh sách nhận không có ai."), _("Chọn địa bàn hoặc nguồn khác."), "audience"
            )
        ]
    names = sorted(placeholders(row))
    if not names:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, count(*) FROM broadcasts_audiencemember m, unnest(%s::text[]) AS name"
            " WHERE m.audience_id = %s AND btrim(coalesce(m.values ->> name, '')) = '' GROUP BY 1 ORDER BY 1",
            [names, whom.pk],
        )
        rows = cursor.fetchall()
    return [
        Missing(
            "missing_value",
            _("%(count)d người nhận không có giá trị cho {%(name)s}.") % {"count": count, "name": name},
            _("Bỏ chỗ điền đó khỏi tin SMS, hoặc chọn nguồn có đủ; chưa tin nào được gửi."),
            "text-sms-vi",
        )
        for name, count in rows
    ]


def approvers_needed(row: BulletinVersion) -> int:
    """How many people must approve."""
    return 2 if row.is_emergency else 1


def approvals(row: BulletinVersion) -> list[Approval]:
    """The decisions about a version, in order."""
    return list(row.approvals.order_by("at", "pk"))


def why_not_approve(actor: Actor, row: BulletinVersion) -> Text:
    """Why the actor can never decide about this version; "" when nothing forbids it."""
    if not actor.covers(row.bulletin.unit, *APPROVERS):
        return _("Chỉ lãnh đạo phụ trách địa bàn này được duyệt.")
    if actor.id is None:
        return _("Bản tin phải do người duyệt.")
    if actor.id == row.submitted_by:
        return _("Người trình không được tự duyệt.")
    if actor.id in row.editors:
        return _("Người đã soạn hoặc sửa bản này không được duyệt nó.")
    return ""


def seen(actor: Actor, row: BulletinVersion) -> set[str]:
    """What of the submitted content the actor has had before them."""
    return set(
        ApprovalSeen.objects.filter(version=row, by=actor.id or 0, content_hash=row.content_hash).values_list(
            "what", flat=True
        )
    )


def to_see(row: BulletinVersion) -> list[str]:
    """What an approver must have had before them."""
    wanted = []
    if sms_row(row) is not None:
        wanted.append(ApprovalSeen.What.SMS.value)
    if Channel.LOUDSPEAKER in row.channels:
        wanted.append(ApprovalSeen.What.AUDIO.value)
    return wanted


def waiting_for(actor: Actor) -> list[BulletinVersion]:
    """Submitted versions that the actor could decide about, oldest first."""
    rows = (
        BulletinVersion.objects.seen_by(actor)
        .filter(state=State.SUBMITTED)
        .exclude(approvals__by=actor.id or 0)
        .select_related("bulletin__unit")
        .order_by("-is_emergency", "submitted_at")
    )
    return [row for row in rows if not why_not_approve(actor, row)]


def open_reviews(actor: Actor) -> list[AfterReview]:
    """Emergency bulletins that nobody has looked back on yet, the most urgent first."""
    visible = BulletinVersion.objects.seen_by(actor)
    rows = AfterReview.objects.filter(done_at__isnull=True, version__in=visible.values("pk"))
    return list(rows.select_related("version__bulletin__unit").order_by("due_at"))


def templates(*, with_retired: bool = False) -> list[BulletinTemplateVersion]:
    """The wording in use of each template, by name."""
    rows = BulletinTemplateVersion.objects.order_by("template", "-number").distinct("template")
    found = BulletinTemplateVersion.objects.filter(pk__in=rows.values("pk")).select_related("template")
    if not with_retired:
        found = found.filter(template__is_retired=False)
    return list(found.order_by("template__name"))


def template_version(code: str) -> BulletinTemplateVersion:
    """The wording in use. Raises `NotFound`."""
    found = (
        BulletinTemplateVersion.objects.select_related("template")
        .filter(template__code=code)
        .order_by("-number")
        .first()
    )
    if found is None:
        raise NotFound(_("Không có mẫu này."))
    return found


def template_names(row: BulletinTemplateVersion) -> list[str]:
    """The gaps of a template: those of title and body in their order, then those that only its SMS has."""
    names = [*composing.placeholder_list(row.title), *composing.placeholder_list(row.body)]
    return list(dict.fromkeys([*names, *composing.placeholder_list(row.sms)]))


def template_of(code: str) -> BulletinTemplate | None:
    """The template with that code."""
    return BulletinTemplate.objects.filter(code=code).first()


def log(row: Bulletin) -> list[AuditLine]:
    """All acts on a bulletin's versions, its audiences, its campaigns and its tests, in order (the caller has
    narrowed). No act in it names a person of the ledger."""
    ids = list(row.versions.values_list("pk", "audience_id"))
    pks = [pk for pk, _audience in ids]
    campaigns = Campaign.objects.filter(version__in=pks).values_list("pk", flat=True)
    tests = TestSend.objects.filter(version__in=pks, broadcast__isnull=False)
    subjects = [
        *(f"broadcasts.bulletinversion:{pk}" for pk in pks),
        *(f"broadcasts.audience:{pk}" for _version, pk in ids if pk),
        *(f"broadcasts.campaign:{pk}" for pk in campaigns),
    ]
    written = Q(subject__in=subjects)
    tested_by = tests.values_list("broadcast_id", flat=True)
    written |= Q(
        subject__in=[f"broadcasts.broadcast:{pk}" for pk in tested_by], act="broadcasts.send_to_phones"
    )
    return list(AuditLine.objects.filter(written, sort=AuditLine.Sort.WRITE).order_by("pk"))


def _times(row: BulletinVersion) -> list[Missing]:
    if row.expires_at <= clock.now():
        return [
            Missing(
                "expired",
                _("Bản tin đã hết hiệu lực."),
                _("Chọn lúc hết hiệu lực ở sau bây giờ."),
                "expires_at",
            )
        ]
    return []


def _texts(row: BulletinVersion) -> list[Missing]:
    if not row.body:
        return [Missing("no_body", _("Chưa có nội dung."), _("Viết nội dung bản tin."), "body")]
    if not row.channels:
        return [Missing("no_channels", _("Chưa chọn kênh nào."), _("Chọn ít nhất một kênh."), "channels")]
    found = []
    for text in content.texts_of(row):
        place = f"text-{text.channel}-{text.language}"
        label = f"{text.get_channel_display()} ({text.language})"
        if not text.text:
            found.append(
                Missing(
                    "no_text",
                    _("%(label)s chưa có nội dung.") % {"label": label},
                    _("Viết cho kênh đó."),
                    place,
                )
            )
            continue
        names = set()
        try:
            for said in (text.title, text.text, text.instruction):
                names |= composing.placeholders(said)
            if text.channel in deriving.SMS_CHANNELS:
                composing.checked(text.text)
        except Invalid as problem:
            found.append(Missing(problem.code, f"{label}: {problem.message}", problem.way_out, place))
            continue
        if names and text.channel != Channel.SMS:
            told = ", ".join(f"{{{name}}}" for name in sorted(names))
            found.append(
                Missing(
                    "missing_value",
                    _("%(label)s còn chỗ chưa điền: %(names)s.") % {"label": label, "names": told},
                    _("Viết giá trị vào chỗ đó; kênh này không điền riêng cho từng người."),
                    place,
                )
            )
    return found


def _receivers(row: BulletinVersion) -> list[Missing]:
    whom = audience(row)
    if whom is None:
        return [
            Missing(
                "no_audience", _("Chưa chọn người nhận SMS."), _("Lập hoặc chọn danh sách nhận."), "audience"
            )
        ]
    if whom.frozen_at is not None:
        return [
            Missing(
                "audience_frozen",
                _("Danh sách nhận đã dùng cho bản khác."),
                _("Lập danh sách mới."),
                "audience",
            )
        ]
    if whom.with_opted_out and not row.is_emergency:
        return [
            Missing(
                "opted_out",
                _("Danh sách gồm cả người đã từ chối nhận tin."),
                _("Chỉ tin khẩn cấp được gửi cho họ: lập danh sách khác."),
                "audience",
            )
        ]
    return []


def _test(row: BulletinVersion) -> list[Missing]:
    done = tested(row)
    if done is None:
        message, way_out = _("Nội dung này chưa được gửi thử."), _("Gửi tin thử đến các số cố định.")
    elif not done.settled:
        message, way_out = _("Tin thử đang được gửi."), _("Đợi vài giây rồi tải lại trang.")
    elif not done.taken:
        message = _("Không tin thử nào được tổng đài nhận.")
        way_out = _("Xem lý do của từng số rồi gửi thử lại.")
    else:
        return []
    return [Missing("not_tested", message, way_out, "test")]


def _sound(row: BulletinVersion) -> list[Missing]:
    made, text = audio(row), script(row)
    if text is None or not text.text:
        return []
    if made is None:
        message = _("Chưa có âm thanh cho loa.")
    elif made.script_hash != content.digest(text.text):
        message = _("Âm thanh là của lời cũ.")
    else:
        return []
    return [Missing("no_audio", message, _("Tạo âm thanh hoặc tải lên bản ghi, rồi nghe."), "audio")]


def _cost(row: BulletinVersion) -> list[Missing]:
    try:
        costs = estimate(row)
    except Invalid as problem:
        return [Missing(problem.code, problem.message, problem.way_out, "audience")]
    if costs is None:
        return []
    if not costs.people:
        return [
            Missing(
                "nobody", _("Danh sách nhận không có ai."), _("Chọn địa bàn hoặc nguồn khác."), "audience"
            )
        ]
    over = [one.carrier.name for one in costs.carriers if one.over_cap]
    if over:
        return [
            Missing(
                "over_cap",
                _("Quá số tin mỗi ngày của %(names)s.") % {"names": ", ".join(over)},
                _("Rút ngắn tin, chọn ít người hơn, hoặc nhờ quản trị viên nâng trần."),
                "audience",
            )
        ]
    refusing = [one.carrier.name for one in costs.carriers if one.refuses and one.people]
    if refusing:
        return [
            Missing(
                "accents_refused",
                _("%(names)s không nhận tin có dấu.") % {"names": ", ".join(refusing)},
                _("Đồng ý gửi không dấu, hoặc viết tin không dấu."),
                "plain_sms",
            )
        ]
    return []
