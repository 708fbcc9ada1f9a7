"""Personal passes: issued, replaced, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
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
def issue_pass(actor: Actor, *, person: Person, kind: str, device_key: bytes = b"") -> PassCard:
    """A new pass for a person, valid for a year; the one of the same kind that they had ends now.

    `device_key` is the public key of the phone that will sign time steps: a point of P-256, 65 bytes or compressed.
    Residents issue only their own phone pass.
    """
    _must_be_theirs(actor, person)
    if kind not in PassCard.Kind.values:
        raise Invalid(_("Không có loại thẻ này."), field="kind", way_out=_("Chọn thẻ giấy hoặc điện thoại."))
    if actor.kind == "resident" and kind != PassCard.Kind.PHONE:
        raise NotAllowed(way_out=_("Thẻ giấy do y tế xã hoặc bộ phận một cửa in."))
    key = _compressed(device_key) if device_key and kind == PassCard.Kind.PHONE else None
    replaced = PassCard.objects.filter(person=person, kind=kind, revoked_at__isnull=True).count()
    (card,) = issue_cards([person], kind, device_key=key)
    record(actor, card, persons=[person.pk], kind=kind, replaced=replaced, device_key=key is not None)
    return card


def issue_cards(people: Sequence[Person], kind: str, *, device_key: bytes | None = None) -> list[PassCard]:
    """The rows of new passes, in the order of `people`; those of the kind that they had end now. For verbs, which
    record it."""
    now = clock.now()
    ids = [person.pk for person in people]
    list(Person.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk").values_list("pk"))
    PassCard.objects.filter(person__in=ids, kind=kind, revoked_at__isnull=True).update(
        revoked_at=now, revoked_for=PassCard.RevokedFor.REISSUED
    )
    return PassCard.objects.bulk_create(
        PassCard(
            sub=passes.new_sub(),
            person=person,
            kind=kind,
            issued_at=now,
            expires_at=now + LIFE,
            device_key=device_key,
        )
        for person in people
    )


@verb(*ISSUERS, residents=True)
def revoke_pass(actor: Actor, *, card: PassCard, reason: str = PassCard.RevokedFor.WITHDRAWN) -> PassCard:
    """The pass counts no more: a gate that reads it asks for the identity card. `reason` is lost or withdraw."""
    if reason not in {PassCard.RevokedFor.LOST, PassCard.RevokedFor.WITHDRAWN}:
        raise Invalid(
            _("Không có lý do này."), field="reason", way_out=_("Chọn báo mất hoặc thu hồi."), code="reason"
        )
    _must_be_theirs(actor, card.person)
    card = PassCard.objects.select_for_update().get(pk=card.pk)
    if card.revoked_at is not None:
        unchanged()
        return card
    card.revoked_at = clock.now()
    card.revoked_for = reason
    card.save(update_fields=["revoked_at", "revoked_for"])
    record(actor, card, persons=[card.person_id], reason=reason)
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
            bytes(card.device_key or b""),
        )
    )


def _compressed(point: bytes) -> bytes:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as fault:
        raise Invalid(
            _("Khóa của điện thoại không đúng dạng."),
            field="device_key",
            way_out=_("Tải lại trang và tạo thẻ lại."),
        ) from fault
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def _must_be_theirs(actor: Actor, person: Person) -> None:
    if not Person.objects.seen_by(actor).filter(pk=person.pk).exists():
        raise NotAllowed()
