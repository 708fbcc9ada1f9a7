"""A desk where an officer does one task for somebody without a phone: seen, timed, written down for that person."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from khien.desk.forms import HelpForm
from khien.kernel.acts import read
from khien.kernel.doors import Request, desk, staff_page
from khien.kernel.errors import Invalid, NotAllowed, NotFound, Problem
from khien.kernel.people import reads as people
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.registries import help_tasks
from khien.kernel.registries.registry import HelpTask
from khien.kernel.residents import reads, verbs
from khien.kernel.residents.models import HelpSession
from khien.kernel.residents.verbs.helping import HELPERS
from khien.kernel.staff.reads import HELP_SESSION_KEY
from khien.rooms.checkpoints import papers
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.checkpoints.models import PassCard


@staff_page(*HELPERS)
def begin(request: Request, public_id: UUID) -> HttpResponse:
    """See who it is, say what for, and begin: one task, for some minutes."""
    person = people.get(request.actor, public_id)
    if person.unit is None or not request.actor.covers(person.unit, *HELPERS):
        raise NotFound()
    tasks = _tasks(request, person)
    form = HelpForm(request.POST or None, tasks=[(key, task.label) for key, task in tasks])
    if request.method == "POST":
        if form.is_valid():
            try:
                session = verbs.begin_help(request.actor, person=person, **form.cleaned_data)
            except Invalid as problem:
                form.add_error(problem.field if problem.field in form.fields else None, str(problem))
            else:
                request.session[HELP_SESSION_KEY] = session.pk
                return HttpResponseRedirect(reverse("desk:help", args=[session.pk]))
    else:
        read(
            request.actor.for_purpose(_("xem để làm giúp tại quầy")),
            "desk.help_identity",
            persons=[person.pk],
        )
    return render(
        request,
        "desk/help_begin.html",
        {"form": form, "person": person, "documents": person.documents.order_by("kind", "pk")},
    )


@staff_page(*HELPERS)
def session(request: Request, help_id: int) -> HttpResponse:
    """The running session: the task's page, the person's identity, and the end."""
    row = reads.help_of(request.actor, help_id)
    if row is None:
        raise NotFound()
    running = desk.running(request)
    here = running is not None and running.pk == row.pk
    return render(
        request,
        "desk/help.html",
        {
            "session": row,
            "person": row.person,
            "task": dict(help_tasks.items()).get(row.task),
            "running": here,
            "documents": row.person.documents.order_by("kind", "pk"),
        },
    )


@staff_page(*HELPERS)
@require_POST
def number(request: Request, help_id: int, document_id: int) -> HttpResponse:
    """Show one document's number to compare with the paper; the look bears the purpose of the session."""
    row = _mine(request, help_id)
    document = IdentityDocument.objects.filter(pk=document_id, person=row.person).first()
    if document is None:
        raise NotFound()
    shown = people.show_number(request.actor.for_purpose(row.purpose), document)
    answer = render(request, "desk/help_number.html", {"session": row, "document": document, "number": shown})
    answer["Cache-Control"] = "private, no-store"
    return answer


@staff_page(*HELPERS)
@require_POST
def paper_pass(request: Request, help_id: int) -> HttpResponse:
    """Print a paper pass for the person, as part of the session."""
    row = _mine(request, help_id)
    if row.task != "pass":
        raise NotAllowed()
    purpose = _("làm giúp tại quầy: %(why)s") % {"why": row.purpose}
    actor = request.actor.helping(row.person_id, row.pk, purpose[:200])
    card = checkpoints.issue_pass(actor, person=row.person, kind=PassCard.Kind.PAPER)
    return HttpResponse(
        papers.paper_card(card),
        content_type="application/pdf",
        headers={
            "Content-Disposition": 'inline; filename="the-khien.pdf"',
            "Cache-Control": "private, no-store",
        },
    )


@staff_page(*HELPERS)
@require_POST
def end(request: Request, help_id: int) -> HttpResponse:
    """Done. Nothing more is done for that person."""
    row = reads.help_of(request.actor, help_id)
    if row is None:
        raise NotFound()
    verbs.end_help(request.actor, session=row)
    request.session.pop(HELP_SESSION_KEY, None)
    messages.success(request, _("Đã kết thúc làm giúp %(name)s.") % {"name": row.person.full_name})
    return HttpResponseRedirect(reverse("desk:person", args=[row.person.public_id]))


def _tasks(request: Request, person: Person) -> list[tuple[str, HelpTask]]:
    """What the actor may do for this person."""
    unit = person.unit
    assert unit is not None
    found = [(key, task) for key, task in help_tasks.items() if request.actor.covers(unit, *task.roles)]
    return sorted(found, key=lambda pair: pair[1].order)


def _mine(request: Request, help_id: int) -> HelpSession:
    """The running session of this browser, or a problem that says how to go on."""
    running = desk.running(request)
    if running is None or running.pk != help_id:
        raise Problem(
            _("Phiên làm giúp đã kết thúc hoặc hết giờ."),
            code="help_over",
            way_out=_("Tìm lại người đó và bắt đầu một phiên mới."),
        )
    return running
