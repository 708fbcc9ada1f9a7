"""Choosing whom a text reaches; counts only, never a list of people."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Invalid, Problem
from khien.rooms.broadcasts import composing
from khien.rooms.broadcasts.audience_forms import AudienceForm, EstimateForm
from khien.rooms.broadcasts.models import READERS, WRITERS, Audience
from khien.rooms.broadcasts.reads import audiences as reads

PAGE = 50


@staff_page(*READERS)
def audiences(request: Request) -> HttpResponse:
    """Audiences, latest first."""
    page = Paginator(reads.audiences(request.actor), PAGE).get_page(request.GET.get("page"))
    rows = [(row, reads.register_of(row.register).label) for row in page.object_list]
    context = {"page": page, "rows": rows, "may_write": request.actor.has(*WRITERS)}
    return render(request, "broadcasts/audiences.html", context)


@staff_page(*WRITERS)
def new_audience(request: Request) -> HttpResponse:
    """Describe one; count it before it is kept."""
    return _describe(request, None)


@staff_page(*WRITERS)
def change_audience(request: Request, pk: int) -> HttpResponse:
    """Describe one anew that is not frozen."""
    row = reads.audience(request.actor, pk)
    if row.frozen_at is not None:
        return redirect("broadcasts:audience", pk=pk)
    return _describe(request, row)


@staff_page(*WRITERS)
def audience_filters(request: Request) -> HttpResponse:
    """The filters of a register, for the form of a page."""
    return render(
        request,
        "broadcasts/_audience_filters.html",
        {"audience_form": AudienceForm(request.actor, request.GET)},
    )


@staff_page(*WRITERS)
def audience_preview(request: Request) -> HttpResponse:
    """What the form as it stands would reach; for the form of a page."""
    form = AudienceForm(request.actor, request.POST if request.method == "POST" else None, emergency=True)
    return render(
        request, "broadcasts/_audience_count.html", {**_count(request, form), "audience_form": form}
    )


@staff_page(*READERS)
def audience(request: Request, pk: int) -> HttpResponse:
    """How many, who is left out and why, and what a text would cost."""
    row = reads.audience(request.actor, pk)
    form = EstimateForm(request.POST if request.method == "POST" else None)
    estimate, missing, names = None, {}, set[str]()
    if form.is_bound and form.is_valid():
        try:
            names = composing.placeholders(form.cleaned_data["text"])
            _must_know(row, names)
            estimate = reads.estimate(row, **form.cleaned_data)
            missing = reads.missing_values(row, names)
        except Problem as wrong:
            form.add_error("text", str(wrong))
    register = reads.register_of(row.register)
    context = {
        "audience": row,
        "register": register.label,
        "units": reads.units_of(row),
        "filters": reads.filters_told(row),
        "preview": reads.preview_of(row),
        "placeholders": reads.placeholders_told(row),
        "form": form,
        "estimate": estimate,
        "missing": [(f"{{{name}}}", count) for name, count in missing.items()],
        "may_write": request.actor.has(*WRITERS),
    }
    return render(request, "broadcasts/audience.html", context, status=422 if form.errors else 200)


def _describe(request: Request, row: Audience | None) -> HttpResponse:
    form = AudienceForm(request.actor, request.POST if request.method == "POST" else None, audience=row)
    counted = {}
    if form.is_bound and not form.asks_for_filters:
        if request.POST.get("action") == "preview":
            counted = _count(request, form)
        elif (saved := form.save()) is not None:
            return redirect("broadcasts:audience", pk=saved.pk)
    if form.asks_for_filters:
        form.forgive()
    context = {"audience_form": form, "audience": row, **counted}
    return render(request, "broadcasts/audience_edit.html", context, status=422 if form.errors else 200)


def _count(request: Request, form: AudienceForm) -> dict[str, object]:
    if not form.is_valid():
        return {}
    try:
        return {"preview": reads.preview(request.actor, **form.described())}
    except Problem as wrong:
        form.say(wrong)
        return {}


def _must_know(row: Audience, names: set[str]) -> None:
    known = {name for name, _label in reads.placeholders_told(row)}
    if row.frozen_at is not None:
        known &= set(row.names)
    if unknown := names - known:
        raise Invalid(
            _("Danh sách này không có: %(names)s.")
            % {"names": ", ".join(f"{{{name}}}" for name in sorted(unknown))},
            field="text",
            way_out=_("Bỏ chỗ điền đó."),
        )
