"""One look at one code, without a scan: who it is and what a gate shows now."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from khien.kernel import clock, codes
from khien.kernel.acts import read
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.staff import Actor
from khien.kernel.standing import colours
from khien.rooms.checkpoints import intake, passes, steps
from khien.rooms.checkpoints.models import PassCard


@dataclass(frozen=True, slots=True)
class Look:
    """A colour with its word and reason; the masked name only of somebody who is known."""

    known: bool
    colour: str
    word: str
    reason: str
    name: str = ""
    birth_year: int | None = None


def look(actor: Actor, text: str) -> Look:
    """What the gate shows for the code that was read; the look is written down where it found somebody."""
    person_id, worn = _who(text)
    if person_id is None:
        reason = _("Số này chưa có trong sổ. Hỏi họ tên, ngày sinh, hoặc quét mã trên thẻ CCCD.")
        return Look(False, "yellow", colours.word("yellow"), reason)
    read(actor, "checkpoints.check", persons=[person_id])
    card = colours.of([person_id], clock.now())[person_id]
    colour, reason = card.colour, card.reason
    if worn and colour in {"yellow", "green"}:
        colour, reason = "orange", _("Thẻ đã hết hạn hoặc đã được thay. Yêu cầu xem CCCD.")
    person = Person.objects.get(pk=person_id)
    name = passes.mask_name(person.full_name)
    return Look(True, colour, colours.word(colour), reason, name, person.birth_year)


def _who(text: str) -> tuple[int | None, bool]:
    """(person, whether their pass has ended) of a code."""
    try:
        code = codes.parse(text)
        if isinstance(code, codes.PassCode):
            return _who_bears(steps.verify(code.text).claims)
    except (codes.CodeError, passes.PassError):
        return None, False
    if isinstance(code, codes.DeclarationCode):
        return intake.declarer_of(code.token), False
    card = code.card if isinstance(code, codes.NationalCode) else code
    if not isinstance(card, codes.CardCode):
        return None, False
    found = IdentityDocument.objects.filter(
        kind=card.kind, number_hash__in=identity.hashes(card.kind, card.number)
    ).first()
    return (None if found is None else found.person_id), False


def _who_bears(claims: passes.Claims) -> tuple[int | None, bool]:
    card = PassCard.objects.filter(sub=claims.sub).first()
    if card is None:
        return None, False
    now = clock.now()
    ended = card.revoked_at is not None and card.revoked_at <= now
    return card.person_id, ended or claims.expires_at <= now
