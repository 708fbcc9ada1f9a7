"""Personal passes: issued, replaced, revoked."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid, NotAllowed
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor, Role
from khien.rooms.checkpoints import passes
from khien.rooms.checkpoints.models import PassCard

LIFE = timedelta(days=365)
ISSUERS = (Role.COMMUNE_OFFICER, Role.CLERK)


@verb(*ISSUERS, residents=True)
def issue_pass(actor: Actor, *, person: Person, kind: str) -> PassCard:
    """A new pass for a person, valid for a year; the one of the same kind that they had ends now.

    Residents issue only their own phone pass.
    """
    _must_be_theirs(actor, person)
    if kind not in PassCard.Kind.values:
        raise Invalid(_("Không có loại thẻ này."), field="kind", way_out=_("Chọn thẻ giấy hoặc điện thoại."))
    if actor.kind == "resident" and kind != PassCard.Kind.PHONE:
        raise NotAllowed(way_out=_("Thẻ giấy do y tế xã hoặc bộ phận một cửa in."))
    now = clock.now()
    Person.objects.select_for_update().get(pk=person.pk)
    replaced = PassCard.objects.filter(person=person, kind=kind, revoked_at__isnull=True).update(
        revoked_at=now
    )
    card = PassCard.objects.create(
        sub=passes.new_sub(), person=person, kind=kind, issued_at=now, expires_at=now + LIFE
    )
    record(actor, card, persons=[person.pk], kind=kind, replaced=replaced)
    return card


@verb(*ISSUERS, residents=True)
def revoke_pass(actor: Actor, *, card: PassCard) -> PassCard:
    """The pass counts no more: a gate that reads it asks for the identity card."""
    _must_be_theirs(actor, card.person)
    card = PassCard.objects.select_for_update().get(pk=card.pk)
    if card.revoked_at is not None:
        unchanged()
        return card
    card.revoked_at = clock.now()
    card.save(update_fields=["revoked_at"])
    record(actor, card, persons=[card.person_id])
    return card


def text_of(card: PassCard) -> str:
    """What the QR code of the card says; ECDSA signs anew each time, the claims are the same."""
    person = card.person
    return passes.sign(
        passes.Claims(
            card.sub,
            card.issued_at,
            card.expires_at,
            card.kind,
            passes.mask_name(person.full_name),
            person.birth_year,
        )
    )


def _must_be_theirs(actor: Actor, person: Person) -> None:
    if not Person.objects.seen_by(actor).filter(pk=person.pk).exists():
        raise NotAllowed()
