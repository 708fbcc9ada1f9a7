"""Addresses of what the page of a poster loads."""

from __future__ import annotations

from django import template
from django.urls import reverse

from khien.rooms.checkpoints import poster_parts

register = template.Library()


@register.simple_tag
def poster_part(name: str) -> str:
    """`{% poster_part "poster.css" %}`: the address of that part in its present version."""
    assert name in poster_parts.NAMES, name
    return reverse("checkpoints:poster_part", args=[poster_parts.version(), name])
