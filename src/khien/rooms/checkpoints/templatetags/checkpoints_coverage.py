"""Shares as people read them, and numbers as SVG reads them (a comma would break it)."""

from __future__ import annotations

from django import template

from khien.rooms.checkpoints.coverage import Effect

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


@register.filter
def meetings(effect: Effect | None) -> str:
    """Share of meetings that tracing sees: `≈ 31 %` as cases told, `≤ 50 %` where only the most can be said."""
    if effect is None:
        return "–"
    return f"{'≈' if effect.measured else '≤'} {effect.percent} %"
