"""Officers: tasks, declarations, and whose a declaration is."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.forms.telling import told
from khien.kernel.people import reads as people
from khien.kernel.people.phones import display
from khien.kernel.staff import Role
from khien.kernel.staff.reads import communes_of
from khien.rooms.declarations import codes, reads, verbs
from khien.rooms.declarations.forms import (
    REASONS,
    DeclarationFilter,
    SettleForm,
    TaskFilter,
)
from khien.rooms.declarations.models import OFFICERS, Declaration, Task

PAGE = 50
HELD_REASONS = {
    "number_of_another": gettext_lazy("Số giấy tờ là của người có tên và năm sinh khác."),
    "several": gettext_lazy("Có nhiều hồ sơ cùng tên, năm sinh và số điện thoại."),
    "similar": gettext_lazy("Trong xã có người cùng tên và năm sinh, khác số điện thoại."),
}


@staff_page(*OFFICERS)
def inbox(request: Request) -> HttpResponse:
    """What declarations ask of the officer, the oldest first."""
    form = TaskFilter(request.GET, units=communes_of(request.actor, *OFFICERS))
    given = form.cleaned_data if form.is_valid() else {}
    unit = given.get("unit")
    rows = reads.tasks(
        request.actor,
        state=given.get("state") or Task.State.OPEN,
        unit_path=unit.path if unit else "",
        reason=given.get("reason", ""),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    read(request.actor, "declarations.inbox", persons=_persons(page.object_list))
    words = dict(REASONS)
    return render(
        request,
        "declarations/inbox.html",
        {
            "form": form,
            "page": page,
            "rows": [
                (task, [words.get(one, one) for one in task.reasons], display(task.declaration.phone))
                for task in page.object_list
            ],
            "held": reads.held(request.actor).count(),
        },
    )


@staff_page(*OFFICERS)
def task(request: Request, pk: int) -> HttpResponse:
    """One task: what was declared, whom to call, what came of it."""
    row = reads.task(request.actor, pk)
    form = SettleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            verbs.settle(request.actor, task=row, **form.cleaned_data)
        except Problem as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(
                request, _("Đã xử lý tờ khai của %(name)s.") % {"name": row.declaration.full_name}
            )
            return redirect("declarations:inbox")
    read(request.actor, "declarations.task", persons=_persons([row]), subject=row)
    words = dict(REASONS)
    return render(
        request,
        "declarations/task.html",
        {
            "task": row,
            "form": form,
            "reasons": [words.get(one, one) for one in row.reasons],
            **_about(row.declaration),
        },
        status=422 if form.errors else 200,
    )


@staff_page(*OFFICERS)
def listed(request: Request) -> HttpResponse:
    """Declarations of the officer's communes; the filter is in the address."""
    form = DeclarationFilter(request.GET, units=communes_of(request.actor, *OFFICERS))
    given = form.cleaned_data if form.is_valid() else {}
    unit = given.get("unit")
    rows = reads.declarations(
        request.actor,
        unit_path=unit.path if unit else "",
        start=given.get("start"),
        end=given.get("end"),
        kind=given.get("kind", ""),
        channel=given.get("channel", ""),
        match=given.get("match", ""),
        attention=bool(given.get("attention")),
        text=given.get("q", ""),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    read(request.actor, "declarations.list", persons=_persons(page.object_list))
    now = clock.now()
    return render(
        request,
        "declarations/list.html",
        {
            "form": form,
            "page": page,
            "rows": [(row, row.valid_until > now) for row in page.object_list],
            "today": clock.today(),
        },
    )


@staff_page(*OFFICERS, Role.LEADER)
def counts_csv(request: Request) -> HttpResponse:
    """Declarations by day and commune, for two weeks or the days asked for (at most a year)."""
    form = DeclarationFilter(request.GET, units=communes_of(request.actor, *OFFICERS, Role.LEADER))
    given = form.cleaned_data if form.is_valid() else {}
    end = given.get("end") or clock.today()
    start = max(given.get("start") or end - timedelta(days=13), end - timedelta(days=366))
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow([_("Ngày"), _("Xã, phường"), _("Tờ khai"), _("Cần chú ý"), _("Chờ đối chiếu")])
    for row in reads.counts(request.actor, start=start, end=end):
        sheet.writerow([row.day.isoformat(), row.unit, row.declarations, row.attention, row.held])
    answer = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="to-khai.csv"'
    return answer


@staff_page(*OFFICERS)
def declaration(request: Request, pk: int) -> HttpResponse:
    """One declaration, under the version of the form that it was made under."""
    row = reads.declaration(request.actor, pk)
    read(request.actor, "declarations.declaration", persons=_persons([row]), subject=row)
    return render(request, "declarations/declaration.html", _about(row))


@staff_page(*OFFICERS)
def held(request: Request) -> HttpResponse:
    """Declarations of which nobody knows yet whose they are."""
    page = Paginator(reads.held(request.actor), PAGE).get_page(request.GET.get("page"))
    read(request.actor, "declarations.held", rows=[row.pk for row in page.object_list])
    return render(
        request,
        "declarations/held.html",
        {"page": page, "rows": [(row, HELD_REASONS.get(row.held_reason, "")) for row in page.object_list]},
    )


@staff_page(*OFFICERS)
def compare(request: Request, pk: int) -> HttpResponse:
    """Say whose a held declaration is: one of those who look like it, or somebody new."""
    row = reads.declaration(request.actor, pk)
    problem: Problem | None = None
    if request.method == "POST":
        try:
            if request.POST.get("person") == "new":
                verbs.register(request.actor, declaration=row)
            else:
                person = people.get(request.actor, _uuid(request.POST.get("person", "")))
                verbs.link(request.actor, declaration=row, person=person)
        except Problem as wrong:
            problem = wrong
        else:
            messages.success(request, _("Đã đối chiếu tờ khai của %(name)s.") % {"name": row.full_name})
            return redirect("declarations:held")
    found = reads.candidates(request.actor, row) if row.match == Declaration.Match.HELD else []
    read(request.actor, "declarations.compare", persons=[person.pk for person in found], subject=row)
    return render(
        request,
        "declarations/compare.html",
        {
            "candidates": found,
            "why": HELD_REASONS.get(row.held_reason, ""),
            "problem": problem,
            **_about(row),
        },
        status=200 if problem is None else problem.status,
    )


def _about(row: Declaration) -> dict[str, Any]:
    """What the pages of one declaration show of it."""
    return {
        "row": row,
        "card": reads.shown(row, clock.now()),
        "code": codes.shown(row.code),
        "phone": display(row.phone),
        "sections": told(row.form.spec, row.content),
        "companions": list(row.companions.order_by("pk")),
    }


def _persons(rows: Any) -> list[int]:
    return [row.person_id for row in rows if row.person_id is not None]


def _uuid(text: str) -> str:
    from uuid import UUID

    from khien.kernel.errors import Invalid

    try:
        return str(UUID(text))
    except ValueError as fault:
        raise Invalid(_("Chưa chọn người."), way_out=_("Chọn một người, hoặc “Người mới”.")) from fault
