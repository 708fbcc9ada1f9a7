"""Two officers at once, and two workers with one list: one order, whoever comes first."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from khien.kernel.clock.reads import frozen_at
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import Role, system_actor
from khien.rooms.quarantine import verbs
from khien.rooms.quarantine.models import Order
from khien.rooms.quarantine.verbs import Exposed, IssueOutcome
from tests.factories import NOON, make_actor, make_person, make_province


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """Run each act in a thread and connection of its own, begun together; returns what they raised."""
    gate = threading.Barrier(len(acts))
    faults: list[BaseException] = []

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait(timeout=20)
            act()
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(run, act), daemon=True) for act in acts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    return faults


@pytest.mark.django_db(transaction=True)
def test_the_same_person_in_four_lists_at_once_gets_one_order() -> None:
    with frozen_at(NOON):
        load_seed(system_actor("test"))
        province, _district, commune = make_province()
        person = make_person("Trần Thị Bưởi", commune)
        tracer = make_actor(Role.TRACER, province)
        outcomes: list[IssueOutcome] = []

        def issue(case_id: int) -> Callable[[], object]:
            people = [Exposed(person.pk, 1, NOON - timedelta(days=1))]
            return lambda: outcomes.extend(verbs.issue_orders(tracer, case_id=case_id, people=people))

        assert at_once(issue(1), issue(1), issue(2), issue(2)) == []
        order = Order.objects.get()
        assert order.number == "1/2022/QĐ-CLYT"
        assert {outcome.order_id for outcome in outcomes} == {order.pk}
        assert sorted(order.grounds.values_list("case_id", "outcome")) in (
            [(1, "issued"), (2, "covered")],
            [(1, "covered"), (2, "issued")],
        )
