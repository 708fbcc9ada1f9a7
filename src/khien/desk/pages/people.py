"""The one search, and a person's page."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse

from khien.desk import reads
from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors import Request, staff_page
from khien.kernel.people import reads as people
from khien.kernel.people.models import Person
from khien.kernel.residents.verbs.helping import HELPERS


@staff_page()
def search(request: Request) -> HttpResponse:
    """People, places and what the rooms announce, for one typed text.

    The form is posted: words go on to an address that can be kept, numbers never stand in one. The audit
    line holds the ids shown and the words, never a number.
    """
    posted = request.method == "POST"
    text = (request.POST if posted else request.GET).get("q", "").strip()[:100]
    number = reads.looks_like_a_number(text)
    if posted and not number:
        return HttpResponseRedirect(f"{reverse('desk:search')}?{urlencode({'q': text})}")
    if number and not posted:
        text = ""
    found = None
    if text:
        found = reads.search(request.actor, text)
        if found.people.people:
            read(
                request.actor,
                "desk.search",
                persons=[person.pk for person in found.people.people],
                words="" if number else text,
                count=found.people.count,
            )
    return render(
        request,
        "desk/search.html",
        {"query": text, "found": found, "may_see_people": request.actor.has(*Person.scope_roles)},
    )


@staff_page(*Person.scope_roles)
def person(request: Request, public_id: UUID) -> HttpResponse:
    """One person across all rooms. A merged record leads to the one it was merged into."""
    who = people.get(request.actor, public_id)
    if who.public_id != public_id:
        return HttpResponseRedirect(reverse("desk:person", args=[who.public_id]))
    file = reads.person_file(request.actor, who, clock.now())
    read(request.actor, "desk.person_page", persons=[who.pk], subject=who)
    sections = [
        (panel.title, render_to_string(panel.template, context, request)) for panel, context in file.panels
    ]
    may_help = who.unit is not None and request.actor.covers(who.unit, *HELPERS)
    context = {"file": file, "person": who, "sections": sections, "may_help": may_help}
    return render(request, "desk/person.html", context)
