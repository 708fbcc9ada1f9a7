"""A PDF as an answer."""

from __future__ import annotations

from django.http import HttpResponse


def answer(content: bytes, name: str) -> HttpResponse:
    """Shown in the browser under a file name, and kept nowhere on the way."""
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"},
    )
