"""Atom 1.0 (RFC 4287) and RSS 2.0 feeds that list CAP documents. They hold no time of their own making: unchanged
alerts give unchanged bytes, so that a conditional GET costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from khien.kernel.alerts.cap import Alert, Info
from khien.kernel.alerts.writing import MEDIA_TYPE, stamp

ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert in a feed: where its document lies, and an article for people if there is one (absolute)."""

    alert: Alert
    address: str
    article: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed says of itself. `address` is the feed's own, `site` the page that people see (absolute);
    `language` chooses each alert's block, else its first."""

    title: str
    address: str
    site: str
    author: str
    language: str = "vi-VN"


def atom(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """The Atom feed of the entries, newest first; "updated" is the time of the newest."""
    root = ET.Element("feed", {"xmlns": ATOM, "xml:lang": feed.language})
    _add(root, "id", feed.address)
    _add(root, "title", feed.title)
    ordered = _newest_first(entries)
    _add(root, "updated", stamp(ordered[0].alert.sent) if ordered else "1970-01-01T00:00:00+00:00")
    _add(ET.SubElement(root, "author"), "name", feed.author)
    ET.SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": feed.address})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": feed.site})
    for entry in ordered:
        alert, info = entry.alert, _info(entry.alert, feed.language)
        item = ET.SubElement(root, "entry")
        _add(item, "id", entry.address)
        _add(item, "title", _title(alert, info))
        _add(item, "updated", stamp(alert.sent))
        _add(item, "published", stamp(alert.sent))
        _add(item, "summary", info.description if info else alert.note)
        for category in info.categories if info else ():
            ET.SubElement(item, "category", {"term": category.value})
        ET.SubElement(item, "link", {"rel": "alternate", "type": MEDIA_TYPE, "href": entry.address})
        if entry.article:
            ET.SubElement(item, "link", {"rel": "related", "type": "text/html", "href": entry.article})
    return _bytes(root)


def rss(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """The RSS feed of the entries, newest first; an item's link is the article where there is one."""
    root = ET.Element("rss", {"version": "2.0", "xmlns:atom": ATOM})
    channel = ET.SubElement(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.site)
    _add(channel, "description", feed.title)
    _add(channel, "language", feed.language)
    ordered = _newest_first(entries)
    if ordered:
        _add(channel, "lastBuildDate", format_datetime(ordered[0].alert.sent))
    ET.SubElement(channel, "atom:link", {"rel": "self", "type": "application/rss+xml", "href": feed.address})
    for entry in ordered:
        alert, info = entry.alert, _info(entry.alert, feed.language)
        item = ET.SubElement(channel, "item")
        _add(item, "title", _title(alert, info))
        _add(item, "link", entry.article or entry.address)
        _add(item, "description", info.description if info else alert.note)
        for category in info.categories if info else ():
            _add(item, "category", category.value)
        guid = ET.SubElement(item, "guid", {"isPermaLink": "true"})
        guid.text = entry.address
        _add(item, "pubDate", format_datetime(alert.sent))
    return _bytes(root)


def _newest_first(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.alert.sent, entry.alert.identifier), reverse=True)


def _info(alert: Alert, language: str) -> Info | None:
    fitting = [info for info in alert.infos if info.language == language]
    return next(iter([*fitting, *alert.infos]), None)


def _title(alert: Alert, info: Info | None) -> str:
    told = (info.headline or info.event) if info else (alert.note or alert.identifier)
    return told if alert.status == "Actual" else f"[{alert.status}] {told}"


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _bytes(root: ET.Element) -> bytes:
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
