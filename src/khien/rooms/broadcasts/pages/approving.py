"""The approver's pages: the final SMS, the sound, the decision, the look back on an emergency."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.gateways.sms.text import split
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import NotFound, Problem
from khien.rooms.broadcasts import composing, confirming, content
from khien.rooms.broadcasts.forms import AfterReviewForm, ApproveForm, ReasonForm
from khien.rooms.broadcasts.models import APPROVERS, READERS, ApprovalSeen, BulletinVersion
from khien.rooms.broadcasts.pages.bulletins import whole
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs import approving

State = BulletinVersion.State


@staff_page(*READERS)
def final(request: Request, pk: int) -> HttpResponse:
    """The SMS as phones show it, part by part. That an approver has opened it is kept."""
    version = reads.version(request.actor, pk)
    row = reads.sms_row(version)
    if row is None:
        raise NotFound(_("Bản tin này không có tin SMS."))
    _note(request, version, ApprovalSeen.What.SMS)
    text = content.final(version, row)
    names = composing.placeholder_list(text)
    encoding, parts = split(composing.sample(text) if names else text)
    context = {
        **whole(request.actor, version),
        "final": text,
        "names": names,
        "encoding": encoding,
        "parts": parts,
        "may_decide": version.state == State.SUBMITTED and not reads.why_not_approve(request.actor, version),
    }
    return render(request, "broadcasts/bulletins/final.html", context)


@staff_page(*READERS)
def sound(request: Request, pk: int, number: int) -> HttpResponse:
    """The MP3 of a version. That an approver's player has fetched it is kept."""
    version = reads.version(request.actor, pk, number)
    found = version.audios.first()
    if found is None:
        raise NotFound(_("Bản tin này chưa có âm thanh."))
    _note(request, version, ApprovalSeen.What.AUDIO)
    answer = HttpResponse(bytes(found.mp3), content_type="audio/mpeg")
    answer["Cache-Control"] = "private, no-store"
    answer["Content-Disposition"] = f'inline; filename="bulletin-{pk}-{number}.mp3"'
    return answer


@staff_page(*APPROVERS)
def review(request: Request, pk: int) -> HttpResponse:
    """All that would go out, what the approver has yet to see, and the decision."""
    version = reads.version(request.actor, pk)
    if version.state != State.SUBMITTED:
        return redirect("broadcasts:bulletin", pk=pk)
    whom = reads.audience(version)
    bound = {"content_hash": version.content_hash, "audience_hash": whom.hash if whom else ""}
    form = ApproveForm(request.POST or None, initial=bound)
    problem = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            proof = confirming.prove(request.actor, given.pop("password"))
            approving.approve_bulletin(request.actor, version=version, proof=proof, **given)
        except Problem as wrong:
            problem = wrong
            if wrong.field in form.fields:
                form.add_error(wrong.field, str(wrong))
                problem = None
        else:
            version.refresh_from_db()
            done = version.state == State.APPROVED
            messages.success(
                request,
                _("Đã duyệt. Các kênh đang bắt đầu.") if done else _("Đã duyệt. Còn cần một người nữa."),
            )
            return redirect("broadcasts:bulletin", pk=pk)
    decisions = reads.approvals(version)
    context = {
        **whole(request.actor, version),
        "form": form,
        "problem": problem,
        "reject": ReasonForm(),
        "why_not": reads.why_not_approve(request.actor, version),
        "to_see": reads.to_see(version),
        "seen": reads.seen(request.actor, version),
        "decisions": decisions,
        "decided": any(one.by == request.actor.id for one in decisions),
        "names": reads.names_of([version.submitted_by, *(one.by for one in decisions)]),
    }
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "broadcasts/bulletins/review.html", context, status=status)


@staff_page(*APPROVERS)
def reject(request: Request, pk: int) -> HttpResponse:
    """Refuse it, with a reason."""
    version = reads.version(request.actor, pk)
    if request.method == "POST":
        try:
            approving.reject_bulletin(request.actor, version=version, reason=request.POST.get("reason", ""))
        except Problem as wrong:
            messages.error(request, str(wrong))
            return redirect("broadcasts:bulletin_review", pk=pk)
        messages.success(request, _("Đã trả lại bản tin với lý do."))
    return redirect("broadcasts:bulletin", pk=pk)


@staff_page(*APPROVERS)
def after_review(request: Request, pk: int, number: int) -> HttpResponse:
    """Look back on an emergency bulletin."""
    version = reads.version(request.actor, pk, number)
    if getattr(version, "after_review", None) is None:
        raise NotFound(_("Bản tin này không cần xem lại."))
    form, problem = AfterReviewForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            approving.close_after_review(request.actor, version=version, **form.cleaned_data)
        except Problem as wrong:
            problem = wrong
        else:
            messages.success(request, _("Đã ghi nhận xét."))
            return redirect("broadcasts:bulletin", pk=pk)
    decisions = reads.approvals(version)
    context = {
        **whole(request.actor, version),
        "form": form,
        "problem": problem,
        "review": version.after_review,
        "decisions": decisions,
        "names": reads.names_of([version.submitted_by, *(one.by for one in decisions)]),
    }
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "broadcasts/bulletins/after_review.html", context, status=status)


def _note(request: Request, version: BulletinVersion, what: str) -> None:
    if version.state == State.SUBMITTED and not reads.why_not_approve(request.actor, version):
        approving.note_seen(request.actor, version=version, what=what)
