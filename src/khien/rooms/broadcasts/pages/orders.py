"""Orders to carriers: what waits to be handed over, what waits for counts."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel import keys
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.rooms.broadcasts import ordering
from khien.rooms.broadcasts.audience_forms import (
    BecauseForm,
    OrderFilter,
    ReportFileForm,
    ReportForm,
    SentForm,
)
from khien.rooms.broadcasts.models import READERS, WRITERS, CarrierOrder
from khien.rooms.broadcasts.reads import orders as reads
from khien.rooms.broadcasts.verbs import orders as verbs

PAGE = 50


@staff_page(*READERS)
def orders(request: Request) -> HttpResponse:
    """Orders, latest first; `version` narrows to those of one version of a bulletin."""
    form = OrderFilter(request.GET)
    rows = reads.orders(request.actor, state=form.cleaned_data["state"] if form.is_valid() else "")
    version = request.GET.get("version", "")
    if version.isascii() and version.isdigit() and len(version) < 12:
        rows = rows.filter(version_id=int(version))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": [(row, reads.is_overdue(row)) for row in page.object_list],
    }
    return render(request, "broadcasts/orders.html", context)


@staff_page(*READERS)
def order(request: Request, pk: int) -> HttpResponse:
    """One order: hand it over, enter its counts, take it back."""
    row = reads.order(request.actor, pk)
    action = request.POST.get("action", "") if request.method == "POST" else ""
    forms = {
        "sent": SentForm(request.POST if action == "sent" else None),
        "report": ReportForm(
            request.POST if action == "report" else None,
            initial={name: getattr(row, name) for name in ordering.FIGURES},
        ),
        "file": ReportFileForm(
            request.POST if action == "file" else None, request.FILES if action == "file" else None
        ),
        "cancel": BecauseForm(request.POST if action == "cancel" else None),
    }
    form = forms.get(action)
    if form is not None and form.is_valid():
        try:
            said = _do(request, row, action, form.cleaned_data)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            messages.success(request, said)
            return redirect("broadcasts:order", pk=pk)
    states = CarrierOrder.State
    may_write = request.actor.has(*WRITERS)
    context = {
        "order": row,
        "forms": forms,
        "is_overdue": reads.is_overdue(row),
        "is_genuine": ordering.is_genuine(row),
        "may_send": may_write and row.state == states.ORDERED,
        "may_report": may_write and row.state in (states.SENT, states.REPORTED),
        "may_cancel": may_write and row.state in (states.ORDERED, states.SENT),
    }
    failed = form is not None and bool(form.errors)
    return render(request, "broadcasts/order.html", context, status=422 if failed else 200)


@staff_page(*READERS)
def packet(request: Request, pk: int) -> HttpResponse:
    """What goes to the carrier, as a ZIP."""
    row = reads.order(request.actor, pk)
    return _download(ordering.packet(row), "application/zip", f"{row.reference}.zip")


@staff_page(*READERS)
def letter(request: Request, pk: int) -> HttpResponse:
    """The letter alone, as it was signed."""
    row = reads.order(request.actor, pk)
    return _download(bytes(row.document), "application/pdf", f"{row.reference}.pdf")


@staff_page(*READERS)
def key(request: Request) -> HttpResponse:
    """The public key, for carriers to have beforehand."""
    current = keys.current(ordering.PURPOSE)
    return _download(ordering.public_key(current.id), "application/x-pem-file", f"khien-{current.id}.pem")


def _do(request: Request, row: CarrierOrder, action: str, given: dict[str, object]) -> str:
    if action == "sent":
        verbs.mark_order_sent(request.actor, order=row, how=str(given["how"]))
        return _("Đã ghi nhận gửi nhà mạng.")
    if action == "cancel":
        verbs.cancel_order(request.actor, order=row, because=str(given["because"]))
        return _("Đã hủy lệnh.")
    if action == "file":
        report = ordering.read_report(row, given["file"].read())  # type: ignore[attr-defined]
    else:
        report = ordering.report_of({name: int(str(given[name])) for name in ordering.FIGURES})
    verbs.report_order(request.actor, order=row, report=report)
    return _("Đã nhận báo cáo của nhà mạng.")


def _download(octets: bytes, kind: str, name: str) -> HttpResponse:
    answer = HttpResponse(octets, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    return answer
