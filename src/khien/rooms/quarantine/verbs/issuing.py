"""Putting people under order: from a list that a tracer approved, by a named officer's act, or, for a case,
as a draft that an officer signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.language import dates
from khien.kernel.people.models import Person
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.kernel.standing.verbs import impose_many
from khien.kernel.units.models import AdminUnit
from khien.rooms.quarantine import reads, terms
from khien.rooms.quarantine.events import CASE_FOLLOWED, ORDER_CHANGED, ORDERS_ISSUED
from khien.rooms.quarantine.models import Order, OrderChange, OrderGround, OrderSeries
from khien.rooms.quarantine.verbs import steps

ISSUERS = (Role.TRACER, Role.COMMUNE_OFFICER)
Outcome = OrderGround.Outcome
# Explanations and reasons are stored, so they are Vietnamese whatever language the screen of the officer speaks.


@dataclass(frozen=True, slots=True)
class Exposed:
    """One person of an approved list. `last_exposure` is aware UTC; `vaccinated` as the rule means it."""

    person_id: int
    degree: int
    last_exposure: datetime
    vaccinated: bool = False


@dataclass(frozen=True, slots=True)
class IssueOutcome:
    """What became of one person of the list: the order, if any, the outcome's code and the reason in words."""

    person_id: int
    order_id: int | None
    outcome: str
    explanation: str


@verb(*ISSUERS)
def issue_orders(
    actor: Actor,
    *,
    case_id: int | None,
    people: Sequence[Exposed],
    approved_by: int | None = None,
    approved_by_name: str = "",
    fallback_unit_id: int | None = None,
) -> list[IssueOutcome]:
    """Put the people of an approved list under order by the rule of today; one outcome a person, in order.

    A member of staff issues in their own name and units; the system only with `approved_by_name`, the
    officer who approved the list. Idempotent by (case, person): who already stands there is answered as
    before. Somebody already under an order that covers the time keeps it, else it is extended.
    `fallback_unit_id` follows up people whose commune is unknown. With `case_id=None` (by hand, one act for
    one exposure) nothing is remembered to compare with, only a running order is.

    Raises `Invalid` when nobody answers for the list, `NotAllowed` outside the actor's units.
    """
    signer, signer_name = _signer(actor, approved_by, approved_by_name)
    now = clock.now()
    year = clock.local(now).year
    # The row of the series is the lock: orders are numbered, and people checked, one list at a time.
    OrderSeries.objects.get_or_create(year=year)
    series = OrderSeries.objects.select_for_update().get(year=year)
    people = _nearest(people)
    persons = _persons([line.person_id for line in people])
    for unit in {p.unit_id: p.unit for p in persons.values() if p.unit is not None}.values():
        actor.must_cover(unit, *ISSUERS)
    fallback = AdminUnit.objects.filter(pk=fallback_unit_id).first() if fallback_unit_id else None
    known = _grounds(case_id, persons)
    running = {
        order.person_id: order
        for order in Order.objects.select_for_update().filter(
            person_id__in={p.pk for p in persons.values()}, state=Order.State.ISSUED, ends_at__gt=now
        )
    }
    length = rules.on("quarantine.length", clock.local(now).date())
    basis = reads.legal_basis(length)

    new: list[Order] = []
    extended: list[Order] = []
    grounds: list[OrderGround] = []
    answers: dict[int, IssueOutcome] = {}
    for line in people:
        person = persons.get(line.person_id)
        if person is None:
            answers[line.person_id] = IssueOutcome(line.person_id, None, Outcome.HELD, "Không có người này.")
            continue
        if person.pk in known:
            ground = known[person.pk]
            answers[line.person_id] = IssueOutcome(
                line.person_id, ground.order_id, ground.outcome, ground.explanation
            )
            continue
        order, outcome, why = _decide(line, person, fallback, running.get(person.pk), length, now)
        if order is not None and outcome == Outcome.ISSUED:
            series.last += 1
            order.case_id = case_id
            order.number = f"{series.last}/{year}/QĐ-CLYT"
            order.legal_basis = basis
            order.state, order.signed_at = Order.State.ISSUED, now
            order.signed_by, order.signed_by_name = signer, signer_name
            running[person.pk] = order
            new.append(order)
        elif order is not None and outcome == Outcome.EXTENDED:
            extended.append(order)
        ground = OrderGround(
            order=order,
            person=person,
            case_id=case_id or 0,
            degree=line.degree,
            counted_from=line.last_exposure,
            outcome=outcome,
            explanation=why,
            recorded_at=now,
        )
        grounds.append(ground)
        answers[line.person_id] = IssueOutcome(line.person_id, order.pk if order else None, outcome, why)

    Order.objects.bulk_create(new)
    series.save(update_fields=["last"])
    if case_id is not None:
        OrderGround.objects.bulk_create(grounds)
    steps.write(new, OrderChange.Kind.SIGNED, actor, reason="Theo danh sách được duyệt.", at=now)
    impose_many("under_order", [steps.standing(o) for o in new if o.kind != Order.Kind.WATCH])
    impose_many("under_watch", [steps.standing(o) for o in new if o.kind == Order.Kind.WATCH])
    _extend(actor, extended, {g.order_id: g for g in grounds}, now)
    ids = {order.person_id: order.pk for order in new}
    answers = {
        asked: IssueOutcome(asked, ids.get(persons[asked].pk, a.order_id), a.outcome, a.explanation)
        if asked in persons
        else a
        for asked, a in answers.items()
    }

    if new:
        _announce(actor, new, case_id, "contacts" if case_id is not None else "hand")
    elif grounds and case_id is not None:
        record(actor, f"tracing.case:{case_id}", persons=[g.person_id for g in grounds], issued=0)
        if case_id and not reads.unheard(case_id):
            record(
                actor,
                f"tracing.case:{case_id}",
                event=CASE_FOLLOWED,
                payload={"case": case_id, "orders": reads.orders_of_case(case_id).count()},
            )
    elif not extended:
        unchanged()
    return [answers[line.person_id] for line in people]


@verb(*ISSUERS)
def propose_isolation(
    actor: Actor, *, case_id: int, person_id: int, sampled_at: datetime, fallback_unit_id: int | None = None
) -> Order | None:
    """Draft the isolation order of a case; nothing holds before an officer signs it (`sign_order`).

    Idempotent by (case, person). None when the days that the rule asks have passed since the sample.
    Raises `NotFound` for an unknown person, `Invalid` when no commune can follow them up.
    """
    now = clock.now()
    person = _persons([person_id]).get(person_id)
    if person is None:
        raise NotFound(_("Không có người này."), field="person")
    ground = OrderGround.objects.select_related("order").filter(case_id=case_id, person=person).first()
    if ground is not None and ground.degree == 0:
        unchanged()
        return ground.order
    unit = person.unit or (
        AdminUnit.objects.filter(pk=fallback_unit_id).first() if fallback_unit_id else None
    )
    if unit is None:
        raise Invalid(
            _("Chưa biết người này ở xã nào."), field="unit", way_out=_("Ghi nơi ở của người này trước.")
        )
    actor.must_cover(unit, *ISSUERS)
    waiting = Order.objects.filter(person=person, state=Order.State.PROPOSED).first()
    rule = rules.on("quarantine.isolation", clock.local(now).date())
    found = terms.isolation_terms(rule, sampled_at=sampled_at, now=now)
    order = waiting
    if found is not None and waiting is None:
        order = Order.objects.create(
            person=person,
            unit=unit,
            address=person.address,
            kind=found.kind,
            degree=0,
            case_id=case_id,
            counted_from=sampled_at,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
            watch_until=found.watch_until,
            state=Order.State.PROPOSED,
            rule=terms.kept(rule),
            legal_basis=reads.legal_basis(rule),
            created_at=now,
        )
    OrderGround.objects.update_or_create(
        person=person,
        case_id=case_id,
        defaults={
            "order": order,
            "degree": 0,
            "counted_from": sampled_at,
            "outcome": Outcome.PROPOSED if order is not None else Outcome.PAST,
            "explanation": (
                f"Dự thảo cách ly ca bệnh theo {rule.decision}, chờ cán bộ ký."
                if order is not None
                else f"Đã quá thời hạn cách ly theo {rule.decision}."
            ),
            "recorded_at": now,
        },
    )
    record(actor, order or f"tracing.case:{case_id}", persons=[person.pk], case=case_id)
    return order


@verb(*ISSUERS)
def sign_order(actor: Actor, *, order_id: int) -> Order:
    """Sign a draft: it holds from now on and replaces an order that the person is under.

    Only a named member of staff signs. Raises `Conflict` when it is no draft any more or its days have passed.
    """
    if actor.kind != "staff":
        raise Invalid(_("Quyết định phải do một cán bộ ký."), code="needs_a_person")
    now = clock.now()
    year = clock.local(now).year
    OrderSeries.objects.get_or_create(year=year)
    series = OrderSeries.objects.select_for_update().get(year=year)
    order = steps.locked(actor, order_id)
    if order.state == Order.State.ISSUED:
        unchanged()
        return order
    if order.state != Order.State.PROPOSED:
        raise Conflict(_("Dự thảo này đã bị hủy."), way_out=_("Lập quyết định mới nếu cần."))
    if order.ends_at <= now:
        raise Conflict(
            _("Thời hạn của dự thảo đã qua."), way_out=_("Hủy dự thảo này, lập quyết định mới nếu cần.")
        )
    for before in Order.objects.select_for_update().filter(
        person_id=order.person_id, state=Order.State.ISSUED, ends_at__gt=now
    ):
        steps.close(
            actor,
            before,
            OrderChange.Kind.REPLACED,
            reason="Thay bằng quyết định cách ly ca bệnh.",
            at=now,
            code="replaced",
        )
    series.last += 1
    series.save(update_fields=["last"])
    order.number = f"{series.last}/{year}/QĐ-CLYT"
    order.state = Order.State.ISSUED
    order.starts_at = order.signed_at = now
    order.signed_by, order.signed_by_name = actor.id, actor.name
    order.save()
    OrderGround.objects.filter(order=order, outcome=Outcome.PROPOSED).update(
        outcome=Outcome.ISSUED, explanation=f"Đã ký quyết định {order.number}."
    )
    steps.write([order], OrderChange.Kind.SIGNED, actor, reason="Ký dự thảo.", at=now)
    impose_many("under_order", [steps.standing(order)])
    _announce(actor, [order], order.case_id, "isolation")
    return order


def _signer(actor: Actor, approved_by: int | None, name: str) -> tuple[int | None, str]:
    if actor.kind == "staff":
        return actor.id, actor.name
    if not name:
        raise Invalid(
            _("Danh sách chưa có cán bộ nào duyệt."),
            field="approved_by_name",
            way_out=_("Cán bộ truy vết duyệt danh sách trước."),
            code="needs_a_person",
        )
    return approved_by, name


def _nearest(people: Sequence[Exposed]) -> list[Exposed]:
    """One line a person: the nearest degree, then the latest exposure."""
    best: dict[int, Exposed] = {}
    for line in people:
        held = best.get(line.person_id)
        if held is None or (line.degree, -line.last_exposure.timestamp()) < (
            held.degree,
            -held.last_exposure.timestamp(),
        ):
            best[line.person_id] = line
    return list(best.values())


def _persons(ids: list[int]) -> dict[int, Person]:
    """The people by the id that was asked, merged records followed."""
    found = {p.pk: p for p in Person.objects.select_related("unit").filter(pk__in=ids)}
    for asked, person in found.items():
        while person.merged_into_id is not None:
            person = Person.objects.select_related("unit").get(pk=person.merged_into_id)
        found[asked] = person
    return found


def _grounds(case_id: int | None, persons: dict[int, Person]) -> dict[int, OrderGround]:
    if case_id is None:
        return {}
    ids = {p.pk for p in persons.values()}
    return {g.person_id: g for g in OrderGround.objects.filter(case_id=case_id, person_id__in=ids)}


def _decide(
    line: Exposed,
    person: Person,
    fallback: AdminUnit | None,
    current: Order | None,
    length: rules.RuleFact,
    now: datetime,
) -> tuple[Order | None, str, str]:
    """What the rule says for one person: an order (new or running), the outcome and why."""
    if current is not None and current.kind == Order.Kind.ISOLATION:
        return current, Outcome.COVERED, "Đang cách ly ca bệnh, không cần quyết định của người tiếp xúc."
    try:
        found = terms.contact_terms(
            length, degree=line.degree, last_exposure=line.last_exposure, now=now, vaccinated=line.vaccinated
        )
    except LookupError:
        return (
            None,
            Outcome.HELD,
            f"{length.decision} không nói đến bậc F{line.degree}.",
        )
    if found is None:
        return (
            None,
            Outcome.PAST,
            f"Đã quá thời hạn tính từ lần tiếp xúc cuối theo {length.decision}.",
        )
    if current is not None:
        stricter = current.kind == Order.Kind.WATCH and found.kind != Order.Kind.WATCH
        last = dates.short(reads.last_day(current))
        if current.ends_at >= found.ends_at and not stricter:
            return current, Outcome.COVERED, f"Quyết định đang có kéo dài đến hết ngày {last}, đã bao trùm."
        current.ends_at = max(current.ends_at, found.ends_at)
        current.watch_until = max(filter(None, (current.watch_until, found.watch_until)), default=None)
        current.degree = min(current.degree, line.degree)
        current.counted_from = max(current.counted_from, line.last_exposure)
        current.rule = terms.kept(length)
        if stricter:
            current.kind = found.kind
        return (
            current,
            Outcome.EXTENDED,
            f"Gia hạn quyết định {current.number} đến hết ngày {dates.short(reads.last_day(current))}.",
        )
    unit = person.unit or fallback
    if unit is None:
        return None, Outcome.HELD, "Chưa biết người này ở xã nào."
    order = Order(
        person=person,
        unit=unit,
        address=person.address,
        kind=found.kind,
        degree=line.degree,
        counted_from=line.last_exposure,
        starts_at=found.starts_at,
        ends_at=found.ends_at,
        watch_until=found.watch_until,
        rule=terms.kept(length),
        created_at=now,
    )
    return (
        order,
        Outcome.ISSUED,
        f"Theo {length.decision}: {length.summary}"[:300],
    )


def _extend(actor: Actor, orders: list[Order], grounds: dict[int | None, OrderGround], now: datetime) -> None:
    for order in orders:
        before = Order.objects.values_list("ends_at", flat=True).get(pk=order.pk)
        order.save()
        steps.write(
            [order],
            OrderChange.Kind.EXTENDED,
            actor,
            reason=grounds[order.pk].explanation,
            at=now,
            previous_end=before,
        )
        steps.restate(order)
        record(
            actor,
            order,
            persons=[order.person_id],
            event=ORDER_CHANGED,
            payload=steps.fact(order) | {"reason": "new_exposure"},
        )


def _announce(actor: Actor, orders: list[Order], case_id: int | None, kind: str) -> None:
    payload: dict[str, Any] = {
        "case": case_id,
        "kind": kind,
        "orders": [steps.fact(order) for order in orders],
    }
    record(
        actor,
        f"tracing.case:{case_id}" if case_id is not None else orders[0],
        persons=[order.person_id for order in orders],
        event=ORDERS_ISSUED,
        payload=payload,
        orders=[order.pk for order in orders],
    )
