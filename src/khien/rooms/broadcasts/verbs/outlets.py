"""Publishing: the article of a bulletin and its CAP messages. What was published stays; a change is another message."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from khien.kernel import clock, limits
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.alerts import areas, cap, reading, writing
from khien.kernel.errors import Invalid
from khien.kernel.staff import Actor
from khien.rooms.broadcasts.channels.texts import Told, told, units_of
from khien.rooms.broadcasts.models import Article, BulletinVersion, CapMessage, Channel

_LANGUAGES = {"vi": "vi-VN", "en": "en"}


@verb()
def publish_article(actor: Actor, *, version: BulletinVersion) -> Article:
    """The bulletin's article says what this version says; a corrected one says so. An older version changes nothing."""
    limits.lock(f"broadcasts.article:{version.bulletin_id}")
    now = clock.now()
    row = Article.objects.select_related("version").filter(bulletin=version.bulletin).first()
    if row is None:
        row = Article.objects.create(
            bulletin=version.bulletin, version=version, published_at=now, changed_at=now
        )
        record(actor, row, version=version.pk)
        return row
    same = row.version_id == version.pk and row.state != Article.State.WITHDRAWN
    if same or row.version.number > version.number:
        unchanged()
        return row
    row.version, row.state, row.changed_at = version, Article.State.CORRECTED, now
    row.revision += 1
    row.save(update_fields=["version", "state", "changed_at", "revision"])
    record(actor, row, version=version.pk, revision=row.revision)
    return row


@verb()
def withdraw_article(actor: Actor, *, version: BulletinVersion) -> Article | None:
    """The article stays at its address and says that it was withdrawn; None when this version is not what it says."""
    limits.lock(f"broadcasts.article:{version.bulletin_id}")
    row = Article.objects.filter(version=version).first()
    if row is None or row.state == Article.State.WITHDRAWN:
        unchanged()
        return row
    row.state, row.changed_at = Article.State.WITHDRAWN, clock.now()
    row.revision += 1
    row.save(update_fields=["state", "changed_at", "revision"])
    record(actor, row, version=version.pk, revision=row.revision)
    return row


@verb()
def publish_alert(actor: Actor, *, version: BulletinVersion) -> CapMessage:
    """The CAP message of a version: an Alert, or the Update of the chain that the bulletin has in force. Raises
    `Invalid` for what CAP cannot say, e.g. a version that has run out."""
    limits.lock(f"broadcasts.cap:{version.bulletin_id}")
    chain = list(CapMessage.objects.filter(bulletin=version.bulletin).order_by("number"))
    mine = next((one for one in chain if one.version_id == version.pk and one.message_type != "Cancel"), None)
    if mine is not None:
        unchanged()
        return mine
    if version.expires_at <= clock.now():
        raise Invalid(
            _("Bản tin đã hết hiệu lực."), field="expires_at", way_out=_("Lập bản mới với hạn sau bây giờ.")
        )
    last = reading.read(chain[-1].document.encode()) if chain else None
    infos = tuple(_info(version, said) for said in told(version, Channel.CAP))
    identifier = _identifier(version, len(chain) + 1)
    if last is None or last.message_type is cap.MessageType.CANCEL:
        alert = cap.Alert(identifier, _sender(), clock.now(), infos, status=_status())
    else:
        sent = max(clock.now(), last.sent)
        alert = cap.update(last, identifier=identifier, sent=sent, infos=infos)
    return _keep(actor, version, alert, len(chain) + 1)


@verb()
def cancel_alert(actor: Actor, *, version: BulletinVersion, reason: str = "") -> CapMessage | None:
    """The Cancel of the chain that this version heads; None when it heads none that is in force."""
    limits.lock(f"broadcasts.cap:{version.bulletin_id}")
    last = CapMessage.objects.filter(bulletin=version.bulletin).order_by("-number").first()
    if last is None or last.version_id != version.pk or last.message_type == "Cancel":
        unchanged()
        return None
    alert = reading.read(last.document.encode())
    with translation.override("vi"):
        headlines = {"vi-VN": _("Đã hủy: %(title)s") % {"title": _headline(alert, "vi-VN")}}
    if any(info.language == "en" for info in alert.infos):
        headlines["en"] = f"Cancelled: {_headline(alert, 'en')}"
    over = cap.cancel(
        alert,
        identifier=_identifier(version, last.number + 1),
        sent=max(clock.now(), alert.sent),
        note=reason[:500],
        headlines=headlines,
    )
    return _keep(actor, version, over, last.number + 1)


def _keep(actor: Actor, version: BulletinVersion, alert: cap.Alert, number: int) -> CapMessage:
    row = CapMessage.objects.create(
        bulletin=version.bulletin,
        version=version,
        number=number,
        identifier=alert.identifier,
        message_type=str(alert.message_type),
        sent=alert.sent,
        expires=alert.expires,
        document=writing.write(alert).decode(),
        article_url=article_address(version) if Channel.ARTICLE in version.channels else "",
    )
    record(actor, row, identifier=row.identifier, message_type=row.message_type)
    return row


def _info(version: BulletinVersion, said: Told) -> cap.Info:
    starts = version.effective_at
    return cap.Info(
        event=said.title,
        urgency=cap.Urgency(version.urgency),
        severity=cap.Severity(version.severity),
        certainty=cap.Certainty(version.certainty),
        language=_LANGUAGES.get(said.language, said.language),
        categories=(cap.Category(version.category),),
        effective=starts if starts and starts < version.expires_at else None,
        expires=version.expires_at,
        sender_name=version.bulletin.unit.full_name,
        headline=said.title,
        description=said.text,
        instruction=said.instruction,
        web=article_address(version) if Channel.ARTICLE in version.channels else "",
        contact=version.contact,
        areas=tuple(
            areas.of_unit(unit.full_name, unit.code, since=unit.during.lower, boundary=unit.boundary)
            for unit in units_of(version)
        ),
    )


def article_address(version: BulletinVersion) -> str:
    """Where the bulletin's article is or will be."""
    return f"{settings.KHIEN_URL}/news/{version.bulletin_id}/"


def _identifier(version: BulletinVersion, number: int) -> str:
    return f"khien-{settings.KHIEN_PROVINCE}-{version.bulletin_id}.{number}"


def _sender() -> str:
    """A name that nobody else has: that of the site."""
    return urlsplit(settings.KHIEN_URL).netloc or "khien"


def _status() -> cap.Status:
    """A demonstration warns nobody."""
    return cap.Status.TEST if settings.KHIEN_DEMO else cap.Status.ACTUAL


def _headline(alert: cap.Alert, language: str) -> str:
    return next((info.headline or info.event for info in alert.infos if info.language == language), "")
