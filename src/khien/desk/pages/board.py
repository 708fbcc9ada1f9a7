from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from khien.kernel.doors import Request, staff_page
from khien.kernel.registries import desk_widgets


@staff_page()
def board(request: Request) -> HttpResponse:
    """The situation board: a tile for each widget that the actor's roles open."""
    tiles = [
        (entry.title, render_to_string(entry.template, entry.read(request.actor), request))
        for entry in sorted(desk_widgets, key=lambda entry: entry.order)
        if request.actor.has(*entry.roles)
    ]
    return render(request, "desk/board.html", {"tiles": tiles})
