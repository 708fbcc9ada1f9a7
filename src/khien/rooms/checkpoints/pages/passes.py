"""Passes: on the resident's phone and on paper."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.documents import qr
from khien.kernel.doors import Request, resident_page, staff_page
from khien.kernel.people import reads as people
from khien.kernel.people.models import Person
from khien.kernel.staff import Role
from khien.kernel.standing import colours
from khien.rooms.checkpoints import papers, reads, verbs
from khien.rooms.checkpoints.models import PassCard
from khien.rooms.checkpoints.pages import pdf
from khien.rooms.checkpoints.verbs.passes import text_of


@resident_page
def phone_pass(request: Request) -> HttpResponse:
    """The resident's own pass on the phone."""
    person = Person.objects.get(pk=request.actor.person_id or 0)
    if request.method == "POST":
        verbs.issue_pass(request.actor, person=person, kind=PassCard.Kind.PHONE)
        return redirect("checkpoints:pass")
    card = reads.valid_card(person.pk, PassCard.Kind.PHONE, clock.now())
    picture = mark_safe(qr.svg(text_of(card), error="m")) if card is not None else ""  # noqa: S308 - our own SVG
    colour = colours.of([person.pk], clock.now())[person.pk]
    context = {"card": card, "picture": picture, "person": person, "colour": colour}
    return render(request, "checkpoints/pass.html", context)


@staff_page(Role.COMMUNE_OFFICER, Role.CLERK)
def paper_pass(request: Request, public_id: Any) -> HttpResponse:
    """Issue a paper pass and hand out its PDF; the one that the person had ends."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    person = people.get(request.actor, public_id)
    card = verbs.issue_pass(request.actor, person=person, kind=PassCard.Kind.PAPER)
    return pdf.answer(papers.paper_card(card), "the-khien.pdf")


@staff_page(Role.COMMUNE_OFFICER, Role.CLERK)
def revoke(request: Request, card_id: int) -> HttpResponse:
    """A lost pass ends now."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    verbs.revoke_pass(request.actor, card=reads.card(request.actor, card_id))
    messages.success(request, _("Thẻ đã hết hiệu lực."))
    return redirect(_back(request))


def _back(request: Request) -> str:
    """The page that the form stood on, when it is one of ours."""
    from django.utils.http import url_has_allowed_host_and_scheme

    target = request.POST.get("next", "")
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else "/desk/"
