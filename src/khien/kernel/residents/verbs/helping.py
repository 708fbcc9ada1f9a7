"""Staff who do one task for somebody beside them."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid, NotAllowed, NotFound
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.registries import help_tasks
from khien.kernel.residents.models import HelpSession
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role

HELPERS = (Role.COMMUNE_OFFICER, Role.CLERK)
"""Who helps at a desk."""


@verb(*HELPERS)
def begin_help(
    actor: Actor, *, person: Person, task: str, purpose: str, number: str = "", known: bool = False
) -> HelpSession:
    """Begin to do `task` (a key of `help_tasks`) for a person of the actor's units who is present; a session that the
    actor still has ends.

    `number` is what stands on the paper that the person shows: it must be one of theirs and is kept nowhere. Without
    papers the actor says so (`known`). Raises `Invalid`, `NotAllowed` for a task of another role, `NotFound` outside
    the actor's units.
    """
    if actor.kind != "staff" or actor.id is None:
        raise NotAllowed()
    if not _in_units(actor, person):
        raise NotFound()
    entry = dict(help_tasks.items()).get(task)
    if entry is None:
        raise Invalid(
            _("Chưa chọn việc cần làm giúp."), field="task", way_out=_("Chọn một việc trong danh sách.")
        )
    if person.unit is None or not actor.covers(person.unit, *entry.roles):
        raise NotAllowed()
    purpose = " ".join(purpose.split())[:120]
    if not purpose:
        raise Invalid(_("Thiếu lý do."), field="purpose", way_out=_("Ghi vì sao người này nhờ làm giúp."))
    if number.strip():
        if not _is_theirs(person, number):
            raise Invalid(
                _("Số này không có trong hồ sơ của người đó."),
                field="number",
                way_out=_("Xem lại số trên giấy, hoặc tìm lại đúng người."),
            )
        shown = HelpSession.Shown.NUMBER
    elif known:
        shown = HelpSession.Shown.KNOWN
    else:
        raise Invalid(
            _("Chưa xem giấy tờ."),
            field="number",
            way_out=_("Nhập số trên giấy tờ của người đó, hoặc xác nhận là biết mặt."),
        )
    now = timezone.now()
    HelpSession.objects.filter(account_id=actor.id, ended_at__isnull=True).update(
        ended_at=now, ended_how=HelpSession.Ended.OTHER
    )
    minutes = rules.on("sign_in.help", clock.today()).value["minutes"]
    row = HelpSession.objects.create(
        account_id=actor.id,
        person=person,
        task=task,
        purpose=purpose,
        shown=shown,
        started_at=now,
        until=now + timedelta(minutes=minutes),
    )
    record(actor.for_purpose(purpose), row, persons=[person.pk], task=task, shown=str(shown))
    return row


@verb(*HELPERS)
def end_help(actor: Actor, *, session: HelpSession) -> None:
    """The task is done, or given up: from now on the actor does nothing for that person any more."""
    if session.account_id != actor.id:
        raise NotFound()
    if session.ended_at is not None:
        unchanged()
        return
    now = timezone.now()
    session.ended_at, session.ended_how = now, HelpSession.Ended.BUTTON
    if session.until <= now:
        session.ended_at, session.ended_how = session.until, HelpSession.Ended.TIME
    session.save(update_fields=["ended_at", "ended_how"])
    record(actor.for_purpose(session.purpose), session, persons=[session.person_id], how=session.ended_how)


def forget_help(before: date) -> int:
    """Remove sessions begun before a Vietnamese day; returns how many."""
    return HelpSession.objects.filter(started_at__lt=clock.start_of_day(before)).delete()[0]


def _in_units(actor: Actor, person: Person) -> bool:
    return (
        person.unit is not None
        and actor.covers(person.unit, *HELPERS)
        and Person.objects.seen_by(actor).filter(pk=person.pk).exists()
    )


def _is_theirs(person: Person, number: str) -> bool:
    return any(
        IdentityDocument.objects.filter(
            person=person, kind=kind, number_hash__in=identity.hashes(kind, normal)
        ).exists()
        for kind, normal in identity.possible_kinds(number)
    )
