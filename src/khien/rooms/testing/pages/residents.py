"""The person's own tests, with what to do next."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from khien.kernel.acts import read
from khien.kernel.doors import Request, resident_page
from khien.rooms.testing import reads


@resident_page
def my_tests(request: Request) -> HttpResponse:
    """Results and requests of the person who is signed in."""
    person_id = request.actor.person_id
    assert person_id is not None
    tests = reads.specimens_of(request.actor, person_id)
    read(request.actor, "testing.my_tests", persons=[person_id])
    context = {"tests": tests, "requests": reads.requests_of(request.actor, person_id)}
    return render(request, "testing/my.html", context)
