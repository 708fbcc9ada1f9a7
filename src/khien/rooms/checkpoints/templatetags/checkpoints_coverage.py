"""Shares as people read them, and numbers as SVG reads them (a comma would break it)."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """`0.385` → `38,5 %`; a dash when there is nothing to share."""
    return "–" if share is None else f"{100 * share:.1f} %".replace(".", ",")


@register.filter
def bar(share: float | None) -> str:
    """For `<progress value>`."""
    return f"{share or 0:.3f}"


@register.filter
def plain(number: float) -> str:
    """With a point in every language."""
    return f"{number:g}"
