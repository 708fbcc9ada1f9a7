from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from khien.kernel.doors import Request, public_page


@public_page
def home(request: Request) -> HttpResponse:
    """What this is, and where each sort of visitor goes on."""
    return render(request, "desk/home.html")
