"""Who acts or asks: a member of staff, a resident, a device, or the system itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _

from khien.kernel.errors import NotAllowed

if TYPE_CHECKING:
    from khien.kernel.units.models import AdminUnit

ActorKind = Literal["staff", "resident", "device", "system"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role within everything whose unit path begins with one of `paths` (the unit and, after a
    merger, the units that it wholly took over)."""

    role: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """Immutable; made once per request or job by `staff.reads.actor_of_*` and handed down.

    `person_id` is set for residents: they see their own record and nothing else.
    `acting_for` is set for a member of staff who, in a session at a desk, opens a resident's page for the person beside
    them: then `person_id` is that person too, `grants` are none, and all that is written bears the name of the member
    of staff. Whoever asks "for whom is this?" asks `acting_for`; whoever asks "whose record?" asks `person_id`.
    `purpose` is written into the audit line of every read of personal data.
    """

    kind: ActorKind
    id: int | None
    name: str
    grants: tuple[Grant, ...] = ()
    person_id: int | None = None
    purpose: str = ""
    acting_for: int | None = None
    help_id: int | None = None
    _everything: bool = field(default=False, repr=False)

    def has(self, *roles: str) -> bool:
        """Whether the actor holds one of these roles in some unit (the system always does)."""
        return self._everything or any(grant.role in roles for grant in self.grants)

    def paths(self, *roles: str) -> tuple[str, ...]:
        """The unit paths in which the actor holds one of the roles; any role when none is named."""
        return tuple(sorted({p for g in self.grants if not roles or g.role in roles for p in g.paths}))

    def covers(self, unit: AdminUnit, *roles: str) -> bool:
        """Whether `unit` lies inside the actor's units (for these roles)."""
        if self._everything:
            return True
        return any(unit.path.startswith(path) for path in self.paths(*roles))

    @property
    def sees_everything(self) -> bool:
        """True only for the system, whose reads are not narrowed."""
        return self._everything

    def must_have(self, roles: Iterable[str]) -> None:
        """Raise `NotAllowed` unless the actor holds one of the roles somewhere."""
        if not self.has(*roles):
            raise NotAllowed()

    def must_cover(self, unit: AdminUnit, *roles: str) -> None:
        """Raise `NotAllowed` unless the unit lies inside the actor's units (for these roles)."""
        if not self.covers(unit, *roles):
            raise NotAllowed(
                _("%(unit)s không thuộc địa bàn của tài khoản này.") % {"unit": unit.full_name},
                way_out=_("Chuyển việc cho cán bộ phụ trách địa bàn đó hoặc xin cấp thêm địa bàn."),
            )

    @property
    def is_own_record(self) -> bool:
        """Whether the actor stands before one record as its bearer: the resident, or who helps them at a desk."""
        return self.person_id is not None and (self.kind == "resident" or self.acting_for == self.person_id)

    def helping(self, person_id: int, help_id: int, purpose: str) -> Actor:
        """The same member of staff acting for one person: the person's own rights, and none of staff."""
        return replace(
            self, grants=(), person_id=person_id, acting_for=person_id, help_id=help_id, purpose=purpose
        )

    def for_purpose(self, purpose: str) -> Actor:
        """The same actor with a stated purpose for what is read next."""
        return replace(self, purpose=purpose)


def system_actor(name: str) -> Actor:
    """The system acting by itself, e.g. `system_actor("response")`; its lines bear that name."""
    return Actor(kind="system", id=None, name=name, _everything=True)
