"""Checking in by a poster: with what the phone holds, or with a number and a name, without an account.

Nobody proves anything here: whoever knows a number and a name can say that they are at a place. So the answer never
tells what the ledger knows, and an officer sees by `self_typed` and `name_differs` how far to trust it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.utils import timezone
from django.utils.translation import gettext as _

from khien.kernel import clock, limits
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.codes import cards
from khien.kernel.errors import Invalid, NotFound, Problem
from khien.kernel.language import fold
from khien.kernel.limits import Limit, TooMany
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.people.phones import to_e164
from khien.kernel.people.verbs import register_person
from khien.kernel.staff import Actor, system_actor
from khien.rooms.checkpoints import passes, posters, steps
from khien.rooms.checkpoints.models import Direction, Method, PassCard, ScanId
from khien.rooms.checkpoints.verbs.scans import sender_of, store_scans

POSTER = system_actor("poster")
MOST_COMPANIONS = 20
AN_ADDRESS = Limit("check_in_address", 400, 1.5)
"""People a network address: a market behind one Wi-Fi and a mobile network behind one address must get through."""
A_NUMBER = Limit("check_in_number", 60, 60)
"""People a number: a family that goes in and out of six shops."""
SELF_TYPED, NAME_DIFFERS, OLD_POSTER = "self_typed", "name_differs", "old_poster"


class PosterLost(Problem):
    """The poster was reported stolen or pasted over."""

    status = 410
    default_code = "poster_lost"


@dataclass(frozen=True, slots=True)
class CheckIn:
    """What was noted: at which place, when, how many people, in which direction; `again` when it was noted before."""

    place_code: str
    at: datetime
    direction: str
    people: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Who:
    """The person as an event says it, and whom companions belong to."""

    said: dict[str, Any]
    person_id: int | None
    phone: str = ""
    flags: tuple[str, ...] = ()


@verb(residents=True)
def check_in_by_poster(
    actor: Actor,
    *,
    place_code: str,
    check: str,
    direction: str,
    event_id: UUID,
    block: str,
    pass_text: str = "",
    number: str = "",
    name: str = "",
    companions: Sequence[str] = (),
) -> CheckIn:
    """Note somebody, and those with them, at the place whose poster was scanned.

    Who it is says, in this order: a pass (`pass_text`, with the fresh step of its phone), the session, or `number`
    (phone, identity card, insurance) with `name`. `event_id` is made by the client: sent again, nothing doubles.
    Raises `NotFound` for a poster that is not ours, `PosterLost`, `Invalid`, `TooMany`.
    """
    known = posters.read(place_code, check)
    if known is None:
        raise NotFound(
            _("Áp phích này không do hệ thống in."), way_out=_("Báo người trực, và quét mã ở nơi khác.")
        )
    if known.state == "lost":
        raise lost_poster()
    if direction not in {Direction.IN, Direction.OUT}:
        raise Invalid(_("Chưa chọn vào hay ra."), field="direction", way_out=_("Bấm Tôi vào hoặc Tôi đi ra."))
    names = [_name(companion, "companions") for companion in companions if companion.strip()]
    if len(names) > MOST_COMPANIONS:
        raise Invalid(
            _("Nhiều nhất %(most)d người đi cùng.") % {"most": MOST_COMPANIONS},
            field="companions",
            way_out=_("Đoàn đông hơn: đưa danh sách cho người trực."),
        )
    now, many = clock.now(), 1 + len(names)
    if ScanId.objects.filter(sender=sender_of(POSTER), id=event_id).exists():
        unchanged()
        return CheckIn(known.place.code, now, direction, many, again=True)
    _within(AN_ADDRESS, block, many)
    who = _who(actor, pass_text, number, name, many)
    if names and who.person_id is None:
        raise Invalid(
            _("Để ghi người đi cùng, cần số điện thoại của bạn."),
            field="number",
            way_out=_("Nhập số điện thoại thay cho số trên thẻ."),
        )
    flags = [*who.flags, *([OLD_POSTER] if known.state == "replaced" else [])]
    said = [who.said, *({"person": _companion(name, who)} for name in names)]
    events = [
        {
            "id": str(event_id if n == 0 else uuid5(event_id, str(n))),
            "place": known.place.code,
            "at": now.isoformat(),
            "direction": direction,
            "method": Method.PHONE,
            **({"group": str(event_id)} if names else {}),
            "flags": flags if n == 0 else [*flags, SELF_TYPED],
            **one,
        }
        for n, one in enumerate(said)
    ]
    answer = store_scans(POSTER, events, verdicts=False)
    record(
        actor if actor.person_id is not None else POSTER,
        "checkpoints.check_in",
        persons=[a.person for a in answer.answers],
        place=known.place.pk,
        serial=known.serial,
        stored=answer.stored,
        held=answer.held,
    )
    return CheckIn(known.place.code, now, direction, answer.stored)


def _within(limit: Limit, key: str, many: int) -> None:
    if not limits.take(limit, key, timezone.now(), many).allowed:
        raise TooMany(
            _("Quá nhiều lượt trong một lúc."),
            way_out=_("Đợi vài phút rồi thử lại, hoặc đưa thẻ căn cước cho người trực."),
        )


def lost_poster() -> PosterLost:
    """What a phone is told that scanned a poster which was reported lost."""
    return PosterLost(
        _("Áp phích này đã được báo mất hoặc bị dán đè, không còn dùng."),
        way_out=_("Báo người trực để treo áp phích mới; đưa thẻ căn cước để được ghi nhận."),
    )


def _who(actor: Actor, pass_text: str, number: str, name: str, many: int) -> _Who:
    if pass_text:
        return _of_pass(pass_text)
    if actor.person_id is not None:
        return _Who({"person": actor.person_id}, actor.person_id)
    name = _name(name, "name")
    kind, digits = _number(number)
    _within(A_NUMBER, limits.keyed("number", f"{kind}:{digits}"), many)
    if kind == "phone":
        return _of_phone(digits, name)
    return _of_document(kind, digits, name)


def _of_pass(text: str) -> _Who:
    try:
        claims = steps.verify(text).claims
    except passes.PassError as fault:
        raise Invalid(
            _("Thẻ trên máy này đọc không được."), field="pass", way_out=_("Nhập số điện thoại và tên.")
        ) from fault
    card = PassCard.objects.filter(sub=claims.sub).first()
    if card is None or card.revoked_at is not None:
        raise Invalid(
            _("Thẻ trên máy này đã hết hiệu lực."),
            field="pass",
            way_out=_("Nhập số điện thoại và tên, rồi tạo thẻ mới."),
        )
    return _Who({"code": text}, card.person_id)


def _of_phone(phone: str, name: str) -> _Who:
    """Who has this phone and this name; a family on one phone is several people."""
    for person in Person.objects.filter(phones__number=phone, merged_into__isnull=True).order_by("pk"):
        if _same(name, person):
            return _Who({"person": person.pk}, person.pk, phone, (SELF_TYPED,))
    made = register_person(POSTER, full_name=name, unit=None, phones=[phone], source="poster")
    return _Who({"person": made.pk}, made.pk, phone, (SELF_TYPED,))


def _of_document(kind: str, number: str, name: str) -> _Who:
    """The bearer of a number when the name agrees; a number that nobody bears yet stays a number; with another name
    it is somebody else, whose number is not ours to write down."""
    known = (
        IdentityDocument.objects.select_related("person")
        .filter(kind=kind, number_hash__in=identity.hashes(kind, number))
        .first()
    )
    if known is None:
        return _Who({"code": number, "about": {"full_name": name}}, None, flags=(SELF_TYPED,))
    if _same(name, known.person):
        return _Who({"person": known.person_id}, known.person_id, flags=(SELF_TYPED,))
    made = register_person(POSTER, full_name=name, unit=None, source="poster")
    return _Who({"person": made.pk}, made.pk, flags=(SELF_TYPED, NAME_DIFFERS))


def _companion(name: str, who: _Who) -> int:
    """Somebody who came along: found again by name under the same phone or the same declarer."""
    source = f"poster:{who.person_id}"
    assert who.person_id is not None
    found = Person.objects.filter(name_folded=fold(name), merged_into__isnull=True).exclude(pk=who.person_id)
    mine = found.filter(source=source)
    if who.phone:
        mine = mine | found.filter(phones__number=who.phone)
    person = mine.order_by("pk").first()
    if person is None:
        phones = [who.phone] if who.phone else []
        person = register_person(POSTER, full_name=name, unit=None, phones=phones, source=source)
    return int(person.pk)


def _number(text: str) -> tuple[str, str]:
    digits = re.sub(r"[\s.\-()]", "", text)
    if re.fullmatch(r"(\+?84|0)\d{9}", digits):
        return "phone", to_e164(digits, textable=False)
    try:
        card = cards.read_card(digits)
    except cards.CardIncomplete:
        card = None
    if card is None:
        raise Invalid(
            _("Số này không phải số điện thoại hay số trên thẻ."),
            field="number",
            way_out=_("Nhập số điện thoại 10 chữ số, hoặc số CCCD 12 chữ số."),
        )
    return card.kind, card.number


def _name(text: str, field: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", text).split())
    letters = sum(c.isalpha() for c in name)
    if (
        letters < 2
        or len(name) > 80
        or not all(c.isalpha() or c in " .'’-" or unicodedata.combining(c) for c in name)
    ):
        raise Invalid(
            _("Tên chưa đúng."), field=field, way_out=_("Nhập họ tên bằng chữ, ví dụ: Trần Thị Bình.")
        )
    return name


def _same(name: str, person: Person) -> bool:
    """Whether what was typed is the person's name, or its last words: "Bình" or "Thị Bình" for "Trần Thị Bình"."""
    return f" {person.name_folded}".endswith(f" {fold(name)}")
