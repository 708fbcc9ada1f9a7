"""A declaration by its code: for guards only a colour, for the declarer the whole of it."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors import Request, public_page, staff_page
from khien.kernel.doors.address import block_of
from khien.kernel.errors import Problem
from khien.kernel.forms.telling import told
from khien.kernel.staff import Role
from khien.rooms.declarations import codes, reads, verbs
from khien.rooms.declarations.forms import OpenForm
from khien.rooms.declarations.models import HELPERS, Declaration
from khien.rooms.declarations.pages import entering

_OPEN = "declarations_open"


@public_page
@never_cache
def find(request: Request) -> HttpResponse:
    """Open one's declaration: the code, and the birth year or the phone's last digits."""
    form = OpenForm(request.POST or None, initial={"code": request.GET.get("code", "")[:40]})
    if request.method == "POST" and form.is_valid():
        try:
            row = verbs.open_with_code(request.actor, block=block_of(request), **form.cleaned_data)
        except Problem as wrong:
            form.add_error("proof", str(wrong))
        else:
            if row is not None:
                request.session[_OPEN] = row.pk
                return redirect("declarations:opened")
            form.add_error(None, _("Mã và năm sinh (hoặc số điện thoại) không khớp. Xem lại cả hai ô."))
    return render(request, "declarations/find.html", {"form": form}, status=422 if form.errors else 200)


@public_page
@never_cache
def opened(request: Request) -> HttpResponse:
    """What was declared, for who has just opened it."""
    row = Declaration.objects.select_related("form", "unit").filter(pk=request.session.get(_OPEN, 0)).first()
    if row is None:
        return redirect("declarations:find")
    return render(
        request,
        "declarations/opened.html",
        {
            "row": row,
            "card": reads.shown(row, clock.now()),
            "code": codes.shown(row.code),
            "picture": entering.picture(row.code),
            "sections": told(row.form.spec, row.content),
        },
    )


@public_page
def again(request: Request, key: str) -> HttpResponse:
    """A new declaration that begins with what the opened one says."""
    row = Declaration.objects.filter(pk=request.session.get(_OPEN, 0), kind=key, parent=None).first()
    if row is not None:
        request.session[entering.PREFILL] = {"key": key, "content": row.content}
        return redirect(f"/declarations/new/{key}/?again=1")
    return redirect("declarations:new", key=key)


@staff_page(Role.GUARD, *HELPERS)
def at_gate(request: Request) -> HttpResponse:
    """What a guard sees of a code: colour, masked name, time and validity."""
    text = request.GET.get("code", "")
    row = reads.by_code(text) if text else None
    if row is not None:
        read(
            request.actor,
            "declarations.at_gate",
            persons=[row.person_id] if row.person_id else [],
            subject=row,
        )
    return render(
        request,
        "declarations/code.html",
        {
            "text": text[:40],
            "asked": bool(text),
            "wrong": bool(text) and codes.parsed(text) is None,
            "row": row,
            "card": reads.shown(row, clock.now()) if row is not None else None,
        },
    )
