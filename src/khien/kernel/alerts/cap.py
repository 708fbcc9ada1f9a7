"""An alert by the Common Alerting Protocol 1.2 (OASIS, 1 July 2010) and the chain that it heads.

Source: https://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2-os.html. Names are those of the standard; every value
is checked when it is made, so that what can be written is valid by the schema of OASIS.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.alerts.areas import Area
from khien.kernel.errors import Conflict, Invalid


class Status(StrEnum):
    """How the message is meant: `ACTUAL` is for the public, all others for those who exercise or test."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class MessageType(StrEnum):
    """All but `ALERT` refer to earlier messages."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


class Scope(StrEnum):
    """Who may see it; `RESTRICTED` says by which rule, `PRIVATE` names the addresses."""

    PUBLIC = "Public"
    RESTRICTED = "Restricted"
    PRIVATE = "Private"


class Category(StrEnum):
    GEO = "Geo"
    MET = "Met"
    SAFETY = "Safety"
    SECURITY = "Security"
    RESCUE = "Rescue"
    FIRE = "Fire"
    HEALTH = "Health"
    ENV = "Env"
    TRANSPORT = "Transport"
    INFRA = "Infra"
    CBRNE = "CBRNE"
    OTHER = "Other"


class ResponseType(StrEnum):
    """What people should do."""

    SHELTER = "Shelter"
    EVACUATE = "Evacuate"
    PREPARE = "Prepare"
    EXECUTE = "Execute"
    AVOID = "Avoid"
    MONITOR = "Monitor"
    ASSESS = "Assess"
    ALL_CLEAR = "AllClear"
    NONE = "None"


class Urgency(StrEnum):
    IMMEDIATE = "Immediate"
    EXPECTED = "Expected"
    FUTURE = "Future"
    PAST = "Past"
    UNKNOWN = "Unknown"


class Severity(StrEnum):
    EXTREME = "Extreme"
    SEVERE = "Severe"
    MODERATE = "Moderate"
    MINOR = "Minor"
    UNKNOWN = "Unknown"


class Certainty(StrEnum):
    OBSERVED = "Observed"
    LIKELY = "Likely"
    POSSIBLE = "Possible"
    UNLIKELY = "Unlikely"
    UNKNOWN = "Unknown"


# CAP forbids spaces, commas, < and & in both; what else we refuse would break a file name or an address.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,149}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_MIME = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+")
# What XML 1.0 cannot carry, not even escaped.
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Reference:
    """One earlier message: the three values that make it unambiguous. `sent` is aware, whole seconds."""

    sender: str
    identifier: str
    sent: datetime

    def __post_init__(self) -> None:
        _token(self.sender, "sender")
        _token(self.identifier, "identifier")
        object.__setattr__(self, "sent", moment(self.sent, "sent"))


@dataclass(frozen=True, slots=True)
class Resource:
    """A file that belongs to the alert, e.g. its recording: `uri` absolute, `size` in bytes, `digest` SHA-1 hex."""

    description: str
    mime_type: str
    uri: str = ""
    size: int | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        _clean(self, "description")
        if not self.description or not _MIME.fullmatch(self.mime_type):
            raise Invalid(_("Tệp kèm theo cần mô tả và loại tệp (ví dụ audio/mpeg)."), field="resource")
        _address(self.uri, "uri")
        if self.size is not None and self.size < 0:
            raise Invalid(_("Cỡ tệp không thể âm."), field="size")
        if self.digest and not re.fullmatch(r"[0-9a-f]{40}", self.digest):
            raise Invalid(_("Mã băm SHA-1 gồm 40 chữ số thập lục phân viết thường."), field="digest")


@dataclass(frozen=True, slots=True)
class Info:
    """The alert in one language. Texts become NFC with plain line ends; times are aware.

    `event` names what happens in a few words, `description` explains, `instruction` says what to do. `effective`,
    `onset` and `expires` are the validity; `web` is an absolute address. Raises `Invalid` naming the field.
    """

    event: str
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    language: str = "vi-VN"
    categories: tuple[Category, ...] = (Category.HEALTH,)
    response_types: tuple[ResponseType, ...] = ()
    audience: str = ""
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    event_codes: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()

    def __post_init__(self) -> None:
        for name in ("event", "audience", "sender_name", "headline", "description", "instruction", "contact"):
            _clean(self, name)
        _members(self, urgency=Urgency, severity=Severity, certainty=Certainty)
        object.__setattr__(self, "categories", tuple(map(Category, self.categories)))
        object.__setattr__(self, "response_types", tuple(map(ResponseType, self.response_types)))
        for name in ("event_codes", "parameters"):
            pairs = tuple((text(key, name), text(value, name)) for key, value in getattr(self, name))
            object.__setattr__(self, name, pairs)
        for name in ("effective", "onset", "expires"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else moment(value, name))
        if not self.event:
            raise Invalid(_("Cảnh báo thiếu tên sự kiện."), field="event")
        if not self.categories:
            raise Invalid(_("Cảnh báo thiếu loại."), field="categories")
        if not _LANGUAGE.fullmatch(self.language):
            raise Invalid(_("Mã ngôn ngữ phải như vi-VN hoặc en."), field="language")
        _address(self.web, "web")
        starts = self.effective or self.onset
        if self.expires and starts and self.expires <= starts:
            raise Invalid(_("Hết hiệu lực phải sau khi có hiệu lực."), field="expires")


@dataclass(frozen=True, slots=True)
class Alert:
    """One message, for ever: a change of it is another message that refers to it (`update`, `cancel`).

    `identifier` is unique for the `sender` (an address of the authority, e.g. its e-mail). `sent` is aware and kept
    in whole seconds. `infos` has one block for each language. Raises `Invalid` naming the field.
    """

    identifier: str
    sender: str
    sent: datetime
    infos: tuple[Info, ...] = ()
    status: Status = Status.ACTUAL
    message_type: MessageType = MessageType.ALERT
    scope: Scope = Scope.PUBLIC
    source: str = ""
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _token(self.identifier, "identifier")
        _token(self.sender, "sender")
        object.__setattr__(self, "sent", moment(self.sent, "sent"))
        _members(self, status=Status, message_type=MessageType, scope=Scope)
        for name in ("source", "restriction", "note"):
            _clean(self, name)
        for name in ("addresses", "incidents"):
            for value in getattr(self, name):
                if not value or re.search(r"[\s\"]", value) or text(value, name) != value:
                    raise Invalid(_("Mỗi mục là một từ, không có dấu cách hay ngoặc kép."), field=name)
        object.__setattr__(self, "codes", tuple(text(code, "codes") for code in self.codes))
        self._check()

    @property
    def reference(self) -> Reference:
        """What later messages call this one by."""
        return Reference(self.sender, self.identifier, self.sent)

    @property
    def expires(self) -> datetime | None:
        """When all of it has run out; None when a block never does, or there is none."""
        ends = [info.expires for info in self.infos]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def _check(self) -> None:
        refers = self.message_type is not MessageType.ALERT
        if refers and not self.references:
            raise Invalid(
                _("Tin cập nhật hoặc hủy phải chỉ rõ tin trước."),
                field="references",
                way_out=_("Lập từ tin trước để có đủ chuỗi."),
            )
        if not refers and self.references:
            raise Invalid(_("Tin mới không dẫn tin trước: dùng cập nhật."), field="references")
        if len({(one.sender, one.identifier) for one in self.references}) != len(self.references):
            raise Invalid(_("Một tin trước được dẫn hai lần."), field="references")
        for one in self.references:
            if (one.sender, one.identifier) == (self.sender, self.identifier):
                raise Invalid(_("Tin không thể dẫn chính nó."), field="references")
            if one.sent > self.sent:
                raise Invalid(_("Tin trước không thể gửi sau tin này."), field="sent")
        if self.scope is Scope.RESTRICTED and not self.restriction:
            raise Invalid(_("Phạm vi hạn chế cần nói hạn chế thế nào."), field="restriction")
        if self.scope is Scope.PRIVATE and not self.addresses:
            raise Invalid(_("Tin riêng cần nơi nhận."), field="addresses")
        if self.message_type in {MessageType.ALERT, MessageType.UPDATE} and not self.infos:
            raise Invalid(_("Cảnh báo thiếu nội dung."), field="infos")
        languages = [info.language.lower() for info in self.infos]
        if len(set(languages)) != len(languages):
            raise Invalid(_("Mỗi ngôn ngữ chỉ có một khối nội dung."), field="infos")


def update(
    previous: Alert, *, identifier: str, sent: datetime, infos: tuple[Info, ...], note: str = ""
) -> Alert:
    """The message that takes the place of `previous` and of everything that it had replaced.

    It refers to the whole chain, oldest first. Raises `Conflict` when the chain was cancelled, `Invalid` for an
    identifier of the chain or a time before its last message.
    """
    return _follow(previous, MessageType.UPDATE, identifier, sent, infos, note)


def cancel(
    previous: Alert,
    *,
    identifier: str,
    sent: datetime,
    note: str = "",
    headlines: dict[str, str] | None = None,
) -> Alert:
    """The message that ends the chain of `previous`: every message of it is named, so that none stays in force.

    `note` says why, for those who operate receivers; `headlines` gives the public a headline by language. The blocks
    of `previous` are repeated with urgency "Past" and the response "AllClear", so that receivers know for which areas.
    Raises as `update` does.
    """
    told = headlines or {}
    infos = tuple(
        replace(
            info,
            urgency=Urgency.PAST,
            response_types=(ResponseType.ALL_CLEAR,),
            headline=told.get(info.language, info.headline),
            effective=None,
            onset=None,
            instruction="",
            resources=(),
        )
        for info in previous.infos
    )
    return _follow(previous, MessageType.CANCEL, identifier, sent, infos, note)


def _follow(
    previous: Alert, kind: MessageType, identifier: str, sent: datetime, infos: tuple[Info, ...], note: str
) -> Alert:
    if previous.message_type not in {MessageType.ALERT, MessageType.UPDATE}:
        raise Conflict(
            _("Chuỗi cảnh báo này đã hủy."),
            field="references",
            way_out=_("Phát một cảnh báo mới."),
            code="cancelled",
        )
    return replace(
        previous,
        identifier=identifier,
        sent=sent,
        message_type=kind,
        infos=infos,
        note=note,
        references=(*previous.references, previous.reference),
    )


def moment(value: datetime, field: str) -> datetime:
    """The moment in Vietnamese time and whole seconds, as CAP writes it. Raises `Invalid` without a time zone."""
    if value.tzinfo is None:
        raise Invalid(_("Thời điểm thiếu múi giờ."), field=field)
    return clock.local(value).replace(microsecond=0)


def text(value: str, field: str) -> str:
    """NFC with plain line ends and nothing around it. Raises `Invalid` for signs that XML cannot carry."""
    value = unicodedata.normalize("NFC", value).replace("\r\n", "\n").replace("\r", "\n").strip()
    if found := _NOT_XML.search(value):
        raise Invalid(
            _("Văn bản có ký tự điều khiển (mã %(code)s).") % {"code": f"U+{ord(found[0]):04X}"},
            field=field,
            way_out=_("Xóa ký tự đó, hoặc dán lại văn bản thuần."),
        )
    if len(value) > _LONGEST:
        raise Invalid(_("Văn bản dài quá %(limit)d ký tự.") % {"limit": _LONGEST}, field=field)
    return value


def _clean(thing: object, name: str) -> None:
    object.__setattr__(thing, name, text(getattr(thing, name), name))


def _members(thing: object, **kinds: type[StrEnum]) -> None:
    for name, kind in kinds.items():
        try:
            object.__setattr__(thing, name, kind(getattr(thing, name)))
        except ValueError as fault:
            allowed = ", ".join(kind)
            raise Invalid(
                _("Giá trị “%(value)s” không có trong danh mục.") % {"value": getattr(thing, name)},
                field=name,
                way_out=_("Dùng một trong: %(allowed)s.") % {"allowed": allowed},
            ) from fault


def _token(value: str, field: str) -> None:
    if not _IDENTIFIER.fullmatch(value):
        raise Invalid(
            _("“%(value)s” không dùng được làm mã.") % {"value": value[:40]},
            field=field,
            way_out=_("Chỉ dùng chữ không dấu, số và . _ : @ / + -, tối đa 150 ký tự."),
        )


def _address(value: str, field: str) -> None:
    if not value:
        return
    parts = urlsplit(value)
    safe = re.fullmatch(r"[!-~]{1,2000}", value) and not set(value) & set('<>"{}|\\^`')
    if parts.scheme not in {"http", "https"} or not parts.netloc or not safe:
        raise Invalid(_("Địa chỉ phải đầy đủ, bắt đầu bằng https://."), field=field)
