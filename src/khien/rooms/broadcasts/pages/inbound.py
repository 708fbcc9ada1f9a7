"""What people have written to us: read, answered and closed, many at once."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.people.phones import display
from khien.kernel.registries import sms_keywords
from khien.kernel.staff.reads import communes_of
from khien.rooms.broadcasts.forms_channels import InboundFilter
from khien.rooms.broadcasts.models import TRIAGE, InboundMessage
from khien.rooms.broadcasts.reads import replies as reads
from khien.rooms.broadcasts.verbs import replies as verbs

PAGE = 50


@staff_page(*TRIAGE)
def inbox(request: Request) -> HttpResponse:
    """Texts that wait, the oldest first; a POST answers or closes the chosen ones."""
    form = InboundFilter(request.GET, units=communes_of(request.actor, *TRIAGE))
    problem: Problem | None = None
    if request.method == "POST":
        try:
            _settle(request)
        except Problem as wrong:
            problem = wrong
        else:
            return redirect(request.get_full_path())
    given = form.cleaned_data if form.is_valid() else {}
    unit = given.get("unit")
    rows = reads.inbound(
        request.actor,
        state=given.get("state", ""),
        keyword=given.get("keyword", ""),
        unit_path=unit.path if unit else "",
        text=given.get("q", "").strip(),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    if shown:
        read(
            request.actor,
            "broadcasts.inbound",
            persons=reads.people_behind(shown),
            ids=[row.pk for row in shown],
        )
    words = {key: str(keyword.meaning) for key, keyword in sms_keywords.items()}
    chosen = {int(pk) for pk in request.POST.getlist("ids") if pk.isascii() and pk.isdigit() and len(pk) < 18}
    return render(
        request,
        "broadcasts/inbound.html",
        {
            "form": form,
            "page": page,
            "rows": [
                (row, _number(row), words.get(row.keyword, ""), row.state in reads.WAITING, row.pk in chosen)
                for row in shown
            ],
            "some_wait": any(row.state in reads.WAITING for row in shown),
            "problem": problem,
            "text": request.POST.get("text", ""),
            "note": request.POST.get("note", ""),
            "longest": verbs.LONGEST_ANSWER,
        },
        status=422 if problem else 200,
    )


def _settle(request: Request) -> None:
    ids = [int(pk) for pk in request.POST.getlist("ids") if pk.isascii() and pk.isdigit() and len(pk) < 18]
    if request.POST.get("act") == "answer":
        count = verbs.answer_inbound(request.actor, messages=ids, text=request.POST.get("text", ""))
        told = ngettext("Đã trả lời %(count)d tin.", "Đã trả lời %(count)d tin.", count)
    else:
        count = verbs.close_inbound(request.actor, messages=ids, note=request.POST.get("note", ""))
        told = ngettext("Đã đóng %(count)d tin.", "Đã đóng %(count)d tin.", count)
    messages.success(request, told % {"count": count})
    if count < len(set(ids)):
        messages.warning(request, _("Các tin khác đã có người xử lý, hoặc không trả lời được."))


def _number(row: InboundMessage) -> str:
    return row.number if row.state == InboundMessage.State.HELD else display(row.number)
