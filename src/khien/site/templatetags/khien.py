"""Tags of the theme: `{% load khien %}`."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.urls import reverse

from khien.kernel.registries.registry import MenuEntry
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.roles import Role

register = template.Library()


@dataclass(frozen=True, slots=True)
class MenuLink:
    """An entry of the menu with its address; `current` is "page", "true" (a page inside it) or ""."""

    label: str
    url: str
    current: str


@register.simple_tag(takes_context=True)
def menu_links(context: template.Context) -> list[MenuLink]:
    """The menu of the signed-in member of staff, with the entry of the page that is open."""
    path = context["request"].path
    entries: list[MenuEntry] = context.get("menu") or []
    found = [(str(entry.label), reverse(entry.url_name)) for entry in entries]
    # The board's address begins those of other pages of the desk without being their section.
    sections = [url for _label, url in found if url != reverse("desk:board")]
    inside = max((url for url in sections if path.startswith(url)), key=len, default="")
    return [
        MenuLink(label, url, "page" if url == path else "true" if url == inside else "")
        for label, url in found
    ]


@register.filter
def role_names(actor: Actor) -> str:
    """The names of the roles that a member of staff holds, e.g. "Truy vết, Lãnh đạo"."""
    held = dict.fromkeys(grant.role for grant in actor.grants)
    return ", ".join(str(Role(role).label) for role in held if role in Role.values)
