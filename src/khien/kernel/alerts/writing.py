"""A CAP 1.2 document in XML, element by element in the order of the schema."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from xml.etree import ElementTree as ET

from khien.kernel.alerts.areas import Area, Point
from khien.kernel.alerts.cap import Alert, Info, Resource

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"


def write(alert: Alert) -> bytes:
    """The document in UTF-8; the same alert always gives the same bytes. Texts are escaped."""
    root = ET.Element("alert", {"xmlns": NAMESPACE})
    _add(root, "identifier", alert.identifier)
    _add(root, "sender", alert.sender)
    _add(root, "sent", stamp(alert.sent))
    _add(root, "status", alert.status)
    _add(root, "msgType", alert.message_type)
    _add(root, "source", alert.source)
    _add(root, "scope", alert.scope)
    _add(root, "restriction", alert.restriction)
    _add(root, "addresses", " ".join(alert.addresses))
    _add_all(root, "code", alert.codes)
    _add(root, "note", alert.note)
    references = (f"{one.sender},{one.identifier},{stamp(one.sent)}" for one in alert.references)
    _add(root, "references", " ".join(references))
    _add(root, "incidents", " ".join(alert.incidents))
    for info in alert.infos:
        _info(ET.SubElement(root, "info"), info)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def stamp(moment: datetime) -> str:
    """`2022-01-10T19:00:00+07:00`: the schema takes neither "Z" nor fractions."""
    return moment.isoformat(timespec="seconds")


def _info(parent: ET.Element, info: Info) -> None:
    _add(parent, "language", info.language)
    _add_all(parent, "category", info.categories)
    _add(parent, "event", info.event)
    _add_all(parent, "responseType", info.response_types)
    _add(parent, "urgency", info.urgency)
    _add(parent, "severity", info.severity)
    _add(parent, "certainty", info.certainty)
    _add(parent, "audience", info.audience)
    _add_pairs(parent, "eventCode", info.event_codes)
    for name, moment in (("effective", info.effective), ("onset", info.onset), ("expires", info.expires)):
        _add(parent, name, stamp(moment) if moment else "")
    _add(parent, "senderName", info.sender_name)
    _add(parent, "headline", info.headline)
    _add(parent, "description", info.description)
    _add(parent, "instruction", info.instruction)
    _add(parent, "web", info.web)
    _add(parent, "contact", info.contact)
    _add_pairs(parent, "parameter", info.parameters)
    for resource in info.resources:
        _resource(ET.SubElement(parent, "resource"), resource)
    for area in info.areas:
        _area(ET.SubElement(parent, "area"), area)


def _resource(parent: ET.Element, resource: Resource) -> None:
    _add(parent, "resourceDesc", resource.description)
    _add(parent, "mimeType", resource.mime_type)
    _add(parent, "size", "" if resource.size is None else str(resource.size))
    _add(parent, "uri", resource.uri)
    _add(parent, "digest", resource.digest)


def _area(parent: ET.Element, area: Area) -> None:
    _add(parent, "areaDesc", area.description)
    _add_all(parent, "polygon", (" ".join(map(_point, ring)) for ring in area.polygons))
    _add_all(parent, "circle", (f"{_point(centre)} {radius!r}" for centre, radius in area.circles))
    _add_pairs(parent, "geocode", area.geocodes)


def _point(point: Point) -> str:
    return ",".join(f"{degrees:.6f}".rstrip("0").rstrip(".") for degrees in point)


def _add(parent: ET.Element, name: str, text: str) -> None:
    if text:
        ET.SubElement(parent, name).text = text


def _add_all(parent: ET.Element, name: str, texts: Iterable[str]) -> None:
    for text in texts:
        ET.SubElement(parent, name).text = text


def _add_pairs(parent: ET.Element, name: str, pairs: Iterable[tuple[str, str]]) -> None:
    for key, value in pairs:
        pair = ET.SubElement(parent, name)
        ET.SubElement(pair, "valueName").text = key
        ET.SubElement(pair, "value").text = value
