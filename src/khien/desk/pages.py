"""The screens that cross rooms."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from khien.kernel.doors import Request, public_page, staff_page
from khien.kernel.registries import desk_widgets


@public_page
def home(request: Request) -> HttpResponse:
    """What this is, and where to sign in."""
    return render(request, "desk/home.html")


@staff_page()
def board(request: Request) -> HttpResponse:
    """The situation board: a tile for each widget that the actor's roles open."""
    tiles = [
        (entry, entry.read(request.actor))
        for entry in sorted(desk_widgets, key=lambda entry: entry.order)
        if request.actor.has(*entry.roles)
    ]
    return render(request, "desk/board.html", {"tiles": tiles})


app_name = "desk"
urlpatterns = [
    path("", home, name="home"),
    path("desk/", board, name="board"),
]
