"""What has been published, for staff: articles, chains of alerts, notifications."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from khien.kernel.doors import Request, staff_page
from khien.rooms.broadcasts.models import READERS
from khien.rooms.broadcasts.reads import outlets as reads

PAGE = 30


@staff_page(*READERS)
def articles(request: Request) -> HttpResponse:
    """Articles with what became of them."""
    page = Paginator(reads.articles(request.actor), PAGE).get_page(request.GET.get("page"))
    return render(request, "broadcasts/articles.html", {"page": page})


@staff_page(*READERS)
def alerts(request: Request) -> HttpResponse:
    """CAP messages; the number says which of its bulletin's chain."""
    page = Paginator(reads.alerts(request.actor), PAGE).get_page(request.GET.get("page"))
    return render(request, "broadcasts/alerts.html", {"page": page})


@staff_page(*READERS)
def push(request: Request) -> HttpResponse:
    """Which versions browsers were told of, and how many browsers there are."""
    page = Paginator(reads.push_runs(request.actor), PAGE).get_page(request.GET.get("page"))
    return render(request, "broadcasts/push.html", {"page": page, "browsers": reads.browsers()})
