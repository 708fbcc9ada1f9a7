"""Accounts, rules, duplicates, and what the house has to say of itself."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _

from khien.desk.administration.forms import AccountForm, GrantForm
from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.audit import reads as audit
from khien.kernel.audit.models import Seal
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import NotFound, Problem
from khien.kernel.events import retrying
from khien.kernel.events import verbs as events
from khien.kernel.events.models import Delivery
from khien.kernel.people import reads as people_reads
from khien.kernel.people import verbs as people
from khien.kernel.people.models import DuplicateProposal, Merge
from khien.kernel.registries import retention
from khien.kernel.residents import reads as residents
from khien.kernel.rules import reads as rules
from khien.kernel.rules.models import Rule
from khien.kernel.staff import Role
from khien.kernel.staff import reads as staff_reads
from khien.kernel.staff import verbs as staff
from khien.kernel.staff.models import Account, RoleGrant

LEDGER_KEEPERS = (Role.TRACER, Role.COMMUNE_OFFICER, Role.CLERK, Role.ADMINISTRATOR)


@staff_page(Role.ADMINISTRATOR, Role.AUDITOR)
def house(request: Request) -> HttpResponse:
    """The state of the house: the audit chain, deliveries that failed, what is forgotten when."""
    today = clock.today()
    forgotten = []
    for _key, entry in retention.items():
        rule = rules.on(entry.rule_key, today)
        forgotten.append({"title": entry.title, "days": rule.value["days"], "rule": rule})
    failed = (
        Delivery.objects.filter(done_at__isnull=True, attempts__gt=0).select_related("event").order_by("pk")
    )
    return render(
        request,
        "desk/administration/house.html",
        {
            "sealing": audit.sealing(),
            "last_seal": Seal.objects.order_by("-pk").first(),
            "failed": failed[:100],
            "waiting": Delivery.objects.filter(done_at__isnull=True, attempts=0).count(),
            "forgotten": forgotten,
            "budget": residents.budget(),
            "alarms": residents.alarms(),
        },
    )


@staff_page(Role.ADMINISTRATOR)
def retry_delivery(request: Request, pk: int) -> HttpResponse:
    """Deliver a failed event again now."""
    if request.method == "POST":
        delivery = get_object_or_404(Delivery, pk=pk)
        retrying.retry_delivery(request.actor, delivery=delivery)
        events.deliver_events([delivery.event_id])
        if Delivery.objects.filter(pk=pk, done_at__isnull=False).exists():
            messages.success(request, _("Đã chuyển lại."))
        else:
            messages.error(request, _("Vẫn chưa được; lý do ghi ở bảng dưới."))
    return redirect("administration:house")


@staff_page(Role.ADMINISTRATOR)
def accounts(request: Request) -> HttpResponse:
    """Accounts in the administrator's units, and a form for a new one."""
    form = AccountForm(request.POST or None)
    problem = None
    if request.method == "POST" and form.is_valid():
        try:
            account = staff.create_account(request.actor, **form.cleaned_data)
        except Problem as fault:
            problem = fault
        else:
            messages.success(request, _("Đã tạo tài khoản; hãy cấp vai trò."))
            return redirect("administration:account", pk=account.pk)
    held = RoleGrant.objects.filter(during__contains=clock.now()).select_related("unit")
    rows = (
        staff_reads.accounts_seen_by(request.actor)
        .prefetch_related(Prefetch("grants", queryset=held, to_attr="held"))
        .order_by("username")
    )
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    return render(
        request, "desk/administration/accounts.html", {"page": page, "form": form, "problem": problem}
    )


@staff_page(Role.ADMINISTRATOR)
def account(request: Request, pk: int) -> HttpResponse:
    """One account: its roles, given and ended; open or closed."""
    row = staff_reads.accounts_seen_by(request.actor).filter(pk=pk).first()
    if row is None:
        raise NotFound()
    form = GrantForm(request.actor, request.POST if request.POST.get("act") == "grant" else None)
    problem = None
    if request.method == "POST":
        try:
            done = _change_account(request, row, form)
        except Problem as fault:
            problem = fault
        else:
            if done:
                return redirect("administration:account", pk=pk)
    grants = row.grants.select_related("unit").order_by("-during")
    return render(
        request,
        "desk/administration/account.html",
        {"account": row, "grants": grants, "form": form, "problem": problem, "moment": clock.now()},
    )


def _change_account(request: Request, row: Account, form: GrantForm) -> bool:
    act = request.POST.get("act")
    if act == "grant" and form.is_valid():
        staff.grant_role(
            request.actor, account=row, role=form.cleaned_data["role"], unit=form.cleaned_data["unit"]
        )
    elif act == "end":
        staff.end_role(request.actor, grant=get_object_or_404(row.grants, pk=request.POST.get("grant")))
    elif act in {"open", "close"}:
        staff.set_active(request.actor, account=row, active=act == "open")
    else:
        return False
    return True


@staff_page()
def rules_in_force(request: Request) -> HttpResponse:
    """The rules of a day, each with its decision; those whose text is not confirmed say so."""
    try:
        day = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        day = clock.today()
    rows = Rule.objects.filter(during__contains=day).select_related("key").order_by("key__key")
    return render(request, "desk/administration/rules.html", {"rules": rows, "day": day})


@staff_page(*LEDGER_KEEPERS)
def duplicates(request: Request) -> HttpResponse:
    """Pairs of records that look like one person, for a named person to decide; and merges to undo."""
    if request.method == "POST":
        return _decide(request)
    proposals = people_reads.duplicate_proposals(request.actor)
    page = Paginator(proposals, 30).get_page(request.GET.get("page"))
    merges = people_reads.merges(request.actor)[:30]
    read(
        request.actor,
        "people.duplicates",
        persons=[pk for row in page for pk in (row.first_id, row.second_id)]
        + [pk for row in merges for pk in (row.kept_id, row.gone_id)],
    )
    return render(request, "desk/administration/duplicates.html", {"page": page, "merges": merges})


def _decide(request: Request) -> HttpResponse:
    actor = request.actor
    if merge_id := request.POST.get("unmerge"):
        people.unmerge(actor, merged=get_object_or_404(people_reads.merges(actor), pk=merge_id))
        messages.success(request, _("Đã hoàn tác lần gộp."))
        return redirect("administration:duplicates")
    proposal: DuplicateProposal = get_object_or_404(
        people_reads.duplicate_proposals(actor), pk=request.POST.get("proposal")
    )
    if request.POST.get("decision") == "different":
        people.keep_apart(actor, proposal=proposal)
        messages.success(request, _("Đã ghi: hai người khác nhau."))
    else:
        pair = {str(proposal.first_id): proposal.first, str(proposal.second_id): proposal.second}
        kept = pair.pop(request.POST.get("decision", ""), None)
        if kept is None:
            raise NotFound()
        merged: Merge = people.merge(actor, kept=kept, gone=pair.popitem()[1])
        messages.success(request, _("Đã gộp vào hồ sơ của %(name)s.") % {"name": merged.kept.full_name})
    return redirect("administration:duplicates")


app_name = "administration"
urlpatterns = [
    path("", house, name="house"),
    path("deliveries/<int:pk>/retry/", retry_delivery, name="retry_delivery"),
    path("accounts/", accounts, name="accounts"),
    path("accounts/<int:pk>/", account, name="account"),
    path("rules/", rules_in_force, name="rules"),
    path("duplicates/", duplicates, name="duplicates"),
]
