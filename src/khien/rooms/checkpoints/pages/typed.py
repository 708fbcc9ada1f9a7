"""People whom guards typed in because they had no code: who is it?"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import NotFound
from khien.kernel.people import reads as people
from khien.kernel.staff import Role
from khien.rooms.checkpoints import reads, verbs


@staff_page(Role.COMMUNE_OFFICER)
def typed_list(request: Request) -> HttpResponse:
    """Those whom the machine could not link to exactly one person."""
    page = Paginator(reads.typed_people(request.actor), 20).get_page(request.GET.get("page"))
    rows = reads.with_candidates(request.actor, list(page.object_list))
    return render(request, "checkpoints/typed.html", {"page": page, "rows": rows})


@staff_page(Role.COMMUNE_OFFICER)
def typed_settle(request: Request, typed_id: int) -> HttpResponse:
    """Link one to a person, or say that it is nobody in the ledger."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if request.POST.get("drop"):
        verbs.drop_typed(request.actor, typed_id=typed_id)
        messages.success(request, _("Đã bỏ qua."))
    else:
        try:
            chosen = UUID(request.POST.get("person", ""))
        except ValueError as fault:
            raise NotFound(_("Chưa chọn người."), way_out=_("Chọn một người trong danh sách.")) from fault
        person = people.get(request.actor, chosen)
        verbs.link_typed(request.actor, typed_id=typed_id, person=person)
        messages.success(request, _("Đã ghi vào hồ sơ của người này."))
    return redirect("checkpoints:typed")
