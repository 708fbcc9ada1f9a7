"""The page that somebody reads aloud where a station plays no files, or no engine is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from khien.kernel.documents import pdf
from khien.kernel.language import spoken

_TEMPLATE = Path(__file__).with_name("script.typ")


@dataclass(frozen=True, slots=True)
class Script:
    """What stands on it: the text as written, who sends it to which station, how urgent it is, when it is read.

    `times` are moments or words ("7 giờ và 17 giờ hằng ngày"); `repeat` how many times it is read in a row.
    """

    title: str
    text: str
    authority: str
    station: str = ""
    priority: str = ""
    number: str = ""
    times: Sequence[datetime | str] = ()
    repeat: int = 1
    valid_until: datetime | None = None
    contact: str = ""


def pdf_of(script: Script, *, numerals: spoken.Numerals = spoken.NORTH) -> bytes:
    """The script as PDF on A4: the words as they are said in large print, with room to note when it was read."""
    words = spoken.read_aloud(script.text, numerals=numerals).text
    return pdf.render(
        _TEMPLATE,
        {
            "title": script.title,
            "paragraphs": [line[:1].upper() + line[1:] for line in words.split("\n")],
            "authority": script.authority,
            "station": script.station,
            "priority": script.priority,
            "number": script.number,
            "times": list(script.times),
            "repeat": script.repeat,
            "valid_until": script.valid_until,
            "contact": script.contact,
        },
    )
