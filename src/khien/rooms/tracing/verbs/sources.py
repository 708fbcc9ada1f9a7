"""Who infected whom: a tracer links a source, or says that a proposal is none."""

from __future__ import annotations

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, NotFound
from khien.kernel.staff import Actor
from khien.rooms.tracing.models import Case, SourceProposal
from khien.rooms.tracing.verbs.cases import TRACING, case_of

State = SourceProposal.State


@verb(*TRACING)
def link_source(actor: Actor, *, case_id: int, source_case_id: int) -> SourceProposal:
    """Say that one case infected another. Raises `Conflict` for a chain that would close on itself."""
    case = case_of(actor, case_id)
    source = Case.objects.seen_by(actor).filter(pk=source_case_id).first()
    if source is None:
        raise NotFound(_("Không có ca nguồn này."))
    above: Case | None = source
    seen: set[int] = set()
    while above is not None and above.pk not in seen:
        if above.pk == case.pk:
            raise Conflict(
                _("Ca %(source)s lại do chính ca này lây ra.") % {"source": source.label},
                field="source",
                way_out=_("Chọn ca khác, hoặc sửa nguồn lây của ca kia trước."),
            )
        seen.add(above.pk)
        above = above.source_case
    if case.source_case_id == source.pk:
        row = case.sources.filter(source_case=source, state=State.LINKED).first()
        if row is not None:
            unchanged()
            return row
    now = clock.now()
    case.sources.filter(state=State.LINKED).exclude(how=SourceProposal.How.IMPORT).update(
        state=State.PROPOSED
    )
    row, _made = SourceProposal.objects.update_or_create(
        case=case,
        person=source.person,
        defaults={
            "source_case": source,
            "state": State.LINKED,
            "decided_at": now,
            "decided_by": actor.id,
        },
        create_defaults={
            "source_case": source,
            "state": State.LINKED,
            "how": SourceProposal.How.TRACER,
            "proposed_at": now,
            "decided_at": now,
            "decided_by": actor.id,
        },
    )
    case.source_case = source
    case.outbreak = case.outbreak or source.outbreak
    case.save(update_fields=["source_case", "outbreak"])
    record(actor, row, persons=[case.person_id, source.person_id], case=case.pk, source=source.pk)
    return row


@verb(*TRACING)
def reject_source(actor: Actor, *, proposal_id: int) -> SourceProposal:
    """Say that a proposed (or linked) source is none."""
    row = SourceProposal.objects.select_related("case").filter(pk=proposal_id).first()
    if row is None:
        raise NotFound()
    case = case_of(actor, row.case_id)
    if row.state == State.REJECTED:
        unchanged()
        return row
    if case.source_case_id is not None and case.source_case_id == row.source_case_id:
        case.source_case = None
        case.save(update_fields=["source_case"])
    row.state, row.decided_at, row.decided_by = State.REJECTED, clock.now(), actor.id
    row.save(update_fields=["state", "decided_at", "decided_by"])
    record(actor, row, persons=[case.person_id, row.person_id], case=case.pk)
    return row
