"""What each channel says when nobody has written it a text of its own: made from title, body and contact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from khien.gateways.sms.text import measure, normalise
from khien.rooms.broadcasts.models import BulletinVersion, Channel, ChannelText

FIRST = "vi"
"""The language that every bulletin has, and the only one of channels with one text for everybody."""
LANGUAGES = (FIRST, "en")
SMS_CHANNELS = (Channel.SMS, Channel.CARRIER_ORDER)
SMS_PARTS = 2
"""What a derived SMS costs at most; an author may write a longer one."""
PUSH_LENGTH = 140
_ONE_LANGUAGE = frozenset({*SMS_CHANNELS, Channel.LOUDSPEAKER})
_SENTENCE = re.compile(r"(?<=[.!?…])\s+")


@dataclass(frozen=True, slots=True)
class Text:
    """What stands in one channel and language; all NFC. `instruction` is of CAP alone."""

    title: str = ""
    text: str = ""
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a text: one channel in one language."""

    channel: str
    language: str


def slots(channels: Sequence[str], languages: Sequence[str]) -> list[Slot]:
    """The texts that a version with these channels and languages has, in the order in which they are shown.

    >>> [(slot.channel, slot.language) for slot in slots(["cap", "sms"], ["vi", "en"])]
    [('sms', 'vi'), ('cap', 'vi'), ('cap', 'en')]
    """
    return [
        Slot(channel, language)
        for channel in Channel.values
        if channel in channels
        for language in LANGUAGES
        if language in languages and (language == FIRST or channel not in _ONE_LANGUAGE)
    ]


def derive(version: BulletinVersion, slot: Slot) -> Text:
    """The text of a channel from the title and body. Empty in another language than theirs: nobody translates
    by machine what a province says."""
    if slot.language != FIRST:
        return Text()
    title, body = version.title, version.body
    match slot.channel:
        case Channel.SMS | Channel.CARRIER_ORDER:
            return Text(text=short(title, body, link_of(version)))
        case Channel.CAP:
            said = paragraphs(body)
            return Text(title, body, said[-1] if len(said) > 1 else "")
        case Channel.LOUDSPEAKER:
            return Text(text="\n".join(filter(None, [sentence(title), *paragraphs(body), version.contact])))
        case Channel.PUSH:
            return Text(title, _cut(" ".join(body.split()), PUSH_LENGTH))
        case _:
            contact = f"\n\n{version.contact}" if version.contact else ""
            return Text(title, body + contact)


def short(title: str, body: str, link: str = "") -> str:
    """The title, as many whole sentences of the body as fit two parts, and where to read the rest."""
    tail = f" Xem {link}" if link else ""
    said = sentence(title)
    for more in _SENTENCE.split(" ".join(body.split())):
        longer = f"{said} {more}".strip()
        if measure(longer + tail).parts > SMS_PARTS:
            break
        said = longer
    return said + tail


def link_of(version: BulletinVersion) -> str:
    """The short address that leads to the article; "" for a bulletin without one."""
    if Channel.ARTICLE not in version.channels:
        return ""
    return settings.KHIEN_URL + reverse("broadcasts:short", args=[version.bulletin_id])


def sentence(text: str) -> str:
    """The text with an end."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…:" else f"{text}."


def paragraphs(body: str) -> list[str]:
    """What empty lines part."""
    return [part.strip() for part in re.split(r"\n\s*\n", body) if part.strip()]


def clean(text: Text) -> Text:
    """The same in NFC with plain line ends."""
    return Text(normalise(text.title), normalise(text.text), normalise(text.instruction))


def text_of(row: ChannelText) -> Text:
    """What a stored row says."""
    return Text(row.title, row.text, row.instruction)


def _cut(text: str, length: int) -> str:
    """At most `length` letters, cut between words."""
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"
