"""What was sent, to how many, and what became of it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from khien.gateways.sms.text import measure, strip_accents
from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff import Role
from khien.rooms.broadcasts import composing, reads, verbs
from khien.rooms.broadcasts.forms import BroadcastFilter, RowFilter, TemplateForm
from khien.rooms.broadcasts.models import Broadcast, MessageTemplate, Recipient

READERS = tuple(Broadcast.scope_roles)
WRITERS = (Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR)
FAILED = (Recipient.State.REJECTED, Recipient.State.UNDELIVERED, Recipient.State.SUPPRESSED)
PAGE = 50


@staff_page(*READERS)
def index(request: Request) -> HttpResponse:
    """Broadcasts, latest first."""
    labels = reads.purpose_labels()
    purposes = {purpose: labels.get(purpose, purpose) for purpose in reads.purposes(request.actor)}
    form = BroadcastFilter(request.GET, purposes=purposes)
    given = form.cleaned_data if form.is_valid() else {}
    rows = reads.broadcasts(
        request.actor,
        purpose=given.get("purpose", ""),
        state=given.get("state", ""),
        reference=request.GET.get("reference", ""),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    counts = reads.counts(row.pk for row in page.object_list)
    context = {
        "form": form,
        "page": page,
        "unmatched": reads.unmatched_receipts().count() if request.actor.has(*WRITERS) else 0,
        "rows": [
            {
                "broadcast": row,
                "purpose": purposes.get(row.purpose, row.purpose),
                "counts": counts[row.pk],
                "total": sum(counts[row.pk].values()),
                "failed": sum(counts[row.pk].get(state, 0) for state in FAILED),
            }
            for row in page.object_list
        ],
    }
    return render(request, "broadcasts/index.html", context)


@staff_page(*READERS)
def broadcast(request: Request, pk: int) -> HttpResponse:
    """One broadcast: counters for all its readers, rows for those who may see the people."""
    found = get_object_or_404(Broadcast.objects.seen_by(request.actor).select_related("unit"), pk=pk)
    form = RowFilter(request.GET)
    state = form.cleaned_data["state"] if form.is_valid() else ""
    page = Paginator(reads.people_of(request.actor, found, state=state), PAGE).get_page(
        request.GET.get("page")
    )
    shown = list(page.object_list)
    if shown:
        read(
            request.actor,
            "broadcasts.broadcast",
            persons=[row.person_id for row in shown],
            subject=found,
        )
    counts = reads.state_counts(found)
    unknown = next(c.count for c in counts if c.state == Recipient.State.UNKNOWN)
    context = {
        "broadcast": found,
        "purpose": reads.purpose_labels().get(found.purpose, found.purpose),
        "form": form,
        "page": page,
        "rows": shown,
        "counts": counts,
        "total": sum(c.count for c in counts),
        "unknown": unknown,
        "may_requeue": bool(unknown) and request.actor.has(*WRITERS),
        "size": measure(found.text),
    }
    return render(request, "broadcasts/broadcast.html", context)


@staff_page(*WRITERS)
def requeue(request: Request, pk: int) -> HttpResponse:
    """Submit what is unknown once more; a person decides."""
    found = get_object_or_404(Broadcast.objects.seen_by(request.actor), pk=pk)
    if request.method == "POST":
        try:
            count = verbs.requeue_unknown(request.actor, broadcast=found)
        except Problem as wrong:
            messages.error(request, str(wrong))
        else:
            messages.success(request, _("%(count)d tin chưa rõ được gửi lại.") % {"count": count})
    return redirect("broadcasts:broadcast", pk=pk)


@staff_page(*WRITERS)
def receipts(request: Request) -> HttpResponse:
    """Receipts whose message is not known."""
    page = Paginator(reads.unmatched_receipts(), PAGE).get_page(request.GET.get("page"))
    return render(request, "broadcasts/receipts.html", {"page": page})


@staff_page(*WRITERS)
def templates(request: Request) -> HttpResponse:
    """The texts that the response sends."""
    rows = [(row, measure(row.text)) for row in MessageTemplate.objects.order_by("code")]
    return render(request, "broadcasts/templates.html", {"rows": rows})


@staff_page(*WRITERS)
def template(request: Request, code: str) -> HttpResponse:
    """Change one text, with its cost beside the cost without accents."""
    row = get_object_or_404(MessageTemplate, code=code)
    form = TemplateForm(request.POST or None, initial={"text": row.text})
    text = row.text
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        if "preview" not in request.POST:
            try:
                verbs.change_template(request.actor, code=code, text=text)
            except Problem as wrong:
                form.add_error("text", str(wrong))
            else:
                messages.success(request, _("Đã lưu mẫu tin."))
                return redirect("broadcasts:templates")
    plain = strip_accents(text)
    context = {
        "form": form,
        "row": row,
        "placeholders": [f"{{{name}}}" for name in sorted(composing.placeholders(row.text) | {"name"})],
        "size": measure(text),
        "plain": plain,
        "plain_size": measure(plain),
    }
    return render(request, "broadcasts/template.html", context, status=422 if form.errors else 200)
