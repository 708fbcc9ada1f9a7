from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db import models, transaction

from khien.kernel.audit.models import AuditLine
from khien.kernel.audit.verbs import write_line
from khien.kernel.events.verbs import announce
from khien.kernel.staff.actors import Actor

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class VerbFact:
    """What is known of a verb: for the docs, and for the test that walks them all."""

    name: str
    roles: frozenset[str]
    residents: bool
    function: Callable[..., Any]


@dataclass(slots=True)
class _Running:
    name: str
    lines: list[AuditLine] = field(default_factory=list)
    unchanged: bool = False


_running: ContextVar[_Running | None] = ContextVar("khien_running_verb", default=None)
_verbs: dict[str, VerbFact] = {}


def verb(
    *roles: str, residents: bool = False
) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[Concatenate[Actor, P], R]]:
    """Make a function a verb that actors with one of `roles` may do (residents only where said).

    The system may do every verb; a device acts through verbs that name the role GUARD.
    """

    def wrap(function: Callable[Concatenate[Actor, P], R]) -> Callable[Concatenate[Actor, P], R]:
        name = f"{_room_of(function.__module__)}.{function.__name__}"

        @functools.wraps(function)
        def act(actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
            if not (residents and (actor.kind == "resident" or actor.is_own_record)):
                actor.must_have(roles)
            running = _Running(name)
            token = _running.set(running)
            try:
                with transaction.atomic():
                    result = function(actor, *args, **kwargs)
                    if not (running.lines or running.unchanged):
                        raise AssertionError(f"{name} returned without recording what it did")
                    return result
            finally:
                _running.reset(token)

        if name in _verbs:  # the audit log would not tell one from the other
            raise LookupError(f"{name} is the name of two verbs")
        _verbs[name] = VerbFact(name, frozenset(roles), residents, function)
        return act

    return wrap


def record(
    actor: Actor,
    subject: models.Model | str,
    *,
    persons: Iterable[int | None] = (),
    event: str | None = None,
    payload: dict[str, Any] | None = None,
    payloads: Iterable[dict[str, Any]] | None = None,
    **details: Any,
) -> AuditLine:
    """The audit line of the verb that is running and, where named, the event that it announces: one, or for a
    batch one for each of `payloads`.

    `details` and `payload` hold ids, counts and codes: never names or identity numbers.
    """
    running = _running.get()
    if running is None:
        raise AssertionError("record() belongs inside a verb")
    line = write_line(
        actor,
        running.name,
        sort=AuditLine.Sort.WRITE,
        subject=subject if isinstance(subject, str) else f"{subject._meta.label_lower}:{subject.pk}",
        persons=[p for p in persons if p is not None],
        details=details,
    )
    running.lines.append(line)
    if event is not None:
        announce(event, [payload or {}] if payloads is None else payloads)
    return line


def unchanged() -> None:
    """Say that the running verb found everything already as asked: nothing was written, nothing is recorded."""
    running = _running.get()
    if running is None:
        raise AssertionError("unchanged() belongs inside a verb")
    running.unchanged = True


def read(
    actor: Actor,
    act: str,
    *,
    persons: Iterable[int] = (),
    subject: models.Model | str = "",
    **details: Any,
) -> None:
    """The audit line of a read of personal data: one for a record, one for a list with the ids shown."""
    write_line(
        actor,
        act,
        sort=AuditLine.Sort.READ,
        subject=subject if isinstance(subject, str) else f"{subject._meta.label_lower}:{subject.pk}",
        persons=persons,
        details=details,
    )


def all_verbs() -> dict[str, VerbFact]:
    """Every verb by name; complete once all apps are loaded."""
    return dict(sorted(_verbs.items()))


def _room_of(module: str) -> str:
    """`khien.rooms.testing.verbs` → `testing`; `khien.kernel.people.verbs.merging` → `people`."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 else parts[-1]
