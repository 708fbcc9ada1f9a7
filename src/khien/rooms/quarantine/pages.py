"""The room's pages: the officer's day, orders, one order; the person's daily form; the check of a paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors import Request, public_page, resident_page, staff_page
from khien.kernel.errors import Conflict, NotFound, Problem
from khien.kernel.people import reads as people
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.kernel.staff.reads import actor_of_resident
from khien.rooms.quarantine import forms, links, printing, reads, verbs
from khien.rooms.quarantine.models import Alarm, FollowUp, Order

OFFICERS = (Role.COMMUNE_OFFICER, Role.TRACER)
PER_PAGE = 50


# Officers -----------------------------------------------------------------------------------------


@staff_page(*OFFICERS)
def day(request: Request) -> HttpResponse:
    """What an officer does today: sign drafts, look at alarms, follow people up."""
    actor = request.actor
    today = clock.today()
    state = request.GET.get("state", "")
    if state not in FollowUp.State.values:
        state = ""
    follow_ups = reads.follow_ups_of_day(actor, today, state=state)
    page = Paginator(follow_ups, PER_PAGE).get_page(request.GET.get("page"))
    shown = [f.order.person_id for f in page]
    alarms = list(reads.open_alarms(actor)[:100])
    drafts = list(reads.proposals(actor)[:100])
    held = reads.held(actor)
    read(
        actor,
        "quarantine.day",
        persons=[
            *shown,
            *(a.order.person_id for a in alarms),
            *(d.person_id for d in drafts),
            *(h.person_id for h in held),
        ],
        state=state,
    )
    phones = reads.phones(shown)
    return render(
        request,
        "quarantine/day.html",
        {
            "today": today,
            "page": page,
            "rows": [(f, phones.get(f.order.person_id, "")) for f in page],
            "count": reads.day_count(actor, today),
            "state": state,
            "states": FollowUp.State.choices,
            "alarms": alarms,
            "drafts": drafts,
            "held": held,
        },
    )


@staff_page(*OFFICERS)
def order_list(request: Request) -> HttpResponse:
    """Orders in scope; the filter is in the address."""
    form = forms.FilterForm(request.GET)
    wanted = reads.OrderFilter()
    if form.is_valid():
        unit, case = request.GET.get("unit", ""), request.GET.get("case", "")
        wanted = reads.OrderFilter(
            text=form.cleaned_data["q"],
            state=form.cleaned_data["state"],
            kind=form.cleaned_data["kind"],
            degree=form.cleaned_data["degree"],
            unit=int(unit) if unit.isdigit() else None,
            case=int(case) if case.isdigit() else None,
        )
    page = Paginator(reads.orders(request.actor, wanted), PER_PAGE).get_page(request.GET.get("page"))
    read(
        request.actor,
        "quarantine.order_list",
        persons=[o.person_id for o in page],
        state=wanted.state,
        kind=wanted.kind,
        unit=wanted.unit,
        case=wanted.case,
    )
    return render(request, "quarantine/orders.html", {"form": form, "page": page, "wanted": wanted})


@staff_page(*OFFICERS)
def order_page(request: Request, order_id: int) -> HttpResponse:
    """One order: what it says, why, everything that happened, and what can be done with it."""
    return _order_page(request, reads.order(request.actor, order_id))


def _order_page(
    request: Request,
    order: Order,
    bound: dict[str, django_forms.Form] | None = None,
    problem: Problem | None = None,
) -> HttpResponse:
    read(request.actor, "quarantine.order_page", persons=[order.person_id], subject=order)
    made = {
        "extend": forms.ExtendForm(auto_id="extend_%s"),
        "end": forms.ReasonForm(auto_id="end_%s"),
        "cancel": forms.ReasonForm(auto_id="cancel_%s"),
        "move": forms.MoveForm(
            auto_id="move_%s",
            initial={
                "kind": order.kind,
                "address": order.address,
                "site_code": order.site.code if order.site else "",
            },
        ),
        "follow": forms.OfficerDailyForm(auto_id="follow_%s", initial={"day": clock.today()}),
    } | (bound or {})
    return render(
        request,
        "quarantine/order.html",
        {
            "order": order,
            "last_day": reads.last_day(order),
            "grounds": reads.grounds(request.actor, order),
            "timeline": reads.timeline(order),
            "phone": reads.phones([order.person_id]).get(order.person_id, ""),
            "alarms": [
                (a, made.get(f"alarm{a.pk}") or forms.AlarmForm(auto_id=f"alarm{a.pk}_%s"))
                for a in order.alarms.filter(handled_at=None)
            ],
            "forms": made,
            "open": next(iter(bound), "") if bound else "",
            "problem": problem,
            "in_force": order.state == Order.State.ISSUED,
        },
        status=200 if problem is None and not bound else 422,
    )


def _act(
    request: Request,
    order_id: int,
    name: str,
    form: django_forms.Form,
    act: Callable[[dict[str, Any]], object],
    done: str,
) -> HttpResponse:
    """One form of the order page: do it and come back, or show the page again with what is wrong."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("quarantine:order", args=[order_id]))
    order = reads.order(request.actor, order_id)
    if not form.is_valid():
        return _order_page(request, order, {name: form})
    try:
        act(form.cleaned_data)
    except NotFound:
        raise
    except Problem as problem:
        if problem.field in form.fields:
            form.add_error(problem.field, f"{problem.message} {problem.way_out}".strip())
            return _order_page(request, order, {name: form})
        return _order_page(request, order, {name: form}, problem)
    messages.success(request, done)
    return HttpResponseRedirect(reverse("quarantine:order", args=[order_id]))


@staff_page(*OFFICERS)
def extend(request: Request, order_id: int) -> HttpResponse:
    return _act(
        request,
        order_id,
        "extend",
        forms.ExtendForm(request.POST, auto_id="extend_%s"),
        lambda data: verbs.extend_order(
            request.actor, order_id=order_id, last_day=data["last_day"], reason=data["reason"]
        ),
        _("Đã gia hạn."),
    )


@staff_page(*OFFICERS)
def end(request: Request, order_id: int) -> HttpResponse:
    return _act(
        request,
        order_id,
        "end",
        forms.ReasonForm(request.POST, auto_id="end_%s"),
        lambda data: verbs.end_order_early(request.actor, order_id=order_id, reason=data["reason"]),
        _("Đã kết thúc quyết định."),
    )


@staff_page(*OFFICERS)
def cancel(request: Request, order_id: int) -> HttpResponse:
    return _act(
        request,
        order_id,
        "cancel",
        forms.ReasonForm(request.POST, auto_id="cancel_%s"),
        lambda data: verbs.cancel_order(request.actor, order_id=order_id, reason=data["reason"]),
        _("Đã hủy."),
    )


@staff_page(*OFFICERS)
def move(request: Request, order_id: int) -> HttpResponse:
    def act(data: dict[str, Any]) -> object:
        site = None
        if data["site_code"]:
            site = Place.objects.seen_by(request.actor).filter(code__iexact=data["site_code"].strip()).first()
            if site is None:
                raise NotFoundSite()
        return verbs.move_order(
            request.actor,
            order_id=order_id,
            kind=data["kind"],
            site_id=site.pk if site else None,
            address=data["address"],
            reason=data["reason"],
        )

    form = forms.MoveForm(request.POST, auto_id="move_%s")
    return _act(request, order_id, "move", form, act, _("Đã đổi nơi cách ly."))


class NotFoundSite(Problem):
    """A site code that names no place in the officer's units."""

    def __init__(self) -> None:
        super().__init__(
            _("Không có khu cách ly mang mã này trong địa bàn."), field="site_code", way_out=_("Xem lại mã.")
        )


@staff_page(*OFFICERS)
def follow(request: Request, order_id: int) -> HttpResponse:
    return _act(
        request,
        order_id,
        "follow",
        forms.OfficerDailyForm(request.POST, auto_id="follow_%s"),
        lambda data: verbs.record_follow_up(
            request.actor,
            order_id=order_id,
            day=data["day"],
            reached=not data["unreachable"],
            temperature=data["temperature"],
            symptoms=data["symptoms"],
            notes=data["notes"],
            channel=data["channel"],
        ),
        _("Đã ghi."),
    )


@staff_page(*OFFICERS)
def sign(request: Request, order_id: int) -> HttpResponse:
    """One click signs a draft; a page that was open too long says why it cannot."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("quarantine:order", args=[order_id]))
    order = verbs.sign_order(request.actor, order_id=order_id)
    messages.success(request, _("Đã ký quyết định số %(number)s.") % {"number": order.number})
    return HttpResponseRedirect(reverse("quarantine:order", args=[order_id]))


@staff_page(*OFFICERS)
def alarm(request: Request, alarm_id: int) -> HttpResponse:
    """Close an alarm from the page of its order."""
    row = Alarm.objects.seen_by(request.actor).filter(pk=alarm_id).first()
    if row is None:
        raise NotFound()
    if request.method != "POST":
        return HttpResponseRedirect(reverse("quarantine:order", args=[row.order_id]))
    return _act(
        request,
        row.order_id,
        f"alarm{alarm_id}",
        forms.AlarmForm(request.POST, auto_id=f"alarm{alarm_id}_%s"),
        lambda data: verbs.handle_alarm(
            request.actor, alarm_id=alarm_id, outcome=data["outcome"], note=data["note"]
        ),
        _("Đã ghi kết quả xử lý."),
    )


@staff_page(*OFFICERS)
def new(request: Request, public_id: str) -> HttpResponse:
    """An order by hand for one person: the officer answers for it by name."""
    person = people.get(request.actor, public_id)
    read(request.actor, "quarantine.new_order", persons=[person.pk])
    form = forms.NewOrderForm(request.POST or None)
    problem: Problem | None = None
    if request.method == "POST" and form.is_valid():
        try:
            [outcome] = verbs.issue_orders(
                request.actor,
                case_id=None,
                people=[
                    verbs.Exposed(
                        person.pk,
                        form.cleaned_data["degree"],
                        form.cleaned_data["last_exposure"],
                        form.cleaned_data["vaccinated"],
                    )
                ],
            )
        except Problem as fault:
            problem = fault
        else:
            if outcome.order_id is not None:
                messages.success(request, outcome.explanation)
                return HttpResponseRedirect(reverse("quarantine:order", args=[outcome.order_id]))
            problem = Conflict(outcome.explanation, code=outcome.outcome)
    return render(
        request,
        "quarantine/new.html",
        {"person": person, "form": form, "problem": problem},
        status=422 if request.method == "POST" else 200,
    )


@staff_page(*OFFICERS)
def order_pdf(request: Request, order_id: int) -> HttpResponse:
    order = reads.order(request.actor, order_id)
    read(request.actor, "quarantine.order_pdf", persons=[order.person_id], subject=order)
    return _pdf(order)


def _pdf(order: Order) -> HttpResponse:
    if order.number is None:
        raise Conflict(_("Dự thảo chưa ký thì chưa in được."), way_out=_("Ký quyết định trước."))
    answer = HttpResponse(printing.order_pdf(order), content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="{printing.file_name(order)}"'
    answer["Cache-Control"] = "private, no-store"
    return answer


# The person ---------------------------------------------------------------------------------------


@resident_page
def mine(request: Request) -> HttpResponse:
    """The orders of the person who is signed in."""
    assert request.actor.person_id is not None
    rows = [o for o in reads.orders_of_person(request.actor, request.actor.person_id) if o.number]
    return render(
        request, "quarantine/mine.html", {"orders": [(o, reads.last_day(o), _link(o)) for o in rows]}
    )


def _link(order: Order) -> str:
    return reverse("quarantine:by_link", args=[links.token("f", order.pk)])


@resident_page
def my_pdf(request: Request, order_id: int) -> HttpResponse:
    return _pdf(reads.order(request.actor, order_id))


@public_page
def by_link(request: Request, token: str) -> HttpResponse:
    """The daily form behind the link of a message: the dates, two questions, and nothing else."""
    order = reads.by_link(token)
    me = actor_of_resident(order.person_id)
    today = clock.today()
    form = forms.DailyForm(request.POST or None)
    problem: Problem | None = None
    if request.method == "POST" and form.is_valid():
        try:
            verbs.record_follow_up(
                me,
                order_id=order.pk,
                temperature=form.cleaned_data["temperature"],
                symptoms=form.cleaned_data["symptoms"],
                notes=form.cleaned_data["notes"],
            )
        except Problem as fault:
            problem = fault
            if fault.field in form.fields:
                form.add_error(fault.field, f"{fault.message} {fault.way_out}".strip())
                problem = None
        else:
            return HttpResponseRedirect(reverse("quarantine:by_link_done", args=[token]))
    last = max(filter(None, (reads.last_day(order), order.watch_until)))
    return _no_store(
        render(
            request,
            "quarantine/link.html",
            {
                "order": order,
                "token": token,
                "last_day": reads.last_day(order),
                "form": form,
                "problem": problem,
                "is_open": order.state in (Order.State.ISSUED, Order.State.ENDED) and today <= last,
                "answered": order.follow_ups.filter(due_on=today, state=FollowUp.State.DONE).exists(),
                "name": order.person.full_name if _knows_name(request, order) else "",
            },
            status=200 if request.method != "POST" else 422,
        )
    )


@public_page
def by_link_done(request: Request, token: str) -> HttpResponse:
    """Thank you, and what to do when it gets worse."""
    order = reads.by_link(token)
    answer = order.follow_ups.filter(due_on=clock.today(), state=FollowUp.State.DONE).first()
    return _no_store(
        render(
            request,
            "quarantine/link_done.html",
            {
                "token": token,
                "unwell": answer is not None
                and order.alarms.filter(kind=Alarm.Kind.SYMPTOMS, handled_at=None).exists(),
            },
        )
    )


@public_page
def by_link_name(request: Request, token: str) -> HttpResponse:
    """The birth year is asked once before the link shows whose order it is."""
    order = reads.by_link(token)
    form = forms.BirthYearForm(request.POST or None)
    problem: Problem | None = None
    if request.method == "POST" and form.is_valid():
        try:
            if verbs.check_birth_year(
                actor_of_resident(order.person_id), order_id=order.pk, year=form.cleaned_data["year"]
            ):
                request.session[f"quarantine_name_{order.pk}"] = True
                return HttpResponseRedirect(reverse("quarantine:by_link", args=[token]))
            form.add_error("year", _("Không đúng. Xem lại năm sinh trên căn cước."))
        except Problem as fault:
            problem = fault
    return _no_store(
        render(
            request,
            "quarantine/link_name.html",
            {"token": token, "form": form, "problem": problem},
            status=422 if request.method == "POST" else 200,
        )
    )


@public_page
def verify(request: Request, token: str) -> HttpResponse:
    """Whether a printed order is genuine: its number, dates and state, and nothing of the person."""
    order = reads.by_verify_code(token)
    return _no_store(
        render(
            request,
            "quarantine/verify.html",
            {
                "order": order,
                "last_day": reads.last_day(order),
                "holds": order.state == Order.State.ISSUED and order.ends_at > clock.now(),
            },
        )
    )


def _knows_name(request: Request, order: Order) -> bool:
    return (
        bool(request.session.get(f"quarantine_name_{order.pk}")) or request.actor.person_id == order.person_id
    )


def _no_store(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "private, no-store"
    answer["X-Robots-Tag"] = "noindex"
    return answer


app_name = "quarantine"
urlpatterns = [
    path("", day, name="day"),
    path("orders/", order_list, name="orders"),
    path("orders/<int:order_id>/", order_page, name="order"),
    path("orders/<int:order_id>/extend/", extend, name="extend"),
    path("orders/<int:order_id>/end/", end, name="end"),
    path("orders/<int:order_id>/cancel/", cancel, name="cancel"),
    path("orders/<int:order_id>/move/", move, name="move"),
    path("orders/<int:order_id>/follow/", follow, name="follow"),
    path("orders/<int:order_id>/sign/", sign, name="sign"),
    path("orders/<int:order_id>/order.pdf", order_pdf, name="pdf"),
    path("alarms/<int:alarm_id>/", alarm, name="alarm"),
    path("new/<uuid:public_id>/", new, name="new"),
    path("mine/", mine, name="mine"),
    path("mine/<int:order_id>.pdf", my_pdf, name="my_pdf"),
    path("f/<str:token>/", by_link, name="by_link"),
    path("f/<str:token>/done/", by_link_done, name="by_link_done"),
    path("f/<str:token>/name/", by_link_name, name="by_link_name"),
    path("v/<str:token>/", verify, name="verify"),
]
