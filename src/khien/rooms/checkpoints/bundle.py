"""What a device at a gate knows without asking: keys, the rule of the day, its places, and whom to stop.

The bundle is a JSON text signed with the installation's `gate-bundle` key (ES256); the filter is a file of its own,
named by its SHA-256 in the signed text, so that a device fetches only what is new. A device refuses what does not
verify with the keys that it got when it was enrolled.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib import import_module, util
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.conf import settings
from django.utils.translation import gettext as _

from khien.kernel import clock, keys
from khien.kernel.errors import NotFound
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument
from khien.kernel.places.models import Place
from khien.kernel.rules import reads as rules
from khien.kernel.staff.models import Device
from khien.kernel.staff.reads import actor_of_device
from khien.kernel.staff.scope import within
from khien.kernel.standing import colours
from khien.kernel.standing.models import Standing
from khien.rooms.checkpoints import filters
from khien.rooms.checkpoints.models import GateBuild, PassCard

VALID = timedelta(hours=24)
"""How long a device may trust a bundle; then it says so in red."""
FRESH = timedelta(hours=1)
"""A build is made anew after this even when nobody's colour changed: what ran out by itself, and the age on screen."""
MOST_PLACES = 2_000
SPECIFIC_CLASSES = 11
CHUNK = 20_000


@dataclass(frozen=True, slots=True, order=True)
class Class:
    """What a gate shows for everybody of one class of the filter."""

    colour: str
    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Content:
    """Who is in which class: `people` and `revoked` (pseudonyms of passes that ended) by class number."""

    classes: tuple[Class, ...]
    otherwise: Class
    people: Mapping[int, int]
    revoked: Mapping[str, int]

    def hash(self) -> str:
        """Of everything that a device could notice, keyed because it names people."""
        text = json.dumps(
            [
                [asdict(each) for each in (*self.classes, self.otherwise)],
                sorted(self.people.items()),
                sorted(self.revoked.items()),
                # A new number or a new pass of somebody who is in it changes the file too.
                sorted(_documents(self.people)),
                sorted(_subs(self.people)),
            ],
            ensure_ascii=False,
        )
        return hashlib.blake2b(
            text.encode(), digest_size=32, key=settings.SECRET_KEY.encode()[:64]
        ).hexdigest()


# Who is in which class


def content(at: datetime) -> Content:
    """Everybody whose card differs at a moment from that of somebody of whom nothing is known."""
    rule = _rule(at)
    otherwise = _class(colours.judged((), rule))
    found = {person: each for person, each in _judged(at, rule) if each != otherwise}
    numbers = _numbered(Counter(found.values()))
    classes = tuple(numbers)
    people = {person: numbers.get(each, numbers[_general(each.colour)]) for person, each in found.items()}
    revoked_class = Class("orange", "pass_revoked", _("Thẻ đã được thay. Yêu cầu xem CCCD."))
    revoked = {}
    ended = PassCard.objects.filter(revoked_at__lte=at, expires_at__gt=at).values_list("sub", "person_id")
    for sub, person in ended.iterator(CHUNK):
        number = people.get(person)
        grave = number is not None and classes[number].colour in {"red", "orange"}
        revoked[sub] = number if number is not None and grave else numbers[revoked_class]
    return Content(classes, otherwise, people, revoked)


def _judged(at: datetime, rule: Mapping[str, Any]) -> Iterator[tuple[int, Class]]:
    """The class of everybody for whom anything holds at the moment, person by person."""
    person = 0
    standings: list[Standing] = []
    for row in Standing.objects.filter(during__contains=at).order_by("person_id").iterator(CHUNK):
        if row.person_id != person and standings:
            yield person, _class(colours.judged(standings, rule))
            standings = []
        person = row.person_id
        standings.append(row)
    if standings:
        yield person, _class(colours.judged(standings, rule))


def _numbered(counted: Counter[Class]) -> dict[Class, int]:
    """The commonest classes under their own sentence; the rest of a colour under a general one."""
    specific = sorted(each for each, _count in counted.most_common(SPECIFIC_CLASSES))
    general = [_general(colour) for colour in ("red", "orange", "yellow", "green")]
    revoked = Class("orange", "pass_revoked", _("Thẻ đã được thay. Yêu cầu xem CCCD."))
    return {each: number for number, each in enumerate(dict.fromkeys([*specific, *general, revoked]))}


def _general(colour: str) -> Class:
    sentence = {
        "red": _("Có quyết định đang hiệu lực với người này."),
        "orange": _("Cần cán bộ kiểm tra trước khi cho qua."),
        "yellow": _("Có điều cần lưu ý về người này."),
        "green": _("Không có hạn chế nào đang hiệu lực."),
    }[colour]
    return Class(colour, "", sentence)


def _class(card: colours.CardColour) -> Class:
    return Class(card.colour, card.kind, card.reason)


def _rule(at: datetime) -> Mapping[str, Any]:
    try:
        return rules.on(colours.RULE, clock.local(at).date()).value
    except NotFound:
        return {}


def _documents(people: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    yield from _in_chunks(
        people, lambda ids: IdentityDocument.objects.filter(person_id__in=ids).values_list("pk", "person_id")
    )


def _subs(people: Mapping[int, int]) -> Iterator[tuple[str, int]]:
    yield from _in_chunks(
        people,
        lambda ids: PassCard.objects.filter(person_id__in=ids, revoked_at__isnull=True).values_list(
            "sub", "person_id"
        ),
    )


def _in_chunks(people: Mapping[int, int], rows: Any) -> Iterator[Any]:
    ids = sorted(people)
    for start in range(0, len(ids), CHUNK):
        yield from rows(ids[start : start + CHUNK])


# The file


def write_filter(found: Content, key: bytes) -> tuple[str, int, int]:
    """Write the filter of a content under a key; (SHA-256, bytes, keys). The file is whole or not there at all."""
    entries = {filters.digest(key, "pass", sub): number for sub, number in found.revoked.items()}
    for sub, person in _subs(found.people):
        entries[filters.digest(key, "pass", sub)] = found.people[person]
    documents = _in_chunks(found.people, lambda ids: IdentityDocument.objects.filter(person_id__in=ids))
    for document in documents:
        number = identity.open_number(document)
        entries[filters.digest(key, document.kind, number)] = found.people[document.person_id]
    octets = filters.build(entries)
    sha = hashlib.sha256(octets).hexdigest()
    path = file_path(sha)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    with aside.open("wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return sha, len(octets), len(entries)


def file_path(sha: str) -> Path:
    """Where the filter with this SHA-256 lies."""
    return Path(settings.KHIEN_DATA) / "gate" / f"{sha}.kgf"


# The signed text


def latest() -> GateBuild | None:
    """The newest build."""
    return GateBuild.objects.order_by("-pk").first()


def payload(device: Device, build: GateBuild) -> dict[str, Any]:
    """What one device is told; the same for the same build, keys and places."""
    body: dict[str, Any] = {
        "made_at": build.made_at.isoformat(),
        "valid_until": (build.made_at + VALID).isoformat(),
        "device": {"id": device.pk, "name": device.name, "unit": device.unit.full_name},
        "pass_keys": [
            {"kid": _text(hashlib.sha256(der).digest()[:4]), "spki": _text(der)} for der in _public("pass")
        ],
        "signers": trusted_signers(),
        "seal_key": _text(_point("gate-seal")),
        "bundle_keys": bundle_keys(),
        "rule": dict(_rule(build.made_at)),
        "otherwise": build.otherwise,
        "places": places_of(device),
        "filter": {
            "sha256": build.sha256,
            "size": build.size,
            "keys": build.keys,
            "key": _text(bytes(build.filter_key)),
            "classes": build.classes,
        },
    }
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return {"version": f"{build.pk}-{hashlib.sha256(text.encode()).hexdigest()[:8]}", **body}


def signed(body: Mapping[str, Any], known_kids: str = "") -> dict[str, str]:
    """`{payload, signature, kid}`: signed with the newest of our keys, or the newest that the device knows."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    ids = keys.all_ids("gate-bundle") or [keys.current("gate-bundle").id]
    known = [key_id for key_id in ids if key_id in known_kids.split(",")]
    key_id = known[-1] if known else ids[-1]
    dss = keys.get("gate-bundle", key_id).es256().sign(text, ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(dss)
    return {
        "payload": _text(text),
        "signature": _text(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        "kid": key_id,
    }


def bundle_keys() -> list[dict[str, str]]:
    """The public keys with which a device checks bundles, oldest first: `{kid, spki}`."""
    keys.current("gate-bundle")
    return [
        {"kid": key_id, "spki": _text(_der(keys.get("gate-bundle", key_id)))}
        for key_id in keys.all_ids("gate-bundle")
    ]


def places_of(device: Device) -> list[dict[str, str]]:
    """Where the device works: the places named for it, or all open ones of its units, but for homes."""
    actor = actor_of_device(device)
    found = Place.objects.filter(within(actor, "unit__path"), closed_at__isnull=True).exclude(kind_id="home")
    if device.place_ids:
        found = found.filter(pk__in=device.place_ids)
    rows = found.select_related("unit", "kind").order_by("name_folded", "pk")[:MOST_PLACES]
    return [
        {"code": row.code, "name": row.name, "kind": row.kind.name, "unit": row.unit.full_name}
        for row in rows
    ]


def trusted_signers() -> list[dict[str, Any]]:
    """Who may sign health certificates: `{kid, spki, country, uses, until}`; none without the kernel's trust list.

    `uses` are the kinds that the signer may sign (none: any), `until` the last second in which it may (Unix time).
    """
    if util.find_spec("khien.kernel.certificates") is None:
        return []
    trust = import_module("khien.kernel.certificates.trust").current()
    return [
        {
            "kid": _text(signer.kid),
            "spki": _text(_spki(signer.key)),
            "country": signer.country,
            "uses": sorted(signer.uses),
            "until": int(signer.valid_until.timestamp()),
        }
        for signers in trust.signers.values()
        for signer in signers
    ]


def _public(purpose: str) -> list[bytes]:
    keys.current(purpose)
    return [_der(keys.get(purpose, key_id)) for key_id in keys.all_ids(purpose)]


def _der(key: keys.Key) -> bytes:
    return _spki(key.es256().public_key())


def _spki(key: Any) -> bytes:
    octets: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return octets


def _point(purpose: str) -> bytes:
    key = keys.current(purpose).es256().public_key()
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
