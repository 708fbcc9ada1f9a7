"""The room's pages: cases, one case, its contacts, chains, outbreaks. Every page works without scripts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Invalid, NotFound, Problem
from khien.kernel.people import reads as people
from khien.kernel.places import reads as places
from khien.kernel.staff import Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing import forms, pictures, reads, verbs
from khien.rooms.tracing.models import Case, TracedContact
from khien.rooms.tracing.reads import CaseFilter

TRACING = (Role.TRACER, Role.COMMUNE_OFFICER)
PER_PAGE = 50


# Cases ---------------------------------------------------------------------------------------------


@staff_page(*TRACING)
def case_list(request: Request) -> HttpResponse:
    """Cases in scope; the filters are in the address."""
    form = forms.CaseFilterForm(request.GET)
    wanted = CaseFilter()
    if form.is_valid():
        data = form.cleaned_data
        wanted = CaseFilter(
            text=data["q"],
            status=data["status"],
            classification=data["classification"],
            step=data["step"],
            unit=data["unit"],
            outbreak=data["outbreak"],
        )
    found = reads.cases(request.actor, wanted)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    held = reads.held_results(request.actor)
    read(
        request.actor,
        "tracing.case_list",
        persons=[*(c.person_id for c in page), *(h.person_id for h in held)],
        status=wanted.status,
        step=wanted.step,
        unit=wanted.unit,
        outbreak=wanted.outbreak,
    )
    blocking = reads.blocking_steps(request.actor, [c.pk for c in page])
    return render(
        request,
        "tracing/cases.html",
        {
            "form": form,
            "page": page,
            "rows": [(c, blocking.get(c.pk, "")) for c in page],
            "held": held,
            "unit": AdminUnit.objects.filter(pk=wanted.unit).first() if wanted.unit else None,
            "outbreak": reads.outbreaks(request.actor).filter(pk=wanted.outbreak).first()
            if wanted.outbreak
            else None,
        },
    )


@staff_page(*TRACING)
def case_page(request: Request, case_id: int) -> HttpResponse:
    """The case file."""
    return _case_page(request, case_id)


def _case_page(
    request: Request,
    case_id: int,
    bound: dict[str, django_forms.Form] | None = None,
    problem: Problem | None = None,
) -> HttpResponse:
    actor = request.actor
    case = reads.case(actor, case_id)
    sources = reads.sources(actor, case_id)
    told = list(case.hand_contacts.select_related("person"))
    read(
        actor,
        "tracing.case_page",
        persons=[case.person_id, *(s.person_id for s in sources), *(h.person_id for h in told)],
        subject=case,
    )
    steps = reads.clock_of(case)
    made = {
        "symptoms": forms.SymptomsForm(
            auto_id="symptoms_%s",
            initial={
                "classification": case.classification,
                "onset_on": case.onset_on,
                "symptoms": case.symptoms,
            },
        ),
        "landmark": forms.LandmarkForm(auto_id="landmark_%s"),
        "hand": forms.HandContactForm(auto_id="hand_%s"),
        "source": forms.SourceForm(auto_id="source_%s"),
        "close": forms.CloseForm(auto_id="close_%s"),
    } | (bound or {})
    lists = reads.lists(actor, case_id)
    contacts = reads.listed(actor, case_id)
    converted = [c.pk for c in contacts if c.converted_case_id]
    return render(
        request,
        "tracing/case.html",
        {
            "case": case,
            "steps": steps,
            "blocking": next((s for s in steps if s.blocking), None),
            "landmarks": case.landmarks.select_related("place"),
            "told": told,
            "sources": sources,
            "lists": lists,
            "f1": sum(c.is_legal_f1 for c in contacts),
            "waiting": sum(c.is_legal_f1 and c.state == "proposed" for c in contacts),
            "others": sum(not c.is_legal_f1 for c in contacts),
            "converted": reads.contacts(actor, case_id, converted) if converted else [],
            "infected": Case.objects.seen_by(actor).filter(source_case=case),
            "was_contact": reads.contact_of_person(actor, case.person_id),
            "phone": reads.phones([case.person_id]).get(case.person_id, ""),
            "forms": made,
            "problem": problem,
            "is_open": case.status == Case.Status.OPEN,
        },
        status=200 if problem is None else problem.status,
    )


def _done(case_id: int, anchor: str = "") -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("tracing:case", args=[case_id]) + anchor)


def _act(
    request: Request, case_id: int, name: str, form: django_forms.Form, act: Any, done: str
) -> HttpResponse:
    """Run an act of the case page with what its form holds; a problem is shown beside the form."""
    if not form.is_valid():
        return _case_page(request, case_id, {name: form})
    try:
        act(form.cleaned_data)
    except NotFound:
        raise
    except Problem as problem:
        field = problem.field if problem.field in form.fields else None
        form.add_error(field, str(problem))
        return _case_page(request, case_id, {name: form}, problem)
    messages.success(request, done)
    return _done(case_id, f"#{name}")


@staff_page(*TRACING)
@require_POST
def symptoms(request: Request, case_id: int) -> HttpResponse:
    form = forms.SymptomsForm(request.POST, auto_id="symptoms_%s")
    return _act(
        request,
        case_id,
        "symptoms",
        form,
        lambda data: verbs.enter_symptoms(
            request.actor,
            case_id=case_id,
            onset_on=data["onset_on"],
            symptoms=data["symptoms"],
            classification=data["classification"],
        ),
        _("Đã ghi; thời kỳ lây được tính lại."),
    )


@staff_page(*TRACING)
@require_POST
def landmark(request: Request, case_id: int) -> HttpResponse:
    def add(data: dict[str, Any]) -> None:
        place = None
        if data["place_code"].strip():
            place = places.by_code(data["place_code"])
            if place is None:
                raise Invalid(
                    _("Không có địa điểm mang mã này."),
                    field="place_code",
                    way_out=_("Kiểm tra mã, hoặc ghi nơi bằng lời."),
                )
        verbs.add_landmark(
            request.actor,
            case_id=case_id,
            place=place,
            text=data["text"],
            start=data["start"],
            end=data["end"],
            masked=data["masked"],
        )

    form = forms.LandmarkForm(request.POST, auto_id="landmark_%s")
    return _act(
        request, case_id, "landmark", form, add, _("Đã thêm mốc dịch tễ. Lập lại danh sách để tính vào.")
    )


@staff_page(*TRACING)
@require_POST
def drop_landmark(request: Request, case_id: int, landmark_id: int) -> HttpResponse:
    verbs.remove_landmark(request.actor, landmark_id=landmark_id)
    messages.success(request, _("Đã bỏ mốc dịch tễ."))
    return _done(case_id, "#landmark")


@staff_page(*TRACING)
@require_POST
def hand(request: Request, case_id: int) -> HttpResponse:
    form = forms.HandContactForm(request.POST, auto_id="hand_%s")
    return _act(
        request,
        case_id,
        "hand",
        form,
        lambda data: verbs.add_hand_contact(request.actor, case_id=case_id, **data),
        _("Đã thêm người tiếp xúc. Lập lại danh sách để tính vào."),
    )


@staff_page(*TRACING)
@require_POST
def close(request: Request, case_id: int) -> HttpResponse:
    form = forms.CloseForm(request.POST, auto_id="close_%s")
    return _act(
        request,
        case_id,
        "close",
        form,
        lambda data: verbs.close_case(request.actor, case_id=case_id, note=data["note"]),
        _("Đã đóng ca."),
    )


@staff_page(*TRACING)
@require_POST
def source(request: Request, case_id: int) -> HttpResponse:
    """Link a source: by the number of its case, or by the button beside a proposal."""

    def link(data: dict[str, Any]) -> None:
        found = list(
            reads.cases(request.actor, CaseFilter(text=data["source"]))
            .exclude(pk=case_id)
            .values_list("pk", "registered_number")[:2]
        )
        if len(found) != 1:
            raise Invalid(
                _("Không tìm được đúng một ca với số này."),
                field="source",
                way_out=_("Nhập số ca như trong danh sách, ví dụ BN12."),
            )
        verbs.link_source(request.actor, case_id=case_id, source_case_id=found[0][0])

    form = forms.SourceForm(request.POST, auto_id="source_%s")
    return _act(request, case_id, "source", form, link, _("Đã ghi nguồn lây."))


@staff_page(*TRACING)
@require_POST
def drop_source(request: Request, case_id: int, proposal_id: int) -> HttpResponse:
    verbs.reject_source(request.actor, proposal_id=proposal_id)
    messages.success(request, _("Đã loại nguồn lây này."))
    return _done(case_id, "#source")


@staff_page(*TRACING)
@require_POST
def make_list(request: Request, case_id: int) -> HttpResponse:
    """Search contacts anew and show them."""
    try:
        made = verbs.list_contacts(request.actor, case_id=case_id)
    except NotFound:
        raise
    except Problem as problem:
        return _case_page(request, case_id, problem=problem)
    messages.success(
        request,
        _("Đã lập danh sách bản %(version)d trong %(ms)d mili giây.")
        % {"version": made.version, "ms": made.took_ms},
    )
    return HttpResponseRedirect(reverse("tracing:contacts", args=[case_id]))


@staff_page(Role.TRACER)
@require_POST
def settle(request: Request, held_id: int) -> HttpResponse:
    """Decide on a positive result for a closed case."""
    case = verbs.settle_held_result(request.actor, held_id=held_id, decision=request.POST.get("decision", ""))
    messages.success(request, _("Đã xử lý kết quả."))
    return _done(case.pk)


@staff_page(*TRACING)
def open_for(request: Request, public_id: str) -> HttpResponse:
    """Open a case by hand for a person of the ledger (suspected, or found without a test of ours)."""
    person = people.get(request.actor, public_id)
    read(request.actor, "tracing.open_for", persons=[person.pk])
    form = forms.OpenForm(request.POST or None)
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            if person.unit_id is None:
                raise Invalid(
                    _("Chưa biết người này ở xã nào."), way_out=_("Bổ sung nơi cư trú ở trang của người này.")
                )
            case = verbs.open_case(
                request.actor,
                person_id=person.pk,
                unit_id=person.unit_id,
                onset_on=form.cleaned_data["onset_on"],
                sampled_at=form.cleaned_data["sampled_at"],
                classification=form.cleaned_data["classification"],
            )
        except NotFound:
            raise
        except Problem as fault:
            problem = fault
        else:
            return _done(case.pk)
    return render(request, "tracing/open.html", {"person": person, "form": form, "problem": problem})


# Common places -------------------------------------------------------------------------------------


@staff_page(*TRACING)
def common_places(request: Request) -> HttpResponse:
    """Where several cases were together: of an outbreak, of recent cases, or what one case shared with others."""
    actor = request.actor
    form = forms.TogetherForm(request.GET)
    told = {name: value for name, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    wanted = reads.TogetherFilter(**told)
    case = reads.case(actor, wanted.case) if wanted.case is not None else None
    outbreak = reads.outbreak(actor, wanted.outbreak) if wanted.outbreak is not None else None
    found = reads.together(actor, wanted)
    shown = {c.person_id for row in found.rows for c in (*row.may_be_infected, *row.infectious)}
    read(
        actor,
        "tracing.common_places",
        persons=sorted(shown | ({case.person_id} if case else set())),
        days=wanted.days,
        unit=wanted.unit,
        outbreak=wanted.outbreak,
        case=wanted.case,
    )
    return render(
        request,
        "tracing/common_places.html",
        {
            "form": form,
            "found": found,
            "case": case,
            "outbreak": outbreak,
            "unit": AdminUnit.objects.filter(pk=wanted.unit).first() if wanted.unit else None,
        },
    )


# Contacts ------------------------------------------------------------------------------------------


@staff_page(*TRACING)
def contact_list(request: Request, case_id: int) -> HttpResponse:
    """The contacts of a case with why each is there; the tracer's selection is approved with one button."""
    problem: Problem | None = None
    if request.method == "POST":
        try:
            chosen = verbs.approve_contacts(
                request.actor,
                case_id=case_id,
                contact_ids=[int(pk) for pk in request.POST.getlist("contacts") if pk.isdecimal()],
                list_id=_number(request.POST.get("list")),
                reason=request.POST.get("reason", ""),
            )
        except NotFound:
            raise
        except Problem as fault:
            problem = fault
        else:
            messages.success(
                request,
                ngettext("Đã duyệt %(count)d người.", "Đã duyệt %(count)d người.", len(chosen))
                % {"count": len(chosen)},
            )
            return HttpResponseRedirect(reverse("tracing:contacts", args=[case_id]))
    return _contact_page(request, case_id, problem)


FURTHER_SHOWN = 60
"""People beyond the F1 of the law whom the page shows at first, the most probable; the others at a click."""


def _shown(everybody: Sequence[reads.Listed], top: int, *, whole: bool) -> list[int]:
    """Whose rows the page shows: all F1 by law, everybody decided on, and the most probable of the others."""
    waiting = [c for c in everybody if not c.is_legal_f1 and c.state == TracedContact.State.PROPOSED]
    left_out = set() if whole else {c.pk for c in waiting[max(FURTHER_SHOWN, top) :]}
    return [c.pk for c in everybody if c.pk not in left_out]


def _contact_page(request: Request, case_id: int, problem: Problem | None = None) -> HttpResponse:
    actor = request.actor
    case = reads.case(actor, case_id)
    # The list before its rows: one that is made meanwhile must not be shown without them.
    made = reads.latest_list(actor, case_id)
    everybody = reads.listed(actor, case_id) if made else []
    top = _number(request.GET.get("top")) or 0
    shown = _shown(everybody, top, whole="all" in request.GET)
    rows = reads.contacts(actor, case_id, shown)
    undecided = [c for c in rows if c.state == TracedContact.State.PROPOSED]
    ranked = [c.pk for c in undecided if not c.is_legal_f1]
    ticked = {c.pk for c in undecided if c.is_legal_f1} | set(ranked[:top])
    if request.method == "POST":
        ticked = {int(pk) for pk in request.POST.getlist("contacts") if pk.isdecimal()}
    read(
        actor,
        "tracing.contact_list",
        persons=[case.person_id, *(c.person_id for c in rows)],
        subject=case,
    )
    return render(
        request,
        "tracing/contacts.html",
        {
            "case": case,
            "list": made,
            "lists": reads.lists(actor, case_id),
            "rows": [(c, c.pk in ticked) for c in rows],
            "total": len(everybody),
            "undecided": len(undecided),
            "sizes": reads.list_sizes(everybody),
            "top": top,
            "phones": reads.phones(c.person_id for c in rows),
            "problem": problem,
            "reason": request.POST.get("reason", ""),
            "is_open": case.status == Case.Status.OPEN,
            "may_approve_none": case.status == Case.Status.OPEN
            and not case.steps.filter(step="approved").exists(),
        },
        status=200 if problem is None else problem.status,
    )


@staff_page(*TRACING)
def drop_contact(request: Request, case_id: int, contact_id: int) -> HttpResponse:
    """Take one person off the list, with the reason."""
    case = reads.case(request.actor, case_id)
    contact = next(iter(reads.contacts(request.actor, case_id, [contact_id])), None)
    if contact is None:
        raise NotFound()
    form = forms.ReasonForm(request.POST or None)
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            verbs.reject_contact(request.actor, contact_id=contact_id, reason=form.cleaned_data["reason"])
        except NotFound:
            raise
        except Problem as fault:
            problem = fault
        else:
            messages.success(request, _("Đã loại khỏi danh sách."))
            return HttpResponseRedirect(reverse("tracing:contacts", args=[case_id]))
    read(request.actor, "tracing.drop_contact", persons=[contact.person_id], subject=contact)
    return render(
        request,
        "tracing/drop_contact.html",
        {"case": case, "contact": contact, "form": form, "problem": problem},
        status=200 if problem is None else problem.status,
    )


# Chains and outbreaks ------------------------------------------------------------------------------


@staff_page(*TRACING)
def case_chain(request: Request, case_id: int) -> HttpResponse:
    """Who infected whom around one case."""
    case = reads.case(request.actor, case_id)
    chain = reads.chain_of_case(request.actor, case)
    read(request.actor, "tracing.case_chain", persons=[c.person_id for c in chain.cases], subject=case)
    return render(
        request,
        "tracing/chain.html",
        {"case": case, "chain": chain, "picture": pictures.chain_picture(chain), **_named(chain)},
    )


def _named(chain: reads.Chain) -> dict[str, Any]:
    by_id = {c.pk: c for c in chain.cases}
    links = sorted(
        ((by_id[link.source], by_id[link.target], link) for link in chain.links),
        key=lambda row: (reads.day_of_illness(row[1]), row[1].pk),
    )
    return {
        "infections": [
            (source, target, link, (reads.day_of_illness(target) - reads.day_of_illness(source)).days)
            for source, target, link in links
        ]
    }


@staff_page(*TRACING)
def outbreak_list(request: Request) -> HttpResponse:
    """Outbreaks in scope."""
    page = Paginator(reads.outbreaks(request.actor), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "tracing/outbreaks.html", {"page": page})


@staff_page(*TRACING)
def outbreak_page(request: Request, outbreak_id: int) -> HttpResponse:
    """An outbreak: its curve, R, chains, and what an import held back. The curve as CSV with `?format=csv`."""
    actor = request.actor
    found = reads.outbreak(actor, outbreak_id)
    curve = reads.curve(actor, outbreak_id)
    if request.GET.get("format") == "csv":
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="outbreak-{found.pk}.csv"'
        rows = csv.writer(answer)
        rows.writerow(["day", "cases", "r_mean", "r_low", "r_high"])
        rows.writerows([day.day, day.cases, day.r, day.low, day.high] for day in curve.days)
        return answer
    chain = reads.chain_of_outbreak(actor, outbreak_id)
    imports = reads.imports(actor, outbreak_id)
    read(actor, "tracing.outbreak_page", persons=[c.person_id for c in chain.cases], subject=found)
    return render(
        request,
        "tracing/outbreak.html",
        {
            "outbreak": found,
            "curve": curve,
            "picture": pictures.curve_picture(curve),
            "chain": chain,
            "chain_picture": pictures.chain_picture(chain),
            "imports": imports,
            **_named(chain),
        },
    )


@staff_page(*TRACING)
def pair_log_page(request: Request) -> HttpResponse:
    """Logs of pair contacts taken in, and the rows held back with their reasons."""
    actor = request.actor
    page = Paginator(reads.held_pairs(actor), PER_PAGE).get_page(request.GET.get("page"))
    logs = reads.pair_logs(actor)[:PER_PAGE]
    return render(request, "tracing/pair_logs.html", {"page": page, "logs": logs})


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 18 else None


app_name = "tracing"
urlpatterns = [
    path("", case_list, name="cases"),
    path("cases/<int:case_id>/", case_page, name="case"),
    path("cases/<int:case_id>/symptoms/", symptoms, name="symptoms"),
    path("cases/<int:case_id>/landmarks/", landmark, name="landmark"),
    path("cases/<int:case_id>/landmarks/<int:landmark_id>/drop/", drop_landmark, name="drop_landmark"),
    path("cases/<int:case_id>/hand-contacts/", hand, name="hand"),
    path("cases/<int:case_id>/source/", source, name="source"),
    path("cases/<int:case_id>/sources/<int:proposal_id>/drop/", drop_source, name="drop_source"),
    path("cases/<int:case_id>/close/", close, name="close"),
    path("cases/<int:case_id>/list/", make_list, name="make_list"),
    path("cases/<int:case_id>/contacts/", contact_list, name="contacts"),
    path("cases/<int:case_id>/contacts/<int:contact_id>/drop/", drop_contact, name="drop_contact"),
    path("cases/<int:case_id>/chain/", case_chain, name="chain"),
    path("people/<uuid:public_id>/open/", open_for, name="open"),
    path("common-places/", common_places, name="common_places"),
    path("held/<int:held_id>/", settle, name="settle"),
    path("outbreaks/", outbreak_list, name="outbreaks"),
    path("outbreaks/<int:outbreak_id>/", outbreak_page, name="outbreak"),
    path("pair-logs/", pair_log_page, name="pair_logs"),
]
