"""What people write to us: taken in once, answered by a keyword's room, or left to somebody who reads it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from khien.gateways.sms.text import measure, strip_accents
from khien.kernel import clock, limits
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.limits import Limit
from khien.kernel.people.models import Phone
from khien.kernel.people.phones import to_e164
from khien.kernel.staff import Actor
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.broadcasts import keywords
from khien.rooms.broadcasts.models.replies import TRIAGE, InboundMessage
from khien.rooms.broadcasts.verbs.writing import send_to_phones

logger = logging.getLogger(__name__)
State = InboundMessage.State

PURPOSE = "reply"
"""Leaves in the lane of those who wait for an answer."""
LONGEST_ANSWER = 160
LONGEST_TEXT = 2000
ALL_ANSWERS = Limit("sms_answers", 12, 300)
"""Answers to one number whatever it asks: what a person needs, and no more than that can be made to cost."""
FROM_ALL = Limit("sms_answers_all", 3000, 0.2)
"""Answers to all numbers together: 3,000 at once, then five a second. Whoever has a machine full of cards gets no
more."""
_TOLD = Limit("sms_told_too_many", 1, 3600)
_REMAIN = "broadcasts.inbound"


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A text as a gateway hands it over. `id` is unique at that `door` and the same when it is handed over again;
    `at` aware or None."""

    door: str
    id: str
    number: str
    text: str
    address: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What became of one row, in the order received: stored, duplicate or held, with the reason where held."""

    state: str
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class InboundTally:
    """received = stored + duplicate + held."""

    rows: tuple[RowAnswer, ...]

    @property
    def received(self) -> int:
        return len(self.rows)

    def count(self, state: str) -> int:
        return sum(row.state == state for row in self.rows)


@verb()
def take_inbound(actor: Actor, *, messages: Sequence[InboundSms | Any], door: str = "http") -> InboundTally:
    """Take in texts from phones, each once by its id, and queue the answers that software can give.

    Anything else among `messages` is a row as somebody pushed it: read if it can be, held if not. A row never keeps
    another from being taken in.
    """
    limits.lock("broadcasts.inbound")  # two doors that hand over the same id take it one after the other
    now = clock.now()
    given = [one if isinstance(one, InboundSms) else _row(one, door) for one in messages]
    rows = [_stored(one, now) if isinstance(one, InboundSms) else one for one in given]
    answers: list[RowAnswer] = []
    fresh: list[tuple[InboundMessage, str]] = []
    known = set(
        InboundMessage.objects.filter(gateway_id__in=[row.gateway_id for row in rows]).values_list(
            "gateway_id", flat=True
        )
    )
    for row, one in zip(rows, given, strict=True):
        if row.gateway_id in known:
            answers.append(RowAnswer("duplicate"))
            continue
        known.add(row.gateway_id)
        held = row.state == State.HELD
        answers.append(RowAnswer("held", row.code, row.note) if held else RowAnswer("stored"))
        fresh.append((row, one.text if isinstance(one, InboundSms) else ""))
    tally = InboundTally(tuple(answers))
    if not fresh:
        unchanged()
        return tally
    _place([row for row, _text in fresh])
    replies = [
        (row.number, text)
        for row, said in fresh
        if row.state == State.OPEN and (text := _answered(actor, row, said)) is not None
    ]
    InboundMessage.objects.bulk_create([row for row, _text in fresh])
    _send(actor, replies)
    record(
        actor,
        _REMAIN,
        stored=tally.count("stored"),
        duplicate=tally.count("duplicate"),
        held=tally.count("held"),
        answered=len(replies),
    )
    return tally


@verb(*TRIAGE)
def answer_inbound(actor: Actor, *, messages: Sequence[int], text: str) -> int:
    """Answer what people have written, the same to all of them; returns to how many rows.

    The text goes without accents and may have 160 characters then. Rows that somebody has settled meanwhile are left as
    they are; `Conflict` when none is left, `Invalid` for a text that does not fit.
    """
    text = fitting(text)
    rows = _open(actor, messages, [State.OPEN])
    _settle(actor, rows, State.ANSWERED, answer=text)
    _send(actor, [(row.number, text) for row in rows])
    record(actor, _REMAIN, answered=len(rows), ids=[row.pk for row in rows])
    return len(rows)


@verb(*TRIAGE)
def close_inbound(actor: Actor, *, messages: Sequence[int], note: str = "") -> int:
    """Close what needs no answer, or has been answered by telephone; returns how many rows. Raises as
    `answer_inbound`."""
    rows = _open(actor, messages, [State.OPEN, State.HELD])
    _settle(actor, rows, State.CLOSED, note=" ".join(note.split())[:200])
    record(actor, _REMAIN, closed=len(rows), ids=[row.pk for row in rows])
    return len(rows)


def fitting(text: str) -> str:
    """The answer as it is sent: without accents, at most 160 characters of GSM-7. Raises `Invalid`."""
    plain = " ".join(strip_accents(text).split())
    if not plain:
        raise Invalid(_("Chưa có nội dung trả lời."), field="text", way_out=_("Viết câu trả lời."))
    size = measure(plain)
    if size.encoding != "GSM-7":
        odd = "".join(sorted({letter for letter in plain if measure(letter).encoding != "GSM-7"}))[:20]
        raise Invalid(
            _("Có ký tự không gửi được không dấu: %(odd)s") % {"odd": odd},
            field="text",
            way_out=_("Bỏ các ký tự đó (biểu tượng, chữ nước ngoài)."),
        )
    if size.units > LONGEST_ANSWER:
        raise Invalid(
            _("Câu trả lời dài %(units)d ký tự, quá %(limit)d.")
            % {"units": size.units, "limit": LONGEST_ANSWER},
            field="text",
            way_out=_("Rút ngắn; việc dài hãy gọi điện."),
        )
    return plain


# Taking in ----------------------------------------------------------------------------------------


def _row(given: Any, door: str) -> InboundSms | InboundMessage:
    """A row of a push: the message, or what is held of it."""
    if not isinstance(given, dict):
        return _held(given, door, "no_row", _("Dòng không phải là một tin."))
    told: dict[str, Any] = {n: given.get(n) for n in ("id", "number", "text", "address", "at")}
    told = {n: str(v) if isinstance(v, int) and not isinstance(v, bool) else v for n, v in told.items()}
    wrong = [name for name, value in told.items() if not isinstance(value, str) and value is not None]
    if wrong:
        return _held(given, door, "bad_type", _("%(names)s phải là chữ.") % {"names": ", ".join(wrong)})
    if not (told["id"] or "").strip():
        return _held(given, door, "no_id", _("Thiếu mã tin (id)."))
    if len(told["id"]) > 80:
        return _held(given, door, "bad_id", _("Mã tin dài quá 80 ký tự."))
    at = None
    if told["at"]:
        try:
            at = parse_datetime(told["at"][:40])
        except ValueError:
            at = None
        if at is None:
            return _held(given, door, "bad_time", _("Giờ không đọc được: dùng ISO 8601."))
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return InboundSms(door, told["id"], told["number"] or "", told["text"] or "", told["address"] or "", at)


def _held(given: Any, door: str, code: str, reason: str) -> InboundMessage:
    """What a row says, as far as it can be kept; sent again it is the same row."""
    said = json.dumps(given, ensure_ascii=False, sort_keys=True, default=str)
    fields = given if isinstance(given, dict) else {}
    number = fields.get("number")
    text = fields.get("text")
    return InboundMessage(
        gateway_id=f"{door}:?{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:40]}",
        number=keywords.cleaned(str(number if isinstance(number, str | int) else ""))[:24],
        text=keywords.cleaned(text if isinstance(text, str) else "")[:LONGEST_TEXT],
        state=State.HELD,
        code=code,
        note=reason[:200],
        at=clock.now(),
        received_at=clock.now(),
    )


def _stored(one: InboundSms, now: datetime) -> InboundMessage:
    """The row, before anybody has looked for an answer."""
    at = (
        one.at if one.at is not None and now - timedelta(days=30) < one.at < now + timedelta(hours=1) else now
    )
    row = InboundMessage(
        gateway_id=f"{one.door}:{keywords.cleaned(one.id)[:80]}",
        number=keywords.cleaned(one.number)[:24],
        address=keywords.cleaned(one.address)[:24],
        text=keywords.cleaned(one.text)[:LONGEST_TEXT],
        at=at,
        received_at=now,
    )
    try:
        row.number = number_of(one.number)
    except Invalid as problem:
        row.state, row.code, row.note = State.HELD, problem.code or "bad_number", str(problem)[:200]
    return row


def number_of(said: str) -> str:
    """A sender's number as carriers write it (84912345678, +84…, 0912…) in E.164. Raises `Invalid`: short numbers and
    names of senders cannot be answered, and answering machines with each other would never end."""
    text = said.strip()
    if text.isascii() and text.isdigit() and len(text) > 10 and text.startswith("84"):
        text = f"+{text}"
    return to_e164(text[:40])


def _place(rows: Sequence[InboundMessage]) -> None:
    """Each row's unit: the one that holds everybody with that number, else the province."""
    numbers = {row.number for row in rows}
    paths: dict[str, set[str]] = {}
    for number, path in Phone.objects.filter(
        number__in=numbers, person__merged_into=None, person__unit__isnull=False
    ).values_list("number", "person__unit__path"):
        paths.setdefault(number, set()).add(path)
    certain = {number: next(iter(found)) for number, found in paths.items() if len(found) == 1}
    by_path = {unit.path: unit for unit in AdminUnit.objects.filter(path__in=certain.values())}
    home = units.on(clock.today()).filter(code=settings.KHIEN_PROVINCE, tier=Tier.PROVINCE).first()
    for row in rows:
        row.unit = by_path.get(certain.get(row.number, ""), home)


def _answered(actor: Actor, row: InboundMessage, said: str) -> str | None:
    """Look for the answer to a row and settle it; None when there is none to send."""
    question = keywords.read(said)
    row.text = question.kept[:LONGEST_TEXT]
    if question.sort == "other" or question.keyword is None:
        return None
    row.keyword = question.key
    now = timezone.now()
    key = limits.keyed("sms_number", row.number)
    asked = limits.take(question.keyword.limit, key, now).allowed
    if not asked or not limits.take(ALL_ANSWERS, key, now).allowed:
        _settle_row(row, State.LIMITED, "too_many")
        if not limits.take(_TOLD, key, now).allowed or not limits.take(FROM_ALL, "", now).allowed:
            return None
        with translation.override("vi"):
            return fitting(_("Quý vị đã hỏi nhiều lần. Vui lòng nhắn lại sau một giờ."))
    if not limits.take(FROM_ALL, "", now).allowed:
        row.code = "flood"
        return None  # it stays open: somebody may answer when the flood is over
    try:
        with transaction.atomic(), translation.override("vi"):
            text = (
                question.keyword.answer(actor, row.number, question.arguments)
                if question.sort == "question"
                else _("Tin chưa đúng mẫu. Soạn: %(syntax)s")
                % {"syntax": keywords.syntax_of(question.keyword)}
            )
            text = fitting(text)
    except Exception as fault:  # a room's fault must not keep the other messages out
        logger.error("sms keyword %s failed: %s", question.key, type(fault).__name__)
        logger.debug("sms keyword %s", question.key, exc_info=True)
        row.code = "answer_failed"
        return None
    _settle_row(row, State.AUTO, "" if question.sort == "question" else "malformed")
    return text


def _settle_row(row: InboundMessage, state: str, code: str) -> None:
    row.state, row.code, row.settled_at = state, code, clock.now()


def _send(actor: Actor, replies: Iterable[tuple[str, str]]) -> None:
    """Queue the answers: each as one message, the same one to the same phone once. A phone that gets two different ones
    gets them in two lists."""
    rounds: list[dict[str, str]] = []
    sent: set[tuple[str, str]] = set()
    for number, text in replies:
        if (number, text) in sent:
            continue
        sent.add((number, text))
        free = next((one for one in rounds if number not in one), None)
        if free is None:
            rounds.append(free := {})
        free[number] = text
    for one in rounds:
        send_to_phones(
            actor,
            phones=list(one),
            unit=None,
            text="{answer}",
            values={number: {"answer": text} for number, text in one.items()},
            purpose=PURPOSE,
            reference="broadcasts.inbound",
        )


# Settling -----------------------------------------------------------------------------------------


def _open(actor: Actor, ids: Sequence[int], states: Sequence[str]) -> list[InboundMessage]:
    rows = list(
        InboundMessage.objects.seen_by(actor)
        .select_for_update(of=("self",))
        .filter(pk__in=list(ids)[:1000], state__in=states)
        .order_by("pk")
    )
    if not rows:
        raise Conflict(
            _("Không còn tin nào đang chờ trong các tin đã chọn."), way_out=_("Tải lại trang và chọn lại.")
        )
    return rows


def _settle(actor: Actor, rows: Sequence[InboundMessage], state: str, **more: str) -> None:
    now = clock.now()
    InboundMessage.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=state, settled_at=now, settled_by=actor.id, **more
    )
