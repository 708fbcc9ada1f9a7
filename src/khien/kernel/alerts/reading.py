"""A CAP 1.2 document read back: our own files, and what another authority sends. Entities and DTDs are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree as Defused
from defusedxml.common import DefusedXmlException
from django.utils.translation import gettext as _

from khien.kernel.alerts.areas import Area, Point
from khien.kernel.alerts.cap import Alert, Info, Reference, Resource
from khien.kernel.alerts.writing import NAMESPACE
from khien.kernel.errors import Invalid

LARGEST = 4 * 1024 * 1024
"""Bytes of a document at most."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}")


def read(document: bytes) -> Alert:
    """The alert that a document holds. What CAP 1.2 has and `cap` has not (altitude, derefUri) is passed over.

    Raises `Invalid`, which names the element, for what is no CAP 1.2, too large, or uses a DTD or entities.
    """
    if len(document) > LARGEST:
        raise Invalid(_("Tệp CAP lớn quá %(limit)d byte.") % {"limit": LARGEST}, field="document")
    try:
        root = Defused.fromstring(document, forbid_dtd=True)
    except DefusedXmlException as fault:
        raise Invalid(_("Tệp CAP không được có DTD hay thực thể."), field="document") from fault
    except (ParseError, ValueError, LookupError) as fault:
        raise Invalid(
            _("Tệp không phải XML đúng dạng: %(why)s.") % {"why": fault}, field="document"
        ) from fault
    if root.tag != f"{{{NAMESPACE}}}alert":
        raise Invalid(_("Tệp không phải CAP 1.2."), field="document")
    return Alert(
        identifier=_text(root, "identifier"),
        sender=_text(root, "sender"),
        sent=_needed_time(root, "sent"),
        status=_text(root, "status"),  # type: ignore[arg-type] # checked by the class
        message_type=_text(root, "msgType"),  # type: ignore[arg-type]
        scope=_text(root, "scope"),  # type: ignore[arg-type]
        source=_text(root, "source"),
        restriction=_text(root, "restriction"),
        addresses=tuple(_text(root, "addresses").split()),
        codes=_texts(root, "code"),
        note=_text(root, "note"),
        references=tuple(map(_reference, _text(root, "references").split())),
        incidents=tuple(_text(root, "incidents").split()),
        infos=tuple(_info(info) for info in _all(root, "info")),
    )


def _info(element: Element) -> Info:
    try:
        return Info(
            language=_text(element, "language") or "en-US",  # the default of the standard
            categories=_texts(element, "category"),  # type: ignore[arg-type]
            event=_text(element, "event"),
            response_types=_texts(element, "responseType"),  # type: ignore[arg-type]
            urgency=_text(element, "urgency"),  # type: ignore[arg-type]
            severity=_text(element, "severity"),  # type: ignore[arg-type]
            certainty=_text(element, "certainty"),  # type: ignore[arg-type]
            audience=_text(element, "audience"),
            event_codes=_pairs(element, "eventCode"),
            effective=_time(element, "effective"),
            onset=_time(element, "onset"),
            expires=_time(element, "expires"),
            sender_name=_text(element, "senderName"),
            headline=_text(element, "headline"),
            description=_text(element, "description"),
            instruction=_text(element, "instruction"),
            web=_text(element, "web"),
            contact=_text(element, "contact"),
            parameters=_pairs(element, "parameter"),
            resources=tuple(_resource(one) for one in _all(element, "resource")),
            areas=tuple(_area(one) for one in _all(element, "area")),
        )
    except ValueError as fault:  # a category or response that is none
        raise Invalid(str(fault), field="info") from fault


def _resource(element: Element) -> Resource:
    size = _text(element, "size")
    if size and not re.fullmatch(r"[0-9]{1,15}", size):
        raise Invalid(_("Cỡ tệp phải là số."), field="size")
    return Resource(
        description=_text(element, "resourceDesc"),
        mime_type=_text(element, "mimeType"),
        uri=_text(element, "uri"),
        size=int(size) if size else None,
        digest=_text(element, "digest").lower(),
    )


def _area(element: Element) -> Area:
    try:
        return Area(
            description=_text(element, "areaDesc"),
            polygons=tuple(tuple(map(_point, ring.split())) for ring in _texts(element, "polygon")),
            circles=tuple(_circle(text) for text in _texts(element, "circle")),
            geocodes=_pairs(element, "geocode"),
        )
    except ValueError as fault:
        raise Invalid(_("Tọa độ không đọc được: %(why)s.") % {"why": fault}, field="area") from fault


def _circle(text: str) -> tuple[Point, float]:
    centre, radius = text.split()
    return _point(centre), float(radius)


def _point(text: str) -> Point:
    latitude, longitude = text.split(",")
    return float(latitude), float(longitude)


def _reference(text: str) -> Reference:
    parts = text.split(",")
    if len(parts) != 3:
        raise Invalid(_("Tin trước phải ghi: nơi gửi, mã, thời điểm."), field="references")
    return Reference(parts[0], parts[1], _parsed(parts[2], "references"))


def _needed_time(element: Element, name: str) -> datetime:
    return _parsed(_text(element, name), name)


def _time(element: Element, name: str) -> datetime | None:
    text = _text(element, name)
    return _parsed(text, name) if text else None


def _parsed(text: str, name: str) -> datetime:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError as fault:
        raise Invalid(
            _("Thời điểm phải như 2022-01-10T19:00:00+07:00, không có Z hay phần lẻ của giây."), field=name
        ) from fault


def _pairs(element: Element, name: str) -> tuple[tuple[str, str], ...]:
    return tuple((_text(one, "valueName"), _text(one, "value")) for one in _all(element, name))


def _texts(element: Element, name: str) -> tuple[str, ...]:
    return tuple((one.text or "").strip() for one in _all(element, name))


def _text(element: Element, name: str) -> str:
    return next((text for text in _texts(element, name)), "")


def _all(element: Element, name: str) -> Iterator[Element]:
    yield from element.findall(f"{{{NAMESPACE}}}{name}")
