"""The approver's work: another person, who has seen and heard what goes out, decides about exactly that."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext as _

from khien.gateways.sms.text import normalise
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor
from khien.rooms.broadcasts import content, events
from khien.rooms.broadcasts.confirming import Proof
from khien.rooms.broadcasts.models import (
    APPROVERS,
    AfterReview,
    Approval,
    ApprovalSeen,
    BulletinVersion,
)
from khien.rooms.broadcasts.reads import bulletins as reads

State = BulletinVersion.State
REVIEW_RULE = "broadcasts.after_review"


@verb(*APPROVERS)
def note_seen(actor: Actor, *, version: BulletinVersion, what: str) -> None:
    """The actor has had the final SMS, or the sound, of a submitted version before them."""
    version = _submitted(actor, version)
    _row, made = ApprovalSeen.objects.get_or_create(
        version=version,
        by=actor.id or 0,
        what=ApprovalSeen.What(what),
        content_hash=version.content_hash,
        defaults={"at": clock.now()},
    )
    if not made:
        unchanged()
        return
    record(actor, version, what=what)


@verb(*APPROVERS)
def approve_bulletin(
    actor: Actor,
    *,
    version: BulletinVersion,
    content_hash: str,
    audience_hash: str,
    has_listened: bool,
    at_night: bool,
    proof: Proof,
) -> Approval:
    """Approve what was seen: `content_hash` and `audience_hash` are those of the page that was decided on.

    Refused to whoever submitted or wrote any of it, without a fresh `proof` of who decides, without the final SMS
    having been opened and the sound played (`has_listened` is the approver's word), and when anything has changed. With
    the last approval that it needs (two for an emergency) the version is approved and `bulletin_approved` announced;
    `at_night` then says whether SMS and loudspeakers go out in quiet hours, which an emergency always does.
    """
    version = _submitted(actor, version)
    _may_decide(actor, version)
    _must_be_proved(actor, proof)
    audience = reads.audience(version)
    stored = audience.hash if audience else ""
    if not (content_hash == version.content_hash == content.hash_of(version) and audience_hash == stored):
        raise Conflict(
            _("Nội dung hoặc người nhận đã khác với bản bạn xem."),
            code="changed",
            way_out=_("Mở lại trang duyệt và xem lại từ đầu."),
        )
    if version.expires_at <= clock.now():
        raise Conflict(
            _("Bản tin đã hết hiệu lực."),
            code="expired",
            way_out=_("Người soạn tạo phiên bản mới với hạn mới."),
        )
    _must_have_seen(actor, version, has_listened)
    _once(actor, version)
    approval = Approval.objects.create(
        version=version,
        by=actor.id or 0,
        at=clock.now(),
        is_approved=True,
        content_hash=version.content_hash,
        audience_hash=stored,
        at_night=at_night or version.is_emergency,
    )
    given = version.approvals.filter(
        is_approved=True, content_hash=version.content_hash, audience_hash=stored
    )
    if given.count() < reads.approvers_needed(version):
        record(actor, version, approvals=given.count(), content_hash=version.content_hash)
        return approval
    _let_out(version, at_night=version.is_emergency or all(given.values_list("at_night", flat=True)))
    record(
        actor,
        version,
        event=events.BULLETIN_APPROVED,
        payload=reads.payload(version),
        approvals=given.count(),
        content_hash=version.content_hash,
        audience_hash=stored,
        at_night=version.at_night,
    )
    _start(version)
    return approval


@verb(*APPROVERS)
def reject_bulletin(actor: Actor, *, version: BulletinVersion, reason: str) -> Approval:
    """Refuse it, with a reason that its author reads. It stays where everybody sees it."""
    version = _submitted(actor, version)
    _may_decide(actor, version)
    reason = normalise(reason)
    if not reason:
        raise Invalid(_("Chưa ghi lý do."), field="reason", way_out=_("Ghi điều cần sửa để người soạn biết."))
    if len(reason) > 400:
        raise Invalid(_("Lý do dài quá 400 ký tự."), field="reason", way_out=_("Rút ngắn."))
    audience = reads.audience(version)
    version.approvals.filter(by=actor.id or 0).delete()
    decision = Approval.objects.create(
        version=version,
        by=actor.id or 0,
        at=clock.now(),
        is_approved=False,
        reason=reason,
        content_hash=version.content_hash,
        audience_hash=audience.hash if audience else "",
    )
    version.state = State.REJECTED
    version.save(update_fields=["state"])
    record(actor, version, event=events.BULLETIN_REJECTED, payload=reads.payload(version))
    return decision


@verb(*APPROVERS)
def close_after_review(
    actor: Actor, *, version: BulletinVersion, was_right: bool, finding: str
) -> AfterReview:
    """Look back on an emergency bulletin: was the short way right, and what is to be done better. Done by somebody who
    neither wrote, submitted nor approved it."""
    review = (
        AfterReview.objects.select_for_update(of=("self",))
        .select_related("version__bulletin__unit")
        .filter(version=version)
        .first()
    )
    if review is None:
        raise NotFound(_("Bản tin này không cần xem lại."))
    row = review.version
    actor.must_cover(row.bulletin.unit, *APPROVERS)
    took_part = {row.submitted_by, *row.editors, *row.approvals.values_list("by", flat=True)}
    if actor.id in took_part:
        raise NotAllowed(
            _("Người đã soạn, trình hoặc duyệt không được tự xem lại."),
            way_out=_("Nhờ một lãnh đạo khác xem lại."),
        )
    finding = normalise(finding)
    if not finding:
        raise Invalid(_("Chưa ghi nhận xét."), field="finding", way_out=_("Ghi điều đã xem và kết luận."))
    if review.done_at is not None:
        raise Conflict(_("Đã có người xem lại."), way_out=_("Mở trang bản tin để đọc."))
    review.done_at, review.done_by = clock.now(), actor.id
    review.was_right, review.finding = was_right, finding
    review.save()
    record(actor, row, was_right=was_right)
    return review


def _submitted(actor: Actor, version: BulletinVersion) -> BulletinVersion:
    found = (
        BulletinVersion.objects.select_for_update(of=("self",))
        .select_related("bulletin__unit")
        .filter(pk=version.pk)
        .first()
    )
    if found is None:
        raise NotFound()
    actor.must_cover(found.bulletin.unit, *APPROVERS)
    if found.state != State.SUBMITTED:
        raise Conflict(
            _("Phiên bản này không còn chờ duyệt (%(state)s).")
            % {"state": str(found.get_state_display()).lower()},
            code="not_submitted",
            way_out=_("Mở bản tin để xem phiên bản mới nhất."),
        )
    return found


def _may_decide(actor: Actor, version: BulletinVersion) -> None:
    if why := reads.why_not_approve(actor, version):
        raise NotAllowed(why, code="own_bulletin", way_out=_("Một lãnh đạo khác phải duyệt."))


def _must_be_proved(actor: Actor, proof: Proof) -> None:
    if not proof.holds(actor):
        raise NotAllowed(
            _("Cần nhập lại mật khẩu để duyệt."), code="not_confirmed", way_out=_("Nhập mật khẩu rồi duyệt.")
        )


def _must_have_seen(actor: Actor, version: BulletinVersion, has_listened: bool) -> None:
    wanted, seen = reads.to_see(version), reads.seen(actor, version)
    if ApprovalSeen.What.SMS in wanted and ApprovalSeen.What.SMS not in seen:
        raise Conflict(
            _("Bạn chưa mở tin nhắn cuối."), code="sms_not_seen", way_out=_("Mở tin nhắn cuối rồi duyệt.")
        )
    if ApprovalSeen.What.AUDIO in wanted and (ApprovalSeen.What.AUDIO not in seen or not has_listened):
        raise Conflict(
            _("Bạn chưa nghe bản phát thanh."),
            code="audio_not_heard",
            field="has_listened",
            way_out=_("Nghe hết rồi đánh dấu “Tôi đã nghe”."),
        )


def _once(actor: Actor, version: BulletinVersion) -> None:
    if version.approvals.filter(by=actor.id or 0).exists():
        raise Conflict(
            _("Bạn đã duyệt bản này."), code="approved_before", way_out=_("Còn cần một người duyệt khác.")
        )


def _let_out(version: BulletinVersion, *, at_night: bool) -> None:
    now = clock.now()
    BulletinVersion.objects.filter(bulletin=version.bulletin_id, state=State.APPROVED).update(
        state=State.REPLACED, ended_at=now
    )
    version.state, version.at_night = State.APPROVED, at_night
    version.save(update_fields=["state", "at_night"])
    if version.is_emergency:
        hours = float(rules.on(REVIEW_RULE, clock.today()).value["hours"])
        AfterReview.objects.create(version=version, due_at=now + timedelta(hours=hours))


def _start(version: BulletinVersion) -> None:
    from khien.rooms.broadcasts.jobs import dispatch

    dispatch.defer(version_id=version.pk)
