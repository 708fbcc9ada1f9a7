"""Bulletins: the list, the desk of those who write them, what became of one."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from khien.gateways.speech import recordings
from khien.gateways.speech.interface import NOTES
from khien.kernel import clock
from khien.kernel.doors import Request, public_page, staff_page
from khien.kernel.errors import NotFound, Problem
from khien.kernel.language import spoken
from khien.kernel.staff import Actor
from khien.kernel.staff.scope import within
from khien.kernel.units import reads as units
from khien.rooms.broadcasts import channels, content, deriving
from khien.rooms.broadcasts.forms import (
    AudienceChoice,
    BulletinFilter,
    ChannelTextForm,
    DraftForm,
    NewBulletinForm,
    ReasonForm,
    RecordingForm,
)
from khien.rooms.broadcasts.models import (
    APPROVERS,
    READERS,
    WRITERS,
    BulletinVersion,
    Channel,
    TestNumber,
)
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs import audio as sounds
from khien.rooms.broadcasts.verbs import bulletins as verbs
from khien.rooms.broadcasts.verbs import dispatch

State = BulletinVersion.State
PAGE = 50


@staff_page(*READERS)
def index(request: Request) -> HttpResponse:
    """The newest version of each bulletin, and what waits for whoever looks."""
    form = BulletinFilter(request.GET)
    state = form.cleaned_data["state"] if form.is_valid() else ""
    page = Paginator(reads.bulletins(request.actor, state=state), PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": page.object_list,
        "may_write": request.actor.has(*WRITERS),
        "waiting": reads.waiting_for(request.actor),
        "reviews": reads.open_reviews(request.actor),
        "names": reads.names_of(row.edited_by for row in page.object_list),
    }
    return render(request, "broadcasts/bulletins/index.html", context)


@staff_page(*WRITERS)
def new(request: Request) -> HttpResponse:
    """Begin one: blank, from a template, or the short form of an emergency."""
    code = request.GET.get("template", "")
    template = reads.template_version(code) if code else None
    emergency = bool(request.GET.get("emergency"))
    form = NewBulletinForm(
        request.POST or None,
        units=units.on(clock.today())
        .filter(within(request.actor, "path", *WRITERS))
        .order_by("tier", "sort_key"),
        names=reads.template_names(template) if template else (),
        emergency=emergency,
        offered=_offered(),
    )
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            version = verbs.create_bulletin(
                request.actor,
                unit=form.cleaned_data["unit"],
                draft=form.draft(),
                template=template,
                values=form.values(),
            )
        except Problem as wrong:
            problem = _onto(form, wrong)
        else:
            return redirect("broadcasts:bulletin_edit", pk=version.bulletin_id)
    context = {
        "form": form,
        "problem": problem,
        "template": template,
        "templates": reads.templates(),
        "emergency": emergency,
    }
    status = 422 if form.errors or problem else 200
    return render(request, "broadcasts/bulletins/new.html", context, status=status)


@staff_page(*WRITERS)
def edit(request: Request, pk: int) -> HttpResponse:
    """The desk: the bulletin, each channel's text with its preview, the receivers, the test, the sound."""
    version = _draft(request.actor, pk)
    form = DraftForm(request.POST or None, initial=DraftForm.initial_of(version), offered=_offered(version))
    texts = [ChannelTextForm(request.POST or None, row=row) for row in content.texts_of(version)]
    if request.method != "POST":
        return _desk(request, version, form, texts)
    if not (form.is_valid() & all(one.is_valid() for one in texts)):
        return _desk(request, version, form, texts, status=422)
    try:
        verbs.edit_bulletin(
            request.actor,
            version=version,
            edits=form.cleaned_data["edits"],
            draft=form.draft(),
            texts={one.slot: one.given() for one in texts},
        )
    except verbs.EditedElsewhere as wrong:
        return _desk(
            request, wrong.version, *_typed(request, wrong.version), problem=wrong, clash=True, status=409
        )
    except Problem as wrong:
        return _desk(request, version, form, texts, problem=_onto(form, wrong), status=wrong.status)
    messages.success(request, _("Đã lưu bản nháp."))
    return redirect(_to(request, "broadcasts:bulletin_edit", pk))


@staff_page(*WRITERS)
def audience(request: Request, pk: int) -> HttpResponse:
    """Choose whom the SMS goes to."""
    version = _draft(request.actor, pk)
    if request.method == "POST":
        form = AudienceChoice(request.POST, offered=reads.audiences_to_choose(request.actor, version))
        if form.is_valid():
            _tried(
                request,
                lambda: verbs.choose_audience(
                    request.actor,
                    version=version,
                    edits=form.cleaned_data["edits"],
                    audience=form.cleaned_data["audience"],
                ),
                _("Đã chọn người nhận."),
            )
        else:
            messages.error(request, _("Danh sách đó không chọn được. Tải lại trang."))
    return redirect(reverse("broadcasts:bulletin_edit", args=[pk]) + "#audience")


@staff_page(*WRITERS)
def test(request: Request, pk: int) -> HttpResponse:
    """Send the test."""
    version = _draft(request.actor, pk)
    if request.method == "POST":
        _tried(
            request,
            lambda: verbs.send_test(request.actor, version=version),
            _("Đã gửi tin thử. Tải lại trang sau vài giây để xem kết quả."),
        )
    return redirect(reverse("broadcasts:bulletin_edit", args=[pk]) + "#test")


@staff_page(*WRITERS)
def sound(request: Request, pk: int) -> HttpResponse:
    """Make the sound, take a recording instead, or put it away."""
    version = _draft(request.actor, pk)
    if request.method == "POST":
        if "drop" in request.POST:
            _tried(request, lambda: sounds.drop_audio(request.actor, version=version), _("Đã bỏ âm thanh."))
        elif isinstance(file := request.FILES.get("sound"), UploadedFile):
            given = file.read(recordings.LARGEST + 1)
            _tried(
                request,
                lambda: sounds.keep_recording(request.actor, version=version, sound=given),
                _("Đã nhận bản ghi."),
            )
        elif "speak" in request.POST:
            _tried(
                request, lambda: sounds.speak_script(request.actor, version=version), _("Đã tạo âm thanh.")
            )
        else:
            messages.error(request, _("Chọn một tệp trước."))
    return redirect(reverse("broadcasts:bulletin_edit", args=[pk]) + "#audio")


@staff_page(*WRITERS)
def submit(request: Request, pk: int) -> HttpResponse:
    """All that would go out, what is still missing, and the button."""
    version = _draft(request.actor, pk)
    missing = reads.missing(request.actor, version)
    problem: Problem | None = None
    if request.method == "POST":
        try:
            edits = int(request.POST.get("edits", "-1"))
            verbs.submit_bulletin(request.actor, version=version, edits=edits)
        except ValueError:
            problem = NotFound()
        except reads.NotReady as wrong:
            missing, problem = wrong.missing, wrong
        except Problem as wrong:
            problem = wrong
        else:
            messages.success(request, _("Đã trình. Người khác sẽ duyệt."))
            return redirect("broadcasts:bulletin", pk=pk)
    context = {**whole(request.actor, version), "missing": missing, "problem": problem}
    return render(
        request, "broadcasts/bulletins/submit.html", context, status=problem.status if problem else 200
    )


@staff_page(*READERS)
def bulletin(request: Request, pk: int) -> HttpResponse:
    """One bulletin: the state of its newest version, of each channel, and all its versions."""
    actor = request.actor
    version = reads.version(actor, pk)
    shown = reads.running(pk) or version
    history = reads.versions(actor, pk)
    decisions = [one for row in history for one in reads.approvals(row)]
    review = getattr(shown, "after_review", None)
    context = {
        **whole(actor, version, with_costs=version.state == State.SUBMITTED),
        "shown": shown,
        "runs": _runs(shown),
        "history": list(zip(history, [*history[1:], None], strict=True)),
        "decisions": decisions,
        "review": review,
        "names": reads.names_of(
            [
                *(one.by for one in decisions),
                *(row.submitted_by for row in history),
                *(row.edited_by for row in history),
                review.done_by if review else None,
            ]
        ),
        "may_write": actor.covers(version.bulletin.unit, *WRITERS),
        "may_withdraw": actor.covers(version.bulletin.unit, *WRITERS, *APPROVERS),
        "may_decide": version.state == State.SUBMITTED and not reads.why_not_approve(actor, version),
        "why_not": reads.why_not_approve(actor, version),
        "open": version.state in (State.DRAFT, State.SUBMITTED, State.APPROVED),
        "withdraw": ReasonForm(),
    }
    return render(request, "broadcasts/bulletins/bulletin.html", context)


@staff_page(*WRITERS)
def new_version(request: Request, pk: int) -> HttpResponse:
    """Begin another version of it."""
    version = reads.version(request.actor, pk)
    if request.method == "POST":
        done = _tried(
            request,
            lambda: verbs.new_version(request.actor, version=version),
            _("Đã tạo phiên bản mới. Lần duyệt trước không còn giá trị cho bản này."),
        )
        if done:
            return redirect("broadcasts:bulletin_edit", pk=pk)
    return redirect("broadcasts:bulletin", pk=pk)


@staff_page(*WRITERS, *APPROVERS)
def withdraw(request: Request, pk: int) -> HttpResponse:
    """Take back what goes out, or else the newest version."""
    version = reads.version(request.actor, pk)
    if version.state not in (State.SUBMITTED, State.APPROVED):
        version = reads.running(pk) or version
    if request.method == "POST":
        done = _tried(
            request,
            lambda: verbs.withdraw_bulletin(
                request.actor, version=version, reason=request.POST.get("reason", "")
            ),
            _("Đã rút bản tin."),
        )
        if done:
            for run in dispatch.take_back(version):
                if run.failure:
                    messages.error(request, f"{run.get_channel_display()}: {run.failure}")
    return redirect("broadcasts:bulletin", pk=pk)


@staff_page(*WRITERS, *APPROVERS)
def start(request: Request, pk: int) -> HttpResponse:
    """Try once more the channels that could not be started."""
    reads.bulletin(request.actor, pk)
    running = reads.running(pk)
    if request.method == "POST" and running is not None:
        for run in dispatch.dispatch_version(running):
            if run.failure:
                messages.error(request, f"{run.get_channel_display()}: {run.failure}")
    return redirect("broadcasts:bulletin", pk=pk)


@staff_page(*READERS)
def difference(request: Request, pk: int, older: int, newer: int) -> HttpResponse:
    """What differs between two versions, word by word."""
    before, after = (reads.version(request.actor, pk, number) for number in (older, newer))
    context = {
        "bulletin": after.bulletin,
        "before": before,
        "after": after,
        "changes": content.changes(content.listed(before), content.listed(after)),
    }
    return render(request, "broadcasts/bulletins/difference.html", context)


@staff_page(*READERS)
def log(request: Request, pk: int) -> HttpResponse:
    """Who did what with a bulletin; as a page or, with `?csv`, as a file."""
    found = reads.bulletin(request.actor, pk)
    lines = reads.log(found)
    if "csv" not in request.GET:
        context = {"bulletin": found, "lines": lines, "version": reads.version(request.actor, pk)}
        return render(request, "broadcasts/bulletins/log.html", context)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "at", "recorded_at", "act", "actor", "subject", "details"])
    for line in lines:
        cells = [line.act, line.actor_name, line.subject, str(line.details)]
        writer.writerow(
            [
                line.pk,
                line.at.isoformat(),
                line.recorded_at.isoformat(),
                # A name that begins like a formula stays a name in a spreadsheet.
                *(f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells),
            ]
        )
    answer = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="bulletin-{pk}-log.csv"'
    return answer


@public_page
def short(request: Request, pk: int) -> HttpResponse:
    """The address that stands in an SMS: it leads to the article of a bulletin that is out."""
    running = reads.running(pk)
    if running is not None and Channel.ARTICLE in running.channels:
        article = channels.get(Channel.ARTICLE)
        state = article.state(running) if article is not None else None
        if state is not None and state.url:
            return redirect(state.url)
    raise NotFound(_("Không có bản tin này, hoặc bản tin đã được rút."))


def whole(actor: Actor, version: BulletinVersion, *, with_costs: bool = True) -> dict[str, Any]:
    """All that goes out, for the pages of author and approver alike; with what the SMS costs, for which everybody
    whom it reaches is counted."""
    row, costs, cost_problem = reads.sms_row(version), None, None
    try:
        costs = reads.estimate(version) if with_costs else None
    except (Problem, ImportError) as wrong:
        cost_problem = wrong if isinstance(wrong, Problem) else None
    script = reads.script(version) if Channel.LOUDSPEAKER in version.channels else None
    return {
        "version": version,
        "bulletin": version.bulletin,
        "texts": [(text, content.final(version, text)) for text in content.texts_of(version)],
        "sms": reads.sms_view(row.text, plain=version.plain_sms) if row else None,
        "costs": costs,
        "cost_problem": cost_problem,
        "audience": reads.audience(version),
        "tested": reads.tested(version),
        "needs_test": row is not None,
        "audio": reads.audio(version) if script else None,
        "script": script,
        "spoken": spoken.read_aloud(script.text) if script else None,
        "needed": reads.approvers_needed(version),
        "facts": content.listed(version),
    }


def _desk(
    request: Request,
    version: BulletinVersion,
    form: DraftForm,
    texts: list[ChannelTextForm],
    *,
    problem: Problem | None = None,
    clash: bool = False,
    status: int = 200,
) -> HttpResponse:
    with_costs = "costs" in request.GET
    context = {
        **whole(request.actor, version, with_costs=with_costs),
        "with_costs": with_costs,
        "form": form,
        "text_forms": [_preview(version, one) for one in texts],
        "problem": problem,
        "clash": _clash(version, form, texts) if clash else [],
        "clash_by": reads.names_of([version.edited_by]).get(version.edited_by or 0, ""),
        "missing": reads.missing(request.actor, version, with_costs=with_costs),
        "choice": AudienceChoice(
            offered=reads.audiences_to_choose(request.actor, version),
            initial={"audience": version.audience_id, "edits": version.edits},
        ),
        "recording": RecordingForm(),
        "notes": NOTES,
        "test_numbers": TestNumber.objects.count(),
        "audience_url": reverse("broadcasts:audiences"),
    }
    return render(request, "broadcasts/bulletins/edit.html", context, status=status)


def _preview(version: BulletinVersion, form: ChannelTextForm) -> dict[str, Any]:
    """A channel's text with what its receivers will have of it."""
    text = form["text"].value() or ""
    shown: dict[str, Any] = {"form": form, "row": form.row, "slot": form.slot}
    if form.row.channel in deriving.SMS_CHANNELS:
        shown["sms"] = reads.sms_view(text, plain=version.plain_sms)
    elif form.row.channel == Channel.LOUDSPEAKER:
        said = spoken.read_aloud(text)
        shown["spoken"] = said
        shown["doubts"] = [
            (said.source[doubt.start : doubt.end], spoken.REASONS[doubt.why]) for doubt in said.doubts
        ]
    else:
        shown["paragraphs"] = deriving.paragraphs(text)
    return shown


def _typed(request: Request, version: BulletinVersion) -> tuple[DraftForm, list[ChannelTextForm]]:
    """What was typed, as a form that may now be saved over the version as it stands."""
    data = request.POST.copy()
    data["edits"] = str(version.edits)
    form = DraftForm(data, initial=DraftForm.initial_of(version), offered=_offered(version))
    texts = [ChannelTextForm(data, row=row) for row in content.texts_of(version)]
    for one in texts:
        # A text whose field was not there when the page was opened stays as it stands.
        if one.add_prefix("text") not in data:
            for name in ("title", "text", "instruction"):
                data[one.add_prefix(name)] = one.initial[name]
    form.is_valid()
    for one in texts:
        one.is_valid()
    return form, texts


def _clash(version: BulletinVersion, form: DraftForm, texts: list[ChannelTextForm]) -> list[content.Change]:
    """What stands there now and what was typed, where they differ: from theirs to yours."""
    pairs = [
        (field.label or name, _said(form.initial.get(name)), _said(form.cleaned_data.get(name)))
        for name, field in form.fields.items()
        if name != "edits"
    ]
    for one in texts:
        label = f"{one.row.get_channel_display()} · {one.row.language}"
        pairs += [
            (f"{label} · {field.label}", _said(one.initial.get(name)), _said(one.cleaned_data.get(name)))
            for name, field in one.fields.items()
            if name != "anew"
        ]
    return [
        content.Change(label, content.pieces(theirs, yours))
        for label, theirs, yours in pairs
        if theirs != yours
    ]


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("có") if value else _("không")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if hasattr(value, "strftime"):
        return f"{clock.reads.local(value):%H:%M %d/%m/%Y}"
    return str(value).replace("\r\n", "\n").strip()


def _runs(version: BulletinVersion) -> list[dict[str, Any]]:
    """Each channel of a version with how far it is."""
    runs = {run.channel: run for run in version.runs.all()}
    rows = []
    for key in channels.started_in_order(version.channels):
        channel = channels.get(key)
        state = channel.state(version) if channel is not None else None
        rows.append({"label": Channel(key).label, "run": runs.get(key), "state": state})
    return rows


def _draft(actor: Actor, pk: int) -> BulletinVersion:
    """The newest version, which must be a draft of units that the actor writes for."""
    version = reads.version(actor, pk)
    actor.must_cover(version.bulletin.unit, *WRITERS)
    if version.state != State.DRAFT:
        raise NotFound(
            _("Bản tin này không có bản nháp nào đang soạn."),
            way_out=_("Mở bản tin rồi tạo phiên bản mới để sửa."),
        )
    return version


def _offered(version: BulletinVersion | None = None) -> list[str]:
    """The channels to choose from: those of this installation, and what the version has already."""
    return [*channels.registered(), *(version.channels if version else [])]


def _tried(request: Request, act: Any, done: str) -> bool:
    """Do it and say so, or say why it cannot be done."""
    try:
        act()
    except Problem as wrong:
        messages.error(request, str(wrong))
        return False
    messages.success(request, done)
    return True


def _onto(form: Any, problem: Problem) -> Problem | None:
    """Put a problem onto the field that it names; gives it back when the form has no such field."""
    if problem.field in form.fields:
        form.add_error(problem.field, str(problem))
        return None
    return problem


def _to(request: Request, name: str, pk: int) -> str:
    """Where the pressed button leads."""
    follow = {"submit": "broadcasts:bulletin_submit"}.get(request.POST.get("then", ""), name)
    return reverse(follow, args=[pk])
