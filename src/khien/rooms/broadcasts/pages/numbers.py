"""One number at a desk: where its messages go, whether it wants them, whether it is dead. Numbers are never listed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.rooms.broadcasts.audience_forms import NumberForm
from khien.rooms.broadcasts.reads import carriers as reads
from khien.rooms.broadcasts.verbs import carriers as verbs


@staff_page(*verbs.DESKS)
def numbers(request: Request) -> HttpResponse:
    """Look a number up; opt it out, in again, or say that it is in use."""
    form = NumberForm(request.POST or None)
    facts = None
    if request.method == "POST" and form.is_valid():
        number = form.cleaned_data["number"]
        try:
            _do(request, number)
            facts = reads.facts_of(number)
            read(request.actor, "broadcasts.number")
        except Problem as wrong:
            form.add_error("number", str(wrong))
    ways = {"sms": _("bằng tin nhắn"), "page": _("trên trang"), "desk": _("tại quầy")}
    context = {
        "form": form,
        "facts": facts,
        "number": form.cleaned_data.get("number", "") if form.is_bound and form.is_valid() else "",
        "counts": reads.counts(),
        "ways": [(ways.get(how, how), count) for how, count in reads.opt_outs_by_way()],
    }
    return render(request, "broadcasts/numbers.html", context, status=422 if form.errors else 200)


def _do(request: Request, number: str) -> None:
    action = request.POST.get("action")
    if action == "out":
        verbs.opt_out(request.actor, number=number)
        messages.success(request, _("Số này sẽ không nhận bản tin nữa, trừ tin khẩn cấp."))
    elif action == "in" and verbs.opt_in(request.actor, number=number):
        messages.success(request, _("Số này lại nhận bản tin."))
    elif action == "revive" and verbs.revive_number(request.actor, number=number):
        messages.success(request, _("Số này lại được coi là đang dùng."))
