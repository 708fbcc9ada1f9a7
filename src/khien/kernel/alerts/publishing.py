"""Alerts as static files for any web server: one CAP document for each message, and the two feeds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from django.utils.translation import gettext as _

from khien.kernel.alerts import feeds, writing
from khien.kernel.alerts.cap import Alert
from khien.kernel.errors import Conflict

NEWEST = 100
"""Messages that the feeds list at most; the documents of older ones stay."""


def publish(
    folder: Path,
    base: str,
    alerts: Sequence[Alert],
    *,
    title: str,
    author: str,
    site: str,
    language: str = "vi-VN",
    articles: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write `<identifier>.cap.xml` for every alert, `atom.xml` and `rss.xml`; answer the files that changed.

    `base` is the absolute address of `folder`, with a slash at its end; `articles` has addresses of pages by
    identifier. Documents come before the feeds that name them. A file is written aside and renamed, so that a reader
    sees the old or the new one whole; one that would stay the same is not touched, and one that changes gets another
    second as its time, so that `If-Modified-Since` is always answered rightly.

    Serve `*.cap.xml` as `writing.MEDIA_TYPE`, `atom.xml` as application/atom+xml, `rss.xml` as application/rss+xml.

    Raises `Conflict` when a document would change: what was published stays as it was, a change is an update.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    entries = []
    for alert in alerts:
        path = folder / file_name(alert)
        document = writing.write(alert)
        if path.exists() and path.read_bytes() != document:
            raise Conflict(
                _("Cảnh báo %(identifier)s đã phát với nội dung khác.") % {"identifier": alert.identifier},
                field="identifier",
                way_out=_("Phát tin cập nhật với mã mới."),
                code="published",
            )
        if replace(path, document):
            changed.append(path)
        article = (articles or {}).get(alert.identifier, "")
        entries.append(feeds.Entry(alert, base + quote(path.name), article))
    newest = sorted(entries, key=lambda entry: (entry.alert.sent, entry.alert.identifier))[-NEWEST:]
    for name, make in (("atom.xml", feeds.atom), ("rss.xml", feeds.rss)):
        feed = feeds.Feed(title, base + name, site, author, language)
        if replace(folder / name, make(feed, newest)):
            changed.append(folder / name)
    return changed


def file_name(alert: Alert) -> str:
    """The name of its document. Signs of an identifier that a file cannot have are written as %XX."""
    return f"{quote(alert.identifier, safe='')}.cap.xml"


def replace(path: Path, content: bytes) -> bool:
    """Have the file hold `content`, by a rename; false, and nothing touched, when it does already."""
    try:
        before = path.stat()
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        before = None
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        if before is not None:
            # A web server tells versions apart by whole seconds.
            changed = max(Path(aside).stat().st_mtime, int(before.st_mtime) + 1)
            os.utime(aside, (changed, changed))
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return True
