"""Printed things: orders, posters, cards. Typst sets them from a template and data that never mix.

A template is a `.typ` file of a room (or its source); the data reach it as JSON through `sys.inputs`, so a name
with brackets, backslashes or `#` prints as itself and cannot become markup::

    #import "/kernel/documents/khien.typ": *
    #show: page-a4
    #let d = data()
    = #d.title
    #qr(d.qr, 15cm)

Fonts ship with the product and the system's are not looked at, so the same data give the same pages everywhere.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from khien.kernel import clock
from khien.kernel.language import dates

_ROOT = Path(__file__).resolve().parents[2]
_FONTS = Path(__file__).with_name("fonts")


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[_FONTS])


def render(template: Path | str, data: dict[str, Any]) -> bytes:
    """The PDF that `template` makes of `data`.

    `template` is a path, or the source itself. `data` is JSON-able; days and moments are given as they are and
    print as Vietnamese dates (moments in Vietnamese time). The PDF bears the business time at which it was made.
    Raises `typst.TypstError`, which names the line, for a template that does not compile.
    """
    # typst takes either; its stubs want one type for this and the root.
    source: Any = template.encode() if isinstance(template, str) else template
    made = typst.compile(
        source,
        root=_ROOT,
        font_paths=_fonts(),
        format="pdf",
        sys_inputs={"data": json.dumps(data, ensure_ascii=False, default=_plain)},
        timestamp=int(clock.now().timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return dates.moment(value)
    if isinstance(value, date):
        return dates.short(value)
    return str(value)
