"""What the page of a poster loads, under addresses that bear a hash over all of it: kept for a year, never asked for
again, and small on the way."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.contrib.staticfiles import finders

NAMES = ("poster.css", "poster.js", "pass-store.js", "step.js")
"""The style sheet, the script, and the two that it imports on a phone with a pass."""
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Part:
    """A file as it is and packed."""

    kind: str
    plain: bytes
    packed: bytes


@lru_cache(maxsize=1)
def parts() -> dict[str, Part]:
    """The files by their names."""
    found = {}
    for name in NAMES:
        path = finders.find(f"checkpoints/{name}")
        assert isinstance(path, str), name
        octets = Path(path).read_bytes()
        found[name] = Part(TYPES[Path(name).suffix], octets, gzip.compress(octets, 9, mtime=0))
    return found


@lru_cache(maxsize=1)
def version() -> str:
    """Twelve hex digits over all parts: scripts import one another, so they change together."""
    whole = hashlib.sha256()
    for name, part in parts().items():
        whole.update(name.encode() + b"\0" + hashlib.sha256(part.plain).digest())
    return whole.hexdigest()[:12]
