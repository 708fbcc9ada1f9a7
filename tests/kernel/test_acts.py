"""A verb is one act in one transaction, with its event and its audit line."""

from __future__ import annotations

import pytest

from khien.kernel import acts
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import NotAllowed
from khien.kernel.events import declare, on
from khien.kernel.events.models import Delivery, Event
from khien.kernel.events.verbs import MAX_ATTEMPTS, deliver_pending
from khien.kernel.rules.models import RuleKey
from khien.kernel.staff import Actor, Role, system_actor
from tests.factories import make_actor, make_unit

HAPPENED = declare("test_happened", "only in tests")
_told: list[int] = []


@acts.verb(Role.TRACER)
def note(actor: Actor, *, key: str, fail: bool = False, silent: bool = False) -> RuleKey:
    """Write a row, and perhaps break off."""
    row = RuleKey.objects.create(key=key, meaning="test")
    if not silent:
        acts.record(actor, row, event=HAPPENED, payload={"row": row.pk}, key=key)
    if fail:
        raise RuntimeError("broken off")
    return row


@on("test_happened")
def write_once(event: object) -> None:
    """A handler whose write must happen once."""
    _told.append(event.id)  # type: ignore[attr-defined]
    if event.payload.get("row") == -1:  # type: ignore[attr-defined]
        raise RuntimeError("the handler failed")


pytestmark = pytest.mark.django_db


def test_act_event_and_audit_line_commit_together() -> None:
    actor = make_actor(Role.TRACER, make_unit())
    row = note(actor, key="one")
    line = AuditLine.objects.get()
    assert (line.act, line.subject, line.actor_id) == ("test_acts.note", f"rules.rulekey:{row.pk}", actor.id)
    assert Event.objects.get().payload == {"row": row.pk}


def test_an_act_that_fails_leaves_nothing() -> None:
    with pytest.raises(RuntimeError):
        note(system_actor("test"), key="one", fail=True)
    assert [m.objects.count() for m in (RuleKey, AuditLine, Event)] == [0, 0, 0]


def test_an_act_that_records_nothing_is_refused_whole() -> None:
    with pytest.raises(AssertionError, match="without recording"):
        note(system_actor("test"), key="one", silent=True)
    assert not RuleKey.objects.exists()


def test_an_actor_without_the_role_is_refused() -> None:
    with pytest.raises(NotAllowed):
        note(make_actor(Role.GUARD, make_unit()), key="one")
    with pytest.raises(NotAllowed):
        note(Actor(kind="resident", id=1, name="", person_id=1), key="one")


def test_a_handler_is_told_once_however_often_delivery_runs() -> None:
    _told.clear()
    note(system_actor("test"), key="one")
    assert deliver_pending() == 1
    assert deliver_pending() == 0
    assert len(_told) == 1


def test_a_failing_handler_is_kept_with_its_reason_and_does_not_stop_others() -> None:
    _told.clear()
    from khien.kernel.events.verbs import announce

    bad, good = announce("test_happened", [{"row": -1}, {"row": 1}])
    assert deliver_pending() == 1
    assert _told == [bad.pk, good.pk]
    failed = Delivery.objects.get(event=bad)
    assert failed.done_at is None
    assert failed.attempts == 1 < MAX_ATTEMPTS
    assert "the handler failed" in failed.failure
    assert failed.retry_at is not None
