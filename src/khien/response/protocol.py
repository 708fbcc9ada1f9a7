"""The outbreak protocol: which event of one room calls which verb of another. Read it from top to bottom.

Each handler runs in a transaction of its own together with the mark that it has run (`kernel.events`), so one
that fails is retried and holds up none of the others; and each may run again without changing anything.
Nothing here decides about a person: contacts wait for a tracer, isolation for a signature, alarms for an
officer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from khien.kernel.errors import Conflict
from khien.kernel.events import EventFact, on
from khien.kernel.language import dates
from khien.kernel.people.models import Person
from khien.kernel.staff import system_actor
from khien.kernel.staff.models import Account
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import verbs as broadcasts
from khien.rooms.checkpoints import coverage
from khien.rooms.quarantine import reads as orders
from khien.rooms.quarantine import verbs as quarantine
from khien.rooms.quarantine.reads import OrderNotice
from khien.rooms.testing import verbs as testing
from khien.rooms.tracing import verbs as tracing
from khien.rooms.tracing.models import Case, ContactList, TracedContact

ACTOR = system_actor("response")


# A positive result opens a case -------------------------------------------------------------------


@on("result_recorded", value="positive")
def open_a_case_for_a_positive(event: EventFact) -> None:
    """A positive result opens the person's case; one that belongs to a closed case waits for somebody."""
    told = event.payload
    facts = {
        "person_id": told["person"],
        "unit_id": told["unit"],
        "result_id": told["result"],
        "sampled_at": _moment(told["sampled_at"]),
        "resulted_at": _moment(told["resulted_at"]),
    }
    try:
        tracing.open_case(ACTOR, **facts)
    except Conflict as fault:
        if fault.code != "case_closed":
            raise
        tracing.hold_result(ACTOR, **facts, reason=str(fault.message))


@on("case_opened")
def list_the_contacts(event: EventFact) -> None:
    """The engine looks for contacts at once; from then on a tracer has them listed again.

    A case opened by hand without onset and sample waits until a tracer has entered one of them.
    """
    case_id = event.payload["case"]
    can_search = Case.objects.filter(pk=case_id, status="open", infectious_from__isnull=False).exists()
    if can_search and not ContactList.objects.filter(case_id=case_id).exists():
        tracing.list_contacts(ACTOR, case_id=case_id)


@on("case_opened")
def draft_the_isolation(event: EventFact) -> None:
    """The isolation order of the case is drafted; it holds once a commune officer or tracer signs it."""
    case = Case.objects.get(pk=event.payload["case"])
    if case.classification != Case.Classification.CONFIRMED:
        return
    quarantine.propose_isolation(
        ACTOR,
        case_id=case.pk,
        person_id=case.person_id,
        sampled_at=case.sampled_at or case.resulted_at or case.opened_at,
        fallback_unit_id=case.unit_id,
    )


@on("result_corrected")
def discard_the_draft_of_a_mistake(event: EventFact) -> None:
    """A positive that was corrected away leaves no draft to be signed; what is in force an officer decides."""
    told = event.payload
    if told["was"] != "positive" or told["value"] == "positive":
        return
    case = Case.objects.filter(result_id__in=[told["previous"], told["result"]]).first()
    draft = orders.draft_of_case(case.pk) if case is not None else None
    if draft is not None:
        quarantine.cancel_order(
            ACTOR, order_id=draft, reason="Kết quả xét nghiệm đã được đính chính, không còn dương tính."
        )


# A tracer approves the list -----------------------------------------------------------------------


@on("contacts_approved")
def put_the_contacts_under_order(event: EventFact) -> None:
    """Those whom a tracer approved are put under order in that tracer's name, by the rule of the day."""
    case_id, contacts = event.payload["case"], event.payload["contacts"]
    if not contacts:
        _mark(case_id, "ordered", "told", "followed", at=event.at)
        return
    approver = (
        TracedContact.objects.filter(pk__in=[row["contact"] for row in contacts], decided_by__isnull=False)
        .values_list("decided_by", flat=True)
        .first()
    )
    outcomes = quarantine.issue_orders(
        ACTOR,
        case_id=case_id,
        people=[
            quarantine.Exposed(row["person"], row["degree"], _moment(row["last_exposure"]))
            for row in contacts
        ],
        approved_by=approver,
        approved_by_name=_name_of(approver),
        fallback_unit_id=Case.objects.values_list("unit_id", flat=True).get(pk=case_id),
    )
    if not any(outcome.outcome == "issued" for outcome in outcomes):
        # Everybody is under order already, or it is too late for one: there is nobody new to tell.
        _mark(case_id, "ordered", "told", at=event.at)
        if not any(outcome.order_id for outcome in outcomes):
            _mark(case_id, "followed", at=event.at)


# Orders come into force ---------------------------------------------------------------------------


@on("orders_issued")
def stop_the_clock_of_orders(event: EventFact) -> None:
    """The case's clock: the contacts are ordered; the case itself is isolated from now on."""
    case_id, kind = event.payload["case"], event.payload["kind"]
    if case_id is None:
        return
    if kind == "contacts":
        _mark(case_id, "ordered", at=event.at)
    elif kind == "isolation":
        tracing.mark_isolated(ACTOR, case_id=case_id, at=event.at)


@on("orders_issued")
def tell_the_people(event: EventFact) -> None:
    """Each person gets the dates and the link of their own daily form."""
    of_contacts = event.payload["kind"] == "contacts"
    templates = {"watch": "watch_issued", "isolation": "isolation_issued"}
    notices = sorted(_notices(event), key=lambda notice: templates.get(notice.kind, "order_issued"))
    for template, group in groupby(notices, key=lambda n: templates.get(n.kind, "order_issued")):
        people = list(group)
        _send(
            people,
            template=template,
            once_key=f"event:{event.id}:{template}",
            reference=f"tracing.case:{event.payload['case']}" if of_contacts else _reference(people[0]),
        )


@on("orders_issued")
def make_the_follow_ups(event: EventFact) -> None:
    """The follow-ups of today appear in each commune without waiting for the morning."""
    quarantine.make_due_follow_ups(ACTOR)


@on("orders_issued")
def plan_the_tests(event: EventFact) -> None:
    """Samples of contacts on the days that the rule names."""
    for notice in _notices(event):
        if notice.degree > 0:
            testing.request_contact_tests(
                ACTOR,
                person=Person.objects.get(pk=notice.person_id),
                degree=notice.degree,
                start=notice.first_day,
                unit=AdminUnit.objects.get(pk=notice.unit_id),
                reference=_reference(notice),
            )


@on("order_changed")
def tell_of_a_change(event: EventFact) -> None:
    """A longer order, or another place, is told to the person with the new last day."""
    reason = event.payload["reason"]
    reasons = {
        "new_exposure": "có lần tiếp xúc mới",
        "extended": "cán bộ y tế gia hạn",
        "moved": "",
    }
    _send(
        orders.notices([event.payload["order"]]),
        template="order_moved" if reason == "moved" else "order_changed",
        once_key=f"event:{event.id}",
        more={"reason": reasons[reason]},
    )


@on("order_ended")
def tell_of_the_end(event: EventFact) -> None:
    """The end of an order is told, unless another order has taken its place."""
    notices = orders.notices([event.payload["order"]])
    reason = event.payload["reason"]
    if reason == "replaced" or not notices:
        return
    template = "watch_ended" if notices[0].kind == "watch" else "order_ended"
    _send(
        notices,
        template="order_cancelled" if reason == "cancelled" else template,
        once_key=f"event:{event.id}",
    )


@on("broadcast_settled")
def stop_the_clock_of_telling(event: EventFact) -> None:
    """The case's clock: told, once the gateway has taken a message to somebody of the list."""
    room, _colon, number = event.payload["reference"].partition(":")
    counts = event.payload["counts"]
    if room == "tracing.case" and counts.get("accepted", 0) + counts.get("delivered", 0) > 0:
        _mark(int(number), "told", at=event.at)


# The days under order -----------------------------------------------------------------------------


@on("symptoms_reported")
def ask_for_a_sample(event: EventFact) -> None:
    """Somebody under order who feels ill is to be sampled today."""
    testing.request_sampling(
        ACTOR,
        person=Person.objects.get(pk=event.payload["person"]),
        reason="symptoms",
        unit=AdminUnit.objects.get(pk=event.payload["unit"]),
        reference=f"quarantine.followup:{event.payload['follow_up']}",
    )


@on("declaration_needs_attention", sample=True)
def ask_for_a_sample_after_a_declaration(event: EventFact) -> None:
    """Somebody who declared symptoms is to be sampled, in the commune where they stay; nobody else is restricted,
    and an officer settles the rest."""
    told = event.payload
    if told["person"] is None:
        return
    testing.request_sampling(
        ACTOR,
        person=Person.objects.get(pk=told["person"]),
        reason="symptoms",
        unit=AdminUnit.objects.get(pk=told["unit"]),
        reference=f"declarations.task:{told['task']}",
    )


@on("case_followed")
def stop_the_clock_of_following(event: EventFact) -> None:
    """The case's clock: everybody under order has answered once."""
    _mark(event.payload["case"], "followed", at=event.at)


@on("person_under_order_scanned")
def raise_an_alarm(event: EventFact) -> None:
    """Somebody under order was scanned elsewhere: an officer is told, and decides."""
    told = event.payload
    quarantine.raise_alarm(
        ACTOR,
        person_id=told["person"],
        kind="scanned_outside",
        evidence={key: told[key] for key in ("scan", "place", "unit", "at")},
    )


# Places that fell silent ---------------------------------------------------------------------------


@on("silent_places_approved")
def write_to_the_owners(event: EventFact) -> None:
    """The owners whom an officer chose are asked to hang the poster and to scan again: one message a phone."""
    chosen = [row for row in coverage.notices(event.payload["notices"]) if coverage.phone_of(row.place)]
    for unit, rows in groupby(
        sorted(chosen, key=lambda row: row.place.unit_id), key=lambda row: row.place.unit
    ):
        owners = {coverage.phone_of(row.place): row for row in rows}
        broadcasts.send_to_phones(
            ACTOR,
            phones=list(owners),
            unit=unit,
            template="silent_place",
            values={
                phone: {"place": row.place.name, "since": dates.short(row.silent_since)}
                for phone, row in owners.items()
            },
            purpose="silent_place",
            reference=f"units.adminunit:{unit.pk}",
            once_key=f"event:{event.id}:{unit.pk}",
        )


# Small words --------------------------------------------------------------------------------------


def _mark(case_id: int, *steps: str, at: datetime) -> None:
    for step in steps:
        tracing.mark_step(ACTOR, case_id=case_id, step=step, at=at)


def _notices(event: EventFact) -> list[OrderNotice]:
    return orders.notices(row["order"] for row in event.payload["orders"])


def _reference(notice: OrderNotice) -> str:
    return f"quarantine.order:{notice.order_id}"


def _send(
    notices: Iterable[OrderNotice],
    *,
    template: str,
    once_key: str,
    reference: str = "",
    more: dict[str, str] | None = None,
) -> None:
    listed = list(notices)
    broadcasts.send_to_people(
        ACTOR,
        people=[notice.person_id for notice in listed],
        template=template,
        values={
            notice.person_id: {"until": notice.until, "link": notice.link, **(more or {})}
            for notice in listed
        },
        purpose=template,
        reference=reference or _reference(listed[0]),
        once_key=once_key,
    )


def _name_of(account_id: int | None) -> str:
    """How the officer is called on the order; the number of the account where it is gone."""
    if account_id is None:
        return ""
    name = Account.objects.filter(pk=account_id).values_list("full_name", flat=True).first()
    return name or f"Cán bộ số {account_id}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
