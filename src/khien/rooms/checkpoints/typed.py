"""People without any code: a guard types who they are, and the machine looks for the one person that it can be.

On the way the text is a code like any other, `KA1:` and JSON: `name` and at least one of `year` (of birth), `phone`
and `from` (where from, one line). So it travels sealed, is held when it is malformed, and an event may also carry it
openly as `about`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from khien.kernel import clock, keys
from khien.kernel.errors import Invalid
from khien.kernel.language import fold
from khien.kernel.people import phones
from khien.kernel.people.models import Person
from khien.rooms.checkpoints.models import TypedPerson

PREFIX = "KA1:"
SUBJECT_KIND = "typed"


@dataclass(frozen=True, slots=True)
class Typed:
    """What a guard typed. `phone` is E.164, or as typed when it is no number that can be."""

    name: str = field(repr=False)
    year: int | None
    phone: str = field(repr=False)
    origin: str = field(repr=False)

    @property
    def subject(self) -> str:
        """A keyed hash of who it is, the same whenever the same is typed."""
        key = keys.current("identity-hash").secret
        text = f"typed:{fold(self.name)}|{self.year}|{self.phone}|{fold(self.origin)}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def code_of(event: Mapping[str, Any]) -> Any:
    """The event's `code`, or what its `about` says as a code."""
    code, about = event.get("code"), event.get("about")
    if code is None and isinstance(about, Mapping):
        return PREFIX + json.dumps(about, ensure_ascii=False, default=str)
    return code


def parse(text: str) -> Typed | None:
    """What was typed, or None for a text that is not of this kind or says too little."""
    if not text.startswith(PREFIX):
        return None
    try:
        said = json.loads(text.removeprefix(PREFIX))
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    name, origin = _line(said.get("name"), 120), _line(said.get("from"), 200)
    year, phone = _year(said.get("year")), _phone(_line(said.get("phone"), 20))
    if len(name) < 2 or not any(map(str.isalpha, name)) or not (year or phone or origin):
        return None
    return Typed(name, year, phone, origin)


def person_of(typed: Typed) -> int | None:
    """The one person with this phone, name (accents aside) and year of birth; None for nobody or several."""
    if not typed.phone or typed.year is None:
        return None
    found = Person.objects.filter(
        phones__number=typed.phone,
        birth_year=typed.year,
        name_folded=fold(typed.name),
        merged_into__isnull=True,
    ).values_list("pk", flat=True)
    ids = set(found[:2])
    return ids.pop() if len(ids) == 1 else None


def row(
    typed: Typed,
    *,
    unit_id: int,
    place_id: int,
    at: datetime,
    person_id: int | None,
    group_id: str | None = None,
) -> TypedPerson:
    """The row that keeps it, sealed."""
    key = keys.current("identity-cipher")
    nonce = secrets.token_bytes(12)
    text = json.dumps(asdict(typed), ensure_ascii=False).encode()
    return TypedPerson(
        subject=typed.subject,
        unit_id=unit_id,
        place_id=place_id,
        at=at,
        sealed=nonce + AESGCM(key.secret).encrypt(nonce, text, b"typed_person"),
        key_id=key.id,
        person_id=person_id,
        linked_at=None if person_id is None else clock.now(),
        group_id=group_id,
    )


def opened(kept: TypedPerson) -> Typed:
    """What was typed. Who calls this writes a read line."""
    sealed = bytes(kept.sealed)
    cipher = AESGCM(keys.get("identity-cipher", kept.key_id).secret)
    return Typed(**json.loads(cipher.decrypt(sealed[:12], sealed[12:], b"typed_person")))


def _line(value: Any, most: int) -> str:
    text = unicodedata.normalize("NFC", value) if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]


def _year(value: Any) -> int | None:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"(?:18[89]|19\d|20\d)\d", text, re.ASCII) else None


def _phone(text: str) -> str:
    try:
        return phones.to_e164(text, textable=False) if text else ""
    except Invalid:
        return text
