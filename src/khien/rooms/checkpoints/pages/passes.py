"""Passes: on the resident's phone, on paper, and the list of those that count no more."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.staticfiles import finders
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.documents import qr
from khien.kernel.doors import Request, public_page, resident_page, staff_page
from khien.kernel.errors import Problem
from khien.kernel.people import reads as people
from khien.kernel.people.models import Person
from khien.kernel.staff import Role
from khien.kernel.standing import colours
from khien.rooms.checkpoints import papers, passes, reads, verbs
from khien.rooms.checkpoints.forms import CardFilter
from khien.rooms.checkpoints.models import PassCard
from khien.rooms.checkpoints.pages import pdf
from khien.rooms.checkpoints.verbs.passes import text_of

OFFLINE_FILES = (
    "checkpoints/pass.css",
    "checkpoints/pass.js",
    "checkpoints/pass-store.js",
    "checkpoints/step.js",
    "vendor/lean-qr/index.mjs",
    "khien/khien.css",
    "vendor/govuk-frontend/govuk-frontend.min.css",
    "khien/mark.svg",
    "vendor/be-vietnam-pro/vietnamese-400.woff2",
    "vendor/be-vietnam-pro/vietnamese-600.woff2",
    "vendor/be-vietnam-pro/latin-400.woff2",
    "vendor/be-vietnam-pro/latin-600.woff2",
)
"""What the page of the pass needs without network."""


@resident_page
def phone_pass(request: Request) -> HttpResponse:
    """The resident's own pass on the phone. A browser with a key store shows it with fresh steps; another shows a
    picture that stands still."""
    person = Person.objects.get(pk=request.actor.person_id or 0)
    if request.method == "POST":
        verbs.issue_pass(request.actor, person=person, kind=PassCard.Kind.PHONE)
        return redirect("checkpoints:pass")
    now = clock.now()
    card = reads.valid_card(person.pk, PassCard.Kind.PHONE, now)
    still = card is not None and card.device_key is None
    picture = mark_safe(qr.svg(text_of(card), error="m")) if card is not None and still else ""  # noqa: S308 - our own SVG
    context = {
        "card": card,
        "picture": picture,
        "person": person,
        "colour": colours.of([person.pk], now)[person.pk],
        "at": _said(now),
    }
    return render(request, "checkpoints/pass.html", context)


@resident_page
def phone_key(request: Request) -> HttpResponse:
    """A phone has made its key: the pass that names it, as JSON. The pass that another phone had ends."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    person = Person.objects.get(pk=request.actor.person_id or 0)
    try:
        point = base64.b64decode(request.POST.get("point", ""), validate=True)
        card = verbs.issue_pass(
            request.actor, person=person, kind=PassCard.Kind.PHONE, device_key=point or b"-"
        )
    except ValueError:
        return JsonResponse({"message": _("Khóa của điện thoại không đúng dạng.")}, status=422)
    except Problem as problem:
        return JsonResponse(problem.as_dict(), status=problem.status)
    return JsonResponse(
        {
            "sub": card.sub,
            "text": text_of(card),
            "expires": int(card.expires_at.timestamp() * 1000),
            "name": passes.mask_name(person.full_name),
            "birth_year": person.birth_year,
            **_colour(person),
        },
        headers={"Cache-Control": "no-store"},
    )


@resident_page
def phone_state(request: Request) -> HttpResponse:
    """The colour of the resident's card now, and which pass of theirs counts, for the page that is open."""
    person = Person.objects.get(pk=request.actor.person_id or 0)
    card = reads.valid_card(person.pk, PassCard.Kind.PHONE, clock.now())
    return JsonResponse(
        {"sub": card.sub if card is not None else "", **_colour(person)},
        headers={"Cache-Control": "no-store"},
    )


@public_page
def shell(request: Request) -> HttpResponse:
    """The page of the pass without anybody's data: what a phone opens when there is no network."""
    return render(request, "checkpoints/pass_shell.html", {})


@public_page
def worker(request: Request) -> HttpResponse:
    """The service worker of the pass. Its bytes change when a file does, so phones renew what they keep."""
    digest = hashlib.sha256()
    for name in (*OFFLINE_FILES, "checkpoints/pass-worker.js"):
        digest.update(_file(name))
    digest.update(render_to_string("checkpoints/pass_shell.html").encode())
    head = (
        f'const VERSION = "{digest.hexdigest()[:16]}";\n'
        f'const SHELL = "{reverse("checkpoints:pass_shell")}";\n'
        f"const FILES = {[static(name) for name in OFFLINE_FILES]!r};\n"
    )
    body = head.encode() + _file("checkpoints/pass-worker.js")
    return HttpResponse(body, content_type="text/javascript", headers={"Cache-Control": "no-cache"})


@staff_page(Role.COMMUNE_OFFICER, Role.CLERK)
def card_list(request: Request) -> HttpResponse:
    """Passes of the actor's units by state: those reported lost first of all."""
    form = CardFilter(request.GET or None)
    asked = form.cleaned_data if form.is_valid() else {}
    found = reads.cards(request.actor, state=asked.get("state") or "lost", kind=asked.get("kind") or "")
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    shown = [card.person_id for card in page]
    if shown:
        read(request.actor, "checkpoints.cards", persons=shown, state=asked.get("state") or "lost")
    return render(request, "checkpoints/cards.html", {"form": form, "page": page})


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
    reason = request.POST.get("reason") or PassCard.RevokedFor.WITHDRAWN
    verbs.revoke_pass(request.actor, card=reads.card(request.actor, card_id), reason=reason)
    messages.success(request, _("Thẻ đã hết hiệu lực."))
    return redirect(_back(request))


def _colour(person: Person) -> dict[str, str]:
    now = clock.now()
    card = colours.of([person.pk], now)[person.pk]
    return {
        "colour": card.colour,
        "word": card.word,
        "reason": card.reason,
        "at": _said(now),
    }


def _said(moment: datetime) -> str:
    return clock.local(moment).strftime("%H:%M %d/%m/%Y")


def _file(name: str) -> bytes:
    found = finders.find(name) or Path(settings.STATIC_ROOT) / name
    return Path(str(found)).read_bytes()


def _back(request: Request) -> str:
    """The page that the form stood on, when it is one of ours."""
    from django.utils.http import url_has_allowed_host_and_scheme

    target = request.POST.get("next", "")
    return target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else "/desk/"
