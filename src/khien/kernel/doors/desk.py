"""Staff who open a resident's page for the person beside them."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from khien.kernel.registries import help_tasks
from khien.kernel.residents import reads
from khien.kernel.residents.models import HelpSession
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.reads import HELP_SESSION_KEY, actor_of_account


def running(request: HttpRequest) -> HelpSession | None:
    """The session at a desk that this browser has open, if the member of staff may still go on with it: it has not run
    out, and the person still lives in their units."""
    help_id = request.session.get(HELP_SESSION_KEY)
    if help_id is None or not request.user.is_authenticated:
        return None
    session = reads.running_help(request.user, help_id)
    entry = None if session is None else dict(help_tasks.items()).get(session.task)
    if session is None or entry is None or session.person.unit is None:
        return None
    staff = actor_of_account(request.user)
    return session if staff.covers(session.person.unit, *entry.roles) else None


def helping(request: HttpRequest) -> Actor | None:
    """The member of staff acting for the person of the running session, on the pages of its task only."""
    session = running(request)
    match = request.resolver_match
    if session is None or match is None or session.person.merged_into_id is not None:
        return None
    if not help_tasks.get(session.task).allows(match.view_name):
        return None
    request.help_session = session  # type: ignore[attr-defined]
    purpose = _("làm giúp tại quầy: %(why)s") % {"why": session.purpose}
    return actor_of_account(request.user).helping(session.person_id, session.pk, purpose[:200])
