"""All that a version sends out, as one thing: what it is, its hash, how two versions differ."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from django.utils.translation import gettext as _

from khien.gateways.sms.text import strip_accents
from khien.kernel import clock
from khien.kernel.errors import Text as Words
from khien.rooms.broadcasts import deriving, wording
from khien.rooms.broadcasts.models import BulletinVersion, Channel, ChannelText

PLAIN = (
    "title",
    "body",
    "contact",
    "category",
    "urgency",
    "severity",
    "certainty",
    "policy",
    "is_emergency",
    "plain_sms",
)
_WORDS = re.compile(r"\s+|[^\s]+")


def texts_of(version: BulletinVersion) -> list[ChannelText]:
    """The rows of the channels and languages that are chosen, in their order; what was written for others waits."""
    rows = {(row.channel, row.language): row for row in version.texts.all()}
    wanted = deriving.slots(version.channels, version.languages)
    return [rows[slot.channel, slot.language] for slot in wanted if (slot.channel, slot.language) in rows]


def final(version: BulletinVersion, row: ChannelText) -> str:
    """The text of a row as it goes out: an SMS without accents where the author has agreed to that."""
    if version.plain_sms and row.channel in deriving.SMS_CHANNELS:
        return strip_accents(row.text)
    return row.text


def content_of(version: BulletinVersion) -> dict[str, Any]:
    """All that goes out, as plain values. Whether it goes out at night is its approver's word, and not in it."""
    recordings = version.audios.filter(is_recording=True).values_list("language", "mp3_hash")
    return {
        **{name: getattr(version, name) for name in PLAIN},
        "effective_at": _moment(version.effective_at),
        "expires_at": _moment(version.expires_at),
        "languages": sorted(version.languages),
        "channels": sorted(version.channels),
        "texts": [
            [row.channel, row.language, row.title, final(version, row), row.instruction]
            for row in texts_of(version)
        ],
        "recordings": sorted([language, of] for language, of in recordings),
    }


def hash_of(version: BulletinVersion) -> str:
    """SHA-256, hex, of the content as JSON: keys sorted, no spaces, UTF-8."""
    written = json.dumps(content_of(version), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return digest(written)


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is in both, in the older or in the newer only."""

    sort: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between two versions, word by word."""

    label: Words
    pieces: tuple[Piece, ...]


def changes(older: Iterable[tuple[Words, str]], newer: Iterable[tuple[Words, str]]) -> list[Change]:
    """What differs between two lists of (label, text), by label."""
    before = {str(label): text for label, text in older}
    after = {str(label): text for label, text in newer}
    labels = list(dict.fromkeys([*after, *before]))
    return [
        Change(label, pieces(before.get(label, ""), after.get(label, "")))
        for label in labels
        if before.get(label, "") != after.get(label, "")
    ]


def pieces(before: str, after: str) -> tuple[Piece, ...]:
    """The two texts, word by word.

    >>> [(piece.sort, piece.text) for piece in pieces("đến 20/9", "đến 21/9")]
    [('same', 'đến '), ('gone', '20/9'), ('new', '21/9')]
    """
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    found = []
    for act, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if act == "equal":
            found.append(Piece("same", "".join(old[a:b])))
            continue
        if a != b:
            found.append(Piece("gone", "".join(old[a:b])))
        if c != d:
            found.append(Piece("new", "".join(new[c:d])))
    return tuple(found)


def listed(version: BulletinVersion) -> list[tuple[Words, str]]:
    """All that a version says, with what each part is called on screens."""
    rows: list[tuple[Words, str]] = [
        (_("Tiêu đề"), version.title),
        (_("Nội dung"), version.body),
        (_("Liên hệ"), version.contact),
        (_("Loại tin (CAP)"), str(wording.CATEGORIES[version.category])),
        (_("Mức gấp (CAP)"), str(wording.URGENCIES[version.urgency])),
        (_("Mức nặng (CAP)"), str(wording.SEVERITIES[version.severity])),
        (_("Mức chắc chắn (CAP)"), str(wording.CERTAINTIES[version.certainty])),
        (_("Hiệu lực từ"), _shown(version.effective_at)),
        (_("Hết hiệu lực"), _shown(version.expires_at)),
        (_("Ngôn ngữ"), ", ".join(str(wording.LANGUAGES[key]) for key in version.languages)),
        (_("Kênh"), ", ".join(str(Channel(key).label) for key in Channel.values if key in version.channels)),
        (_("Tin không rõ đã gửi hay chưa"), version.get_policy_display()),
        (_("Khẩn cấp"), _("có") if version.is_emergency else _("không")),
    ]
    for row in texts_of(version):
        label = f"{row.get_channel_display()} · {wording.LANGUAGES[row.language]}"
        if row.title:
            rows.append((f"{label} · {_('tiêu đề')}", row.title))
        rows.append((label, final(version, row)))
        if row.instruction:
            rows.append((f"{label} · {_('hướng dẫn')}", row.instruction))
    return rows


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def _shown(moment: datetime | None) -> str:
    return f"{clock.reads.local(moment):%H:%M %d/%m/%Y}" if moment else ""
