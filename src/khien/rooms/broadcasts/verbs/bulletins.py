"""The author's work: writing a bulletin, its texts, its test, and handing it to those who approve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from khien.gateways.sms.text import normalise
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.alerts import cap
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import channels, composing, content, deriving, events
from khien.rooms.broadcasts.deriving import FIRST, LANGUAGES, Slot, Text
from khien.rooms.broadcasts.models import (
    APPROVERS,
    WRITERS,
    Audience,
    Bulletin,
    BulletinTemplateVersion,
    BulletinVersion,
    ChannelText,
    TestNumber,
    TestSend,
)
from khien.rooms.broadcasts.models import Channel as Name
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs.writing import send_to_phones

State = BulletinVersion.State
LONGEST_BODY = 10_000
_CAP = {
    "category": cap.Category,
    "urgency": cap.Urgency,
    "severity": cap.Severity,
    "certainty": cap.Certainty,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What an author gives: as the columns of `BulletinVersion`. Moments are aware; `channels` are values of
    `Channel`, `languages` hold "vi"."""

    title: str
    body: str
    expires_at: datetime
    effective_at: datetime | None = None
    contact: str = ""
    category: str = "Health"
    urgency: str = "Expected"
    severity: str = "Moderate"
    certainty: str = "Observed"
    languages: tuple[str, ...] = (FIRST,)
    channels: tuple[str, ...] = ()
    plain_sms: bool = False
    policy: str = BulletinVersion.Policy.NEVER_TWICE
    is_emergency: bool = False


class EditedElsewhere(Conflict):
    """Somebody has saved the draft since it was opened: `version` is as it stands now. Nothing was written; what was
    typed is still with whoever typed it."""

    default_code = "edited_elsewhere"

    def __init__(self, version: BulletinVersion) -> None:
        super().__init__(
            _("Bản nháp đã được lưu ở một cửa sổ khác trong lúc này."),
            way_out=_("Xem chỗ khác nhau bên dưới rồi lưu lại: bản đang thấy sẽ thay bản kia."),
        )
        self.version = version


@verb(*WRITERS)
def create_bulletin(
    actor: Actor,
    *,
    unit: AdminUnit,
    draft: Draft,
    template: BulletinTemplateVersion | None = None,
    values: Mapping[str, str] | None = None,
) -> BulletinVersion:
    """Begin a bulletin for the people of `unit`, with what `draft` says or with a template's wording.

    Every placeholder in the template's title and body needs its value (`Invalid`, code `missing_value`); in its SMS one
    without a value stays, to be filled for each receiver. Values are put in once: one with braces is refused.
    """
    actor.must_cover(unit, *WRITERS)
    sms = ""
    if template is not None:
        title, body, sms = composing.fill_template(template, values or {})
        draft = _with(draft, title=title, body=body)
    bulletin = Bulletin.objects.create(unit=unit, created_at=clock.now(), created_by=actor.id or 0)
    version = BulletinVersion(bulletin=bulletin, template_version=template)
    _write(actor, version, draft)
    version.save()
    _derive_all(version)
    if sms:
        written = [
            slot
            for slot in deriving.slots(version.channels, version.languages)
            if slot.channel in deriving.SMS_CHANNELS
        ]
        for slot in written:
            _put(version, slot, Text(text=sms), is_edited=True)
    record(actor, version, bulletin=bulletin.pk, unit=unit.pk, template=template.pk if template else None)
    return version


@verb(*WRITERS)
def edit_bulletin(
    actor: Actor,
    *,
    version: BulletinVersion,
    edits: int,
    draft: Draft,
    texts: Mapping[Slot, Text | None] | None = None,
) -> BulletinVersion:
    """Save a draft as it was opened at `edits`; raises `EditedElsewhere` when somebody has saved in between.

    `texts` are those of the channels: one that differs from what stands there is from now on the author's own, None
    takes it back to the derived one. Texts that are not the author's own follow the title and body.
    """
    version = _open_draft(actor, version, edits)
    before = content.hash_of(version)
    shown = {Slot(row.channel, row.language): deriving.text_of(row) for row in version.texts.all()}
    _write(actor, version, draft)
    for slot, given in (texts or {}).items():
        if given is None:
            version.texts.filter(channel=slot.channel, language=slot.language).update(is_edited=False)
        elif deriving.clean(given) != shown.get(slot, Text()):
            _put(version, slot, deriving.clean(given), is_edited=True)
    _derive_all(version)
    if content.hash_of(version) == before:
        unchanged()
        return version
    _save_edit(actor, version)
    record(actor, version, edits=version.edits)
    return version


@verb(*WRITERS)
def choose_audience(
    actor: Actor, *, version: BulletinVersion, edits: int, audience: Audience | None
) -> BulletinVersion:
    """Who gets the SMS: an audience that is described and not yet frozen, within the bulletin's unit."""
    version = _open_draft(actor, version, edits)
    if audience is not None:
        _check_audience(actor, version, audience)
    if version.audience_id == (audience.pk if audience else None):
        unchanged()
        return version
    version.audience_id = audience.pk if audience else None
    _save_edit(actor, version)
    record(actor, version, audience=version.audience_id)
    return version


@verb(*WRITERS)
def send_test(actor: Actor, *, version: BulletinVersion) -> TestSend:
    """Send the SMS as it would go out to the fixed list of test numbers. It counts for this content only."""
    version = locked_draft(actor, version)
    row = reads.sms_row(version)
    if row is None or not row.text:
        raise Invalid(_("Bản tin này không có tin SMS để thử."), way_out=_("Chọn kênh SMS và lưu trước."))
    phones = list(TestNumber.objects.order_by("number").values_list("number", flat=True))
    if not phones:
        raise Invalid(
            _("Chưa có số điện thoại thử nào."),
            code="no_test_numbers",
            way_out=_("Nhờ quản trị viên thêm vào danh sách số thử."),
        )
    seal = content.hash_of(version)
    broadcast = send_to_phones(
        actor,
        phones=phones,
        unit=version.bulletin.unit,
        text=composing.sample(content.final(version, row)),
        purpose="bulletin_test",
        reference=f"broadcasts.bulletinversion:{version.pk}",
    )
    sent = TestSend.objects.create(
        version=version, content_hash=seal, broadcast=broadcast, at=clock.now(), by=actor.id or 0
    )
    record(actor, version, broadcast=broadcast.pk, phones=len(phones))
    return sent


@verb(*WRITERS)
def submit_bulletin(actor: Actor, *, version: BulletinVersion, edits: int) -> BulletinVersion:
    """Hand the version to its approvers: everything is checked, the audience is frozen, and from now on nothing of it
    changes. Raises `NotReady` with all that is missing."""
    version = _open_draft(actor, version, edits)
    missing = reads.missing(actor, version)
    if missing:
        raise reads.NotReady(missing)
    count = 0
    if Name.SMS in version.channels:
        audience = Audience.objects.get(pk=version.audience_id or 0)
        if version.is_emergency and not audience.with_opted_out:
            audience.with_opted_out = True
            audience.save(update_fields=["with_opted_out"])
        audience = _freeze(actor, audience, reads.placeholders(version))
        count = audience.count
        lacking = reads.lacking_after_freeze(version, audience)
        if lacking:
            raise reads.NotReady(lacking)
    version.content_hash = content.hash_of(version)
    for row in content.texts_of(version):
        row.text = content.final(version, row)
        row.save(update_fields=["text"])
    version.state, version.submitted_at, version.submitted_by = State.SUBMITTED, clock.now(), actor.id or 0
    version.save()
    record(
        actor,
        version,
        event=events.BULLETIN_SUBMITTED,
        payload=reads.payload(version),
        content_hash=version.content_hash,
        audience=version.audience_id,
        count=count,
    )
    return version


@verb(*WRITERS)
def new_version(actor: Actor, *, version: BulletinVersion) -> BulletinVersion:
    """A new draft with what `version` says. One that waits for approval is thereby taken back, with the approvals it
    may have had; an approved one goes on until the new one is approved."""
    version = _locked(actor, version)
    _must_be(version, State.SUBMITTED, State.REJECTED, State.APPROVED, State.WITHDRAWN)
    newest = version.bulletin.versions.order_by("-number").first()
    if newest is None or newest.pk != version.pk:
        raise Conflict(
            _("Bản tin này đã có phiên bản mới hơn."), way_out=_("Mở phiên bản mới nhất rồi sửa ở đó.")
        )
    texts, audios = list(version.texts.all()), list(version.audios.all())
    if version.state == State.SUBMITTED:
        version.state, version.ended_at = State.REPLACED, clock.now()
        version.save(update_fields=["state", "ended_at"])
    copy = BulletinVersion(
        bulletin=version.bulletin,
        number=version.number + 1,
        template_version=version.template_version,
        editors=list(version.editors),
        **{field.name: getattr(version, field.name) for field in fields(Draft)},
    )
    copy.audience_id = _described_again(actor, version.audience_id)
    _sign(actor, copy)
    copy.save()
    for row in texts:
        ChannelText.objects.create(
            version=copy,
            channel=row.channel,
            language=row.language,
            title=row.title,
            text=row.text,
            instruction=row.instruction,
            is_edited=row.is_edited or version.plain_sms,
        )
    for audio in audios:
        audio.pk, audio.version = None, copy
        audio._state.adding = True
        audio.save()
    record(actor, copy, of=version.pk, was=version.state)
    return copy


@verb(*WRITERS, *APPROVERS)
def withdraw_bulletin(actor: Actor, *, version: BulletinVersion, reason: str) -> BulletinVersion:
    """Take a version back, with a reason: a draft is put away, one that goes out is stopped on each channel (its
    channels are cancelled afterwards, by `dispatch.cancel_channel`)."""
    version = _locked(actor, version, *WRITERS, *APPROVERS)
    _must_be(version, State.DRAFT, State.SUBMITTED, State.APPROVED)
    reason = normalise(reason)
    if not reason:
        raise Invalid(_("Chưa ghi lý do rút."), field="reason", way_out=_("Ghi vì sao rút bản tin."))
    was = version.state
    version.state, version.ended_because, version.ended_at = State.WITHDRAWN, reason[:400], clock.now()
    version.save(update_fields=["state", "ended_because", "ended_at"])
    record(
        actor,
        version,
        event=events.BULLETIN_WITHDRAWN,
        payload={**reads.payload(version), "was": was},
        was=was,
    )
    return version


def locked_draft(actor: Actor, version: BulletinVersion) -> BulletinVersion:
    """The draft as it is now, held until the act ends; refused to those who do not write where it belongs."""
    found = _locked(actor, version)
    _must_be(found, State.DRAFT)
    return found


def _locked(actor: Actor, version: BulletinVersion, *roles: str) -> BulletinVersion:
    """The row as it is now, held until the act ends; only for those who write (or hold `roles`) where it belongs."""
    found = (
        BulletinVersion.objects.select_for_update(of=("self",))
        .select_related("bulletin__unit")
        .filter(pk=version.pk)
        .first()
    )
    if found is None:
        raise NotFound()
    actor.must_cover(found.bulletin.unit, *(roles or WRITERS))
    return found


def _open_draft(actor: Actor, version: BulletinVersion, edits: int) -> BulletinVersion:
    found = locked_draft(actor, version)
    if found.edits != edits:
        raise EditedElsewhere(found)
    return found


def _must_be(version: BulletinVersion, *states: str) -> None:
    if version.state not in states:
        raise Conflict(
            _("Phiên bản này %(state)s, không làm việc đó được.")
            % {"state": str(version.get_state_display()).lower()},
            code="wrong_state",
            way_out=_("Muốn sửa thì tạo phiên bản mới."),
        )


def _write(actor: Actor, version: BulletinVersion, draft: Draft) -> None:
    """Put what the author gave into the row, checked and in NFC; nothing is saved."""
    title, body, contact = normalise(draft.title), normalise(draft.body), normalise(draft.contact)
    _check_words(title, body, contact)
    for name, kind in _CAP.items():
        if getattr(draft, name) not in set(kind):
            raise Invalid(_("Giá trị này không có trong CAP 1.2."), field=name)
    if FIRST not in draft.languages or not set(draft.languages) <= set(LANGUAGES):
        raise Invalid(_("Bản tin phải có tiếng Việt."), field="languages", way_out=_("Chọn tiếng Việt."))
    unknown = set(draft.channels) - set(channels.registered()) - set(version.channels)
    if unknown:
        raise Invalid(_("Máy chủ này không có kênh đó."), field="channels")
    if draft.policy not in BulletinVersion.Policy.values:
        raise Invalid(_("Chọn một trong hai cách."), field="policy")
    if draft.effective_at is not None and draft.effective_at >= draft.expires_at:
        raise Invalid(
            _("Hết hiệu lực trước khi có hiệu lực."),
            field="expires_at",
            way_out=_("Chọn lúc hết hiệu lực muộn hơn."),
        )
    for field in fields(Draft):
        setattr(version, field.name, getattr(draft, field.name))
    version.title, version.body, version.contact = title, body, contact
    version.languages = [language for language in LANGUAGES if language in draft.languages]
    version.channels = [key for key in Name.values if key in draft.channels]
    _sign(actor, version)


def _check_words(title: str, body: str, contact: str) -> None:
    if not title:
        raise Invalid(_("Chưa có tiêu đề."), field="title", way_out=_("Viết tiêu đề ngắn."))
    for field, text, limit in (
        ("title", title, 160),
        ("body", body, LONGEST_BODY),
        ("contact", contact, 160),
    ):
        if len(text) > limit:
            raise Invalid(
                _("Dài quá %(limit)d ký tự.") % {"limit": limit}, field=field, way_out=_("Rút ngắn.")
            )
        if "\0" in text:
            raise Invalid(_("Có ký tự không viết được."), field=field, way_out=_("Gõ lại đoạn đó."))


def _sign(actor: Actor, version: BulletinVersion) -> None:
    version.edited_at, version.edited_by = clock.now(), actor.id
    if actor.id is not None and actor.id not in version.editors:
        version.editors = [*version.editors, actor.id]


def _save_edit(actor: Actor, version: BulletinVersion) -> None:
    _sign(actor, version)
    version.edits += 1
    version.save()


def _derive_all(version: BulletinVersion) -> None:
    """Make the texts that are not somebody's own anew from the title and body."""
    own = set(version.texts.filter(is_edited=True).values_list("channel", "language"))
    for slot in deriving.slots(version.channels, version.languages):
        if (slot.channel, slot.language) not in own:
            _put(version, slot, deriving.derive(version, slot), is_edited=False)


def _put(version: BulletinVersion, slot: Slot, text: Text, *, is_edited: bool) -> None:
    if len(text.title) > 160 or len(text.text) > LONGEST_BODY or len(text.instruction) > LONGEST_BODY:
        raise Invalid(
            _("Nội dung của kênh %(channel)s dài quá.") % {"channel": Name(slot.channel).label},
            field=f"text-{slot.channel}-{slot.language}",
            way_out=_("Rút ngắn."),
        )
    if "\0" in text.title + text.text + text.instruction:
        raise Invalid(_("Có ký tự không viết được."), field=f"text-{slot.channel}-{slot.language}")
    ChannelText.objects.update_or_create(
        version=version,
        channel=slot.channel,
        language=slot.language,
        defaults={
            "title": text.title,
            "text": text.text,
            "instruction": text.instruction,
            "is_edited": is_edited,
        },
    )


def _check_audience(actor: Actor, version: BulletinVersion, audience: Audience) -> None:
    actor.must_cover(audience.unit, *WRITERS)
    if not audience.unit.path.startswith(version.bulletin.unit.path):
        raise Invalid(
            _("Người nhận ở ngoài địa bàn của bản tin."),
            field="audience",
            way_out=_("Chọn người nhận trong %(unit)s.") % {"unit": version.bulletin.unit.full_name},
        )
    if audience.frozen_at is not None:
        raise Conflict(
            _("Danh sách này đã chốt cho một bản tin khác."),
            field="audience",
            way_out=_("Lập danh sách mới."),
        )


def _freeze(actor: Actor, audience: Audience, names: set[str]) -> Audience:
    from khien.rooms.broadcasts.verbs import audiences

    audiences.freeze_audience(actor, audience=audience, names=names)
    audience.refresh_from_db()
    return audience


def _described_again(actor: Actor, audience_id: int | None) -> int | None:
    """The same description, to be frozen anew: who is in it may have changed."""
    old = Audience.objects.filter(pk=audience_id or 0).first()
    if old is None or old.frozen_at is None:
        return audience_id
    return Audience.objects.create(
        unit=old.unit,
        register=old.register,
        units=old.units,
        filters=old.filters,
        with_opted_out=old.with_opted_out,
        created_at=clock.now(),
        created_by=actor.id,
    ).pk


def _with(draft: Draft, **changed: Any) -> Draft:
    return Draft(
        **{field.name: changed.get(field.name, getattr(draft, field.name)) for field in fields(Draft)}
    )
