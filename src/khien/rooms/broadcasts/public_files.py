"""The public pages as files: rendered once, when something changes, so that a flood of readers costs nothing.

Below the folder of `KHIEN_FEEDS_FOLDER` they lie as they are asked for: `news/<bulletin>/index.html` (`en/index.html`
in English), `news/index.html`, `news/atom.xml`, `alerts/<identifier>.cap.xml`, `alerts/atom.xml`, `alerts/rss.xml`,
`alerts/index.html`. A web server may give out the folder; without one the pages of this room do. The database is the
source: what is missing is written again.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from khien.kernel import clock, limits
from khien.kernel.alerts import cap, publishing, reading
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.broadcasts import keywords
from khien.rooms.broadcasts.channels.texts import Told, told
from khien.rooms.broadcasts.models import Article, BulletinVersion, CapMessage, Channel

LISTED = 100
"""Articles on the list and in the feed; older ones stay at their address."""
_ATOM = "http://www.w3.org/2005/Atom"
LANGUAGES = ("vi", "en")
_STAMP = ".stamp"
"""Beside the files: the state of the database that they tell."""


def folder() -> Path:
    """Where the public files lie."""
    return Path(settings.KHIEN_FEEDS_FOLDER or settings.KHIEN_DATA / "public")


def write_article(article: Article) -> None:
    """Write the pages of one article, then the lists that name it."""
    with transaction.atomic():
        limits.lock("broadcasts.public_files")
        article = Article.objects.select_related("bulletin__unit", "version").get(pk=article.pk)
        _article_pages(article)
        _article_lists()
        stamp = folder() / "news" / str(article.bulletin_id) / _STAMP
        publishing.replace(stamp, f"{article.revision}".encode())


def write_alerts() -> None:
    """Write the documents of the newest alerts and the feeds and pages that list them."""
    with transaction.atomic():
        limits.lock("broadcasts.public_files")
        rows = list(CapMessage.objects.order_by("-sent", "-pk")[: publishing.NEWEST])
        alerts = [reading.read(row.document.encode()) for row in reversed(rows)]
        whose = authority()
        with translation.override("vi"):  # whoever asked for it
            title = _("Cảnh báo của %(authority)s") % {"authority": whose}
        publishing.publish(
            folder() / "alerts",
            f"{settings.KHIEN_URL}/alerts/",
            alerts,
            title=title,
            author=whose,
            site=f"{settings.KHIEN_URL}/alerts/",
            articles={row.identifier: row.article_url for row in rows if row.article_url},
        )
        # An alert that a later one names is no longer in force.
        replaced = {one.identifier for alert in alerts for one in alert.references}
        shown = [(alert, alert.identifier in replaced) for alert in reversed(alerts)]
        links = {row.identifier: row.article_url for row in rows}
        for language in LANGUAGES:
            entries = [
                {
                    "info": _info_in(alert, language),
                    "sent": alert.sent,
                    "expires": alert.expires,
                    "cancels": alert.message_type is cap.MessageType.CANCEL,
                    "replaced": is_replaced,
                    "test": alert.status is not cap.Status.ACTUAL,
                    "file": publishing.file_name(alert),
                    "article": links.get(alert.identifier, ""),
                }
                for alert, is_replaced in shown
            ]
            _page("alerts", language, "broadcasts/public/alerts.html", {"entries": entries})
        publishing.replace(folder() / "alerts" / _STAMP, f"{rows[0].pk if rows else 0}".encode())


def write_due() -> int:
    """Write what a process that died, or a full disk, has left undone; returns how many things were written."""
    done = 0
    newest = CapMessage.objects.order_by("-sent", "-pk").values_list("pk", flat=True).first()
    if newest is not None and _stamp("alerts") != f"{newest}":
        write_alerts()
        done += 1
    for article in Article.objects.order_by("-changed_at", "-pk")[:LISTED]:
        if _stamp(f"news/{article.bulletin_id}") != f"{article.revision}":
            write_article(article)
            done += 1
    return done


def _stamp(where: str) -> str:
    try:
        return (folder() / where / _STAMP).read_text()
    except FileNotFoundError:
        return ""


def write_again(path: str) -> None:
    """Write the file at `path` of the folder anew from the database, if it is one of ours."""
    top, _slash, rest = path.partition("/")
    if top == "alerts":
        row = CapMessage.objects.filter(identifier=rest.removesuffix(".cap.xml")).first()
        if rest.endswith(".cap.xml") and row is not None:
            (folder() / "alerts").mkdir(parents=True, exist_ok=True)
            publishing.replace(folder() / "alerts" / rest, row.document.encode())
        elif not rest.endswith(".cap.xml"):
            write_alerts()
    elif top == "news":
        number = rest.split("/", 1)[0]
        if number.isdigit():
            article = Article.objects.filter(bulletin=int(number[:18])).first()
            if article is not None:
                write_article(article)
        else:
            with transaction.atomic():
                limits.lock("broadcasts.public_files")
                _article_lists()


def authority() -> str:
    """Whose pages they are: the province."""
    found = home()
    return found.full_name if found is not None else "Khiên"


def home() -> AdminUnit | None:
    """The province of this installation."""
    return units.on(clock.today()).filter(code=settings.KHIEN_PROVINCE, tier=Tier.PROVINCE).first()


# Articles -----------------------------------------------------------------------------------------


def _article_pages(article: Article) -> None:
    withdrawn = article.state == Article.State.WITHDRAWN
    earlier = [
        version
        for version in BulletinVersion.objects.filter(
            bulletin=article.bulletin, number__lt=article.version.number
        ).order_by("-number")
        if version.content_hash
    ]
    alert = CapMessage.objects.filter(version=article.version).exclude(message_type="Cancel").first()
    languages = [one.language for one in told(article.version, Channel.ARTICLE)]
    for language in LANGUAGES:
        said = _told_in(article.version, language)
        context = {
            "article": article,
            "version": article.version,
            "unit": article.bulletin.unit,
            "said": said,
            "paragraphs": _paragraphs(said.text),
            "withdrawn": withdrawn,
            "because": getattr(article.version, "ended_because", ""),
            "earlier": []
            if withdrawn
            else [(one, _paragraphs(_told_in(one, language).text)) for one in earlier],
            "alert": publishing.file_name(reading.read(alert.document.encode())) if alert else "",
            "translated": language in languages,
        }
        _page(f"news/{article.bulletin_id}", language, "broadcasts/public/article.html", context)


def _article_lists() -> None:
    rows = list(
        Article.objects.select_related("bulletin__unit", "version").order_by("-published_at", "-pk")[:LISTED]
    )
    for language in LANGUAGES:
        entries = [(row, _told_in(row.version, language)) for row in rows]
        _page("news", language, "broadcasts/public/articles.html", {"entries": entries})
    with translation.override("vi"):
        publishing.replace(folder() / "news" / "atom.xml", _atom(rows))


def _atom(rows: list[Article]) -> bytes:
    whose = authority()
    base = f"{settings.KHIEN_URL}/news/"
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": "vi"})
    _add(root, "id", f"{base}atom.xml")
    _add(root, "title", _("Bản tin của %(authority)s") % {"authority": whose})
    newest = max((row.changed_at for row in rows), default=None)
    _add(root, "updated", newest.isoformat(timespec="seconds") if newest else "1970-01-01T00:00:00+00:00")
    _add(ET.SubElement(root, "author"), "name", whose)
    ET.SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": f"{base}atom.xml"})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": base})
    for row in sorted(rows, key=lambda one: one.changed_at, reverse=True):
        said = _told_in(row.version, "vi")
        entry = ET.SubElement(root, "entry")
        withdrawn = row.state == Article.State.WITHDRAWN
        title = f"[{_('Đã gỡ')}] {said.title}" if withdrawn else said.title
        _add(entry, "id", f"{base}{row.bulletin_id}/")
        _add(entry, "title", title)
        _add(entry, "updated", row.changed_at.isoformat(timespec="seconds"))
        _add(entry, "published", row.published_at.isoformat(timespec="seconds"))
        _add(entry, "summary", "" if withdrawn else " ".join(said.text.split())[:300])
        ET.SubElement(
            entry, "link", {"rel": "alternate", "type": "text/html", "href": f"{base}{row.bulletin_id}/"}
        )
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _told_in(version: BulletinVersion, language: str) -> Told:
    all_told = told(version, Channel.ARTICLE)
    return next((one for one in all_told if one.language == language), all_told[0])


def _info_in(alert: cap.Alert, language: str) -> cap.Info:
    return next((info for info in alert.infos if info.language.startswith(language)), alert.infos[0])


def _paragraphs(text: str) -> list[str]:
    return [piece.strip() for piece in text.split("\n\n") if piece.strip()]


def _page(where: str, language: str, template: str, context: dict[str, object]) -> None:
    """A page of nobody: no session, no account, no moment but those of what it tells."""
    below = "" if language == "vi" else f"{language}/"
    path = folder() / where / below / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    other = "en" if language == "vi" else "vi"
    with translation.override(language):
        more = {
            "language": language,
            "authority": authority(),
            "here": f"/{where}/",
            "root": settings.KHIEN_URL,
            "other": other,
            "other_url": f"/{where}/" + ("" if other == "vi" else f"{other}/"),
            "tail": below,
        }
        publishing.replace(path, render_to_string(template, {**more, **context}).encode())


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = keywords.cleaned(text)  # XML has no control characters
