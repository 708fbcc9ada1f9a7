"""What a version says in a channel, and for which units."""

from __future__ import annotations

from dataclasses import dataclass

from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Audience, BulletinVersion


@dataclass(frozen=True, slots=True)
class Told:
    """One language of a version in one channel; `instruction` is what people should do, where that is told apart."""

    language: str
    title: str
    text: str
    instruction: str = ""


def told(version: BulletinVersion, channel: str) -> list[Told]:
    """What it says there, Vietnamese first. A channel for which nothing was derived has the title and the body."""
    rows = {row.language: row for row in version.texts.filter(channel=channel)}
    found = []
    for language in dict.fromkeys(["vi", *(version.languages or [])]):
        row = rows.get(language)
        if row is not None and (row.text or row.title):
            title, text = row.title or version.title, row.text or version.body
            found.append(Told(language, title, text, row.instruction))
        elif language == "vi":
            found.append(Told("vi", version.title, version.body))
    return found


def units_of(version: BulletinVersion) -> list[AdminUnit]:
    """The units that it is about: those of its audience, else the bulletin's own."""
    ids = [version.bulletin.unit_id]
    if version.audience_id is not None:
        ids = Audience.objects.filter(pk=version.audience_id).values_list("units", flat=True).first() or ids
    return list(AdminUnit.objects.filter(pk__in=ids).order_by("path"))
