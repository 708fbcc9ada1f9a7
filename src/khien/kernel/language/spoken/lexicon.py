"""Abbreviations, foreign words, units: how they are said. Data (`words.csv`) that a province can extend."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from khien.kernel.errors import Invalid
from khien.kernel.language.spoken.syllables import ALPHABET

KINDS = frozenset({"word", "any", "title", "initial", "document", "issuer", "unit", "money"})
_COLUMNS = ("written", "spoken", "kind", "doubt")
_SPOKEN = re.compile(r"[^\W\d_]+(?:,? [^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the data: what is `written` is `spoken` so.

    `kind` says where it holds: "word" anywhere, exactly as written; "any" in any case of letters; "title"
    (TP, BS) also with a dot before a name; "initial" (Q, P) only with a dot before a name or a number;
    "document" and "issuer" inside a document's number; "unit" and "money" after a number. `doubt` names
    another meaning: then the author is shown the place.
    """

    written: str
    spoken: str
    kind: str
    doubt: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Invalid(
                _("Loại từ “%(kind)s” không có.") % {"kind": self.kind},
                field="kind",
                way_out=_("Dùng một trong: %(kinds)s.") % {"kinds": ", ".join(sorted(KINDS))},
            )
        if not self.written.strip() or len(self.written) > 40:
            raise Invalid(_("Chữ viết tắt trống hoặc dài quá 40 ký tự."), field="written")
        readable = _SPOKEN.fullmatch(self.spoken) and all(
            c in ALPHABET or c in " ," for c in self.spoken.lower()
        )
        if not readable or len(self.spoken) > 200:
            raise Invalid(
                _("Cách đọc “%(spoken)s” phải viết hoàn toàn bằng chữ tiếng Việt.") % {"spoken": self.spoken},
                field="spoken",
                way_out=_("Viết ra thành lời, không dùng số, dấu hay chữ viết tắt."),
            )


class Lexicon:
    """Entries that can be looked up by what is written; later entries replace earlier ones of the same kind."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple({(entry.kind, entry.written): entry for entry in entries}.values())
        self._of_kind: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        for entry in self.entries:
            self._of_kind[entry.kind][entry.written] = entry
        # Where a word starts: its first letter in lower case leads to all that may stand there, longest first.
        self._starting: dict[str, list[Entry]] = {}
        for entry in sorted(self.entries, key=lambda entry: -len(entry.written)):
            if entry.kind in {"word", "any", "title", "initial"}:
                self._starting.setdefault(entry.written[0].lower(), []).append(entry)

    def extended(self, entries: Iterable[Entry]) -> Lexicon:
        """This lexicon and more; an entry of the same kind and writing replaces the one that was here."""
        return Lexicon([*self.entries, *entries])

    def of_kind(self, kind: str) -> Mapping[str, Entry]:
        """Entries of one kind by what is written."""
        return self._of_kind[kind]

    def starting(self, letter: str) -> list[Entry]:
        """Words, titles and initials that start with that letter in either case, the longest first."""
        return self._starting.get(letter.lower(), [])


def read(path: Path) -> list[Entry]:
    """The entries of a CSV in UTF-8 with the columns `written,spoken,kind,doubt` (the last may be missing).

    Raises `Invalid`, which names the line, for an entry that cannot be used.
    """
    entries = []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        if not set(_COLUMNS[:3]) <= set(rows.fieldnames or ()):
            raise Invalid(
                _("Tệp từ viết tắt thiếu cột."), way_out=_("Dòng đầu phải là: written,spoken,kind,doubt.")
            )
        for row in rows:
            try:
                entries.append(Entry(*(str(row.get(name) or "").strip() for name in _COLUMNS)))
            except Invalid as fault:
                raise Invalid(
                    _("Dòng %(line)d: %(reason)s") % {"line": rows.line_num, "reason": fault.message},
                    field=fault.field,
                    way_out=fault.way_out,
                ) from fault
    return entries


@lru_cache(maxsize=1)
def standard() -> Lexicon:
    """The entries that ship with the product."""
    return Lexicon(read(Path(__file__).with_name("words.csv")))
