"""The article on the portal, and the alert with its feeds: cheap for whoever reads them, and the first to go out."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff import system_actor
from khien.rooms.broadcasts import public_files
from khien.rooms.broadcasts.channels import ChannelState, Count
from khien.rooms.broadcasts.models import Article, BulletinVersion, CapMessage
from khien.rooms.broadcasts.verbs import outlets


class ArticleChannel:
    """One public address a bulletin, corrected by each newer version."""

    def start(self, version: BulletinVersion) -> None:
        """See `Channel.start`."""
        _files(outlets.publish_article(system_actor("broadcasts"), version=version))

    def cancel(self, version: BulletinVersion) -> None:
        """See `Channel.cancel`."""
        article = outlets.withdraw_article(system_actor("broadcasts"), version=version)
        if article is not None:
            _files(article)

    def state(self, version: BulletinVersion) -> ChannelState | None:
        """See `Channel.state`."""
        article = Article.objects.filter(bulletin=version.bulletin_id).first()
        if article is None or article.version.number < version.number:
            return None
        label = article.get_state_display() if article.version_id == version.pk else _("Đã có bản mới thay")
        return ChannelState(label, at=article.changed_at, url=f"/news/{version.bulletin_id}/")


class CapChannel:
    """A chain of CAP messages a bulletin: Alert, Updates, Cancel."""

    def start(self, version: BulletinVersion) -> None:
        """See `Channel.start`."""
        outlets.publish_alert(system_actor("broadcasts"), version=version)
        _write(version)

    def cancel(self, version: BulletinVersion) -> None:
        """See `Channel.cancel`."""
        reason = getattr(version, "ended_because", "")
        outlets.cancel_alert(system_actor("broadcasts"), version=version, reason=reason)
        _write(version)

    def state(self, version: BulletinVersion) -> ChannelState | None:
        """See `Channel.state`."""
        chain = list(CapMessage.objects.filter(bulletin=version.bulletin_id).order_by("number"))
        mine = [message for message in chain if message.version_id == version.pk]
        if not mine:
            return None
        newest = mine[-1]
        if newest.message_type == "Cancel":
            label = _("Đã hủy")
        elif newest is not chain[-1]:
            label = _("Đã có tin thay")
        else:
            label = _("Đã phát")
        count = Count(_("Tin trong chuỗi"), len(chain))
        return ChannelState(label, (count,), at=newest.sent, url=f"/alerts/{newest.identifier}.cap.xml")


def _write(version: BulletinVersion) -> None:
    """The alerts, and the article, which names its alert."""
    transaction.on_commit(public_files.write_alerts, robust=True)
    article = Article.objects.filter(bulletin=version.bulletin_id).first()
    if article is not None:
        _files(article)


def _files(article: Article) -> None:
    """Once it is certain: a file that was read cannot be rolled back. What fails here the minute's sweep makes good."""
    transaction.on_commit(lambda: public_files.write_article(article), robust=True)
