"""The demo's invented staff and residents: they sign, approve and answer as people do, some hours later.

A visitor who is quicker does it first; what a visitor decided is left alone. Who waits how long follows from
row ids, so the demo goes the same way every time.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from khien.kernel import clock
from khien.kernel.places.models import Place
from khien.kernel.staff import Actor
from khien.kernel.staff import reads as staff_reads
from khien.kernel.staff.models import Account
from khien.rooms.declarations import verbs as declarations
from khien.rooms.declarations.models import Task
from khien.rooms.quarantine import verbs as quarantine
from khien.rooms.quarantine.models import FollowUp, Order, Symptom
from khien.rooms.tracing import verbs as tracing
from khien.rooms.tracing.models import Case, CaseStep, TracedContact
from khien.site.demo.staff import DUTY

_APPROVES_AFTER_H = (3.0, 10.0)
_SIGNS_AFTER_H = (0.3, 2.0)
_CALLS_AFTER_H = (6.0, 30.0)
_SECOND_HOPS = 10
_ANSWER_SHARE = 0.85
_KEEPS_SHARE = 0.95
# Of their stays of the last days, that many the ill remember; so many of them a round are asked where they were.
_REMEMBERS_SHARE = 0.7
_ASKED_WHERE = 5
_QUARTER_S = 900
_BATCH, _BATCH_SHARE = 40, 1 / 2000

# The simulation's words in those of the follow-up form.
_SYMPTOMS = {
    "fever": Symptom.FEVER,
    "cough": Symptom.COUGH,
    "sore_throat": Symptom.SORE_THROAT,
    "tiredness": Symptom.TIRED,
    "loss_of_smell": Symptom.TASTE,
    "shortness_of_breath": Symptom.BREATHLESS,
}


Whereabouts = Callable[[int], list[tuple[int, datetime, datetime]]]
"""Where a person truly was in the last days, by id: (id of the place, enter, leave)."""


class Staff:
    """The office on duty: one account with the roles of tracer and commune officer in the whole province."""

    def __init__(self, people: int, whereabouts: Whereabouts) -> None:
        self._whereabouts = whereabouts
        self._batch = max(_BATCH, round(people * _BATCH_SHARE))
        self._account_id = Account.objects.get(username=DUTY.username).pk
        self.fell_ill: dict[int, date] = {}

    def actor(self) -> Actor:
        return staff_reads.actor_of_account(Account.objects.get(pk=self._account_id))

    def work(self) -> Counter[str]:
        """Do what has waited long enough; returns what was done, in words."""
        done: Counter[str] = Counter()
        now = clock.now()
        actor = self.actor()
        done["quyết định cách ly ca được ký"] = self._sign(actor, now)
        done["ca được hỏi ngày khởi phát"] = self._interview(actor)
        done["danh sách được duyệt"] = self._approve(actor, now)
        done["lượt theo dõi"] = self._answer(now)
        done["tờ khai được xử lý"] = self._settle(actor, now)
        return Counter({name: number for name, number in done.items() if number})

    def _sign(self, actor: Actor, now: datetime) -> int:
        drafts = Order.objects.filter(state=Order.State.PROPOSED).order_by("pk")
        chosen = [row.pk for row in drafts if _waited(row.pk, row.created_at, now, _SIGNS_AFTER_H)]
        for pk in chosen:
            quarantine.sign_order(actor, order_id=pk)
        return len(chosen)

    def _settle(self, actor: Actor, now: datetime) -> int:
        """People who declared symptoms are called in the hours after; nearly all have a cold."""
        waiting = Task.objects.filter(state=Task.State.OPEN).order_by("pk")
        chosen = [row for row in waiting if _waited(row.pk, row.opened_at, now, _CALLS_AFTER_H)]
        for row in chosen:
            declarations.settle(actor, task=row, outcome=Task.Outcome.WATCHED, note="Đã gọi, hẹn lấy mẫu.")
        return len(chosen)

    def _interview(self, actor: Actor) -> int:
        """Cases tell the day on which they fell ill, some of them also where they were; the list is made anew with
        what follows."""
        asked = 0
        for case in Case.objects.filter(status=Case.Status.OPEN, onset_on=None, symptoms=""):
            onset = self.fell_ill.get(case.person_id)
            if onset is None or case.steps.filter(step=CaseStep.Step.APPROVED).exists():
                continue
            tracing.enter_symptoms(actor, case_id=case.pk, onset_on=onset, symptoms="ho, sốt")
            if asked < _ASKED_WHERE:
                self._ask_where(actor, case)
            tracing.list_contacts(actor, case_id=case.pk)
            asked += 1
        return asked

    def _ask_where(self, actor: Actor, case: Case) -> None:
        """People remember most of where they were, to about a quarter of an hour."""
        now = clock.now()
        stays = [
            row
            for number, row in enumerate(self._whereabouts(case.person_id))
            if _draw(f"remembers:{case.pk}:{number}") < _REMEMBERS_SHARE
        ]
        places = Place.objects.in_bulk([place for place, _enter, _leave in stays])
        for place, enter, leave in stays:
            start = datetime.fromtimestamp(enter.timestamp() // _QUARTER_S * _QUARTER_S, UTC)
            end = datetime.fromtimestamp(-(-leave.timestamp() // _QUARTER_S) * _QUARTER_S, UTC)
            if end <= now:
                tracing.add_landmark(actor, case_id=case.pk, start=start, end=end, place=places[place])

    def _approve(self, actor: Actor, now: datetime) -> int:
        """Approve lists: everybody whom the law names as F1, and the likeliest F2."""
        waiting = Case.objects.filter(status=Case.Status.OPEN).exclude(steps__step=CaseStep.Step.APPROVED)
        approved = 0
        for case in waiting:
            listed = case.lists.order_by("version").first()
            if listed is None:
                continue
            if not _waited(case.pk, listed.listed_at, now, _APPROVES_AFTER_H):
                continue
            rows = case.contacts.filter(state=TracedContact.State.PROPOSED).exclude(clause="")
            first = list(rows.filter(degree=1).values_list("pk", flat=True))
            second = list(
                rows.filter(degree=2).order_by("-score").values_list("pk", flat=True)[:_SECOND_HOPS]
            )
            tracing.approve_contacts(actor, case_id=case.pk, contact_ids=[*first, *second])
            approved += 1
        return approved

    def _answer(self, now: datetime) -> int:
        """Residents under order report in the daytime, most of them, each at an hour of their own."""
        local = clock.local(now)
        if not 8 <= local.hour < 21:
            return 0
        due = FollowUp.objects.filter(
            state=FollowUp.State.DUE, due_on=local.date(), order__state=Order.State.ISSUED
        ).select_related("order")
        answered = 0
        for row in due:
            draw = _draw(f"answer:{row.pk}")
            if draw > _ANSWER_SHARE or local.hour + local.minute / 60 < 8 + 12 * draw:
                continue
            resident = staff_reads.actor_of_resident(row.order.person_id)
            temperature = f"{36.3 + 0.8 * _draw(f'temperature:{row.pk}'):.1f}"
            quarantine.record_follow_up(resident, order_id=row.order_id, temperature=temperature)
            answered += 1
            if answered >= self._batch:
                break
        return answered

    def report_symptoms(self, person_id: int, symptoms: Sequence[str], temperature: float) -> int:
        """A person under order who falls ill says so on their page; returns how many reports were made.

        Whoever falls ill remembers the day, and tells it when their case is opened.
        """
        now = clock.now()
        self.fell_ill.setdefault(person_id, clock.local(now).date())
        order = Order.objects.filter(
            person_id=person_id, state=Order.State.ISSUED, starts_at__lte=now, ends_at__gt=now
        ).first()
        if order is None:
            return 0
        resident = staff_reads.actor_of_resident(person_id)
        quarantine.record_follow_up(
            resident,
            order_id=order.pk,
            temperature=f"{temperature:.1f}",
            symptoms=[_SYMPTOMS[word] for word in symptoms],
        )
        return 1

    def at_home(self) -> set[int]:
        """People under order who keep to it: all but one in twenty."""
        now = clock.now()
        under = Order.objects.filter(state=Order.State.ISSUED, starts_at__lte=now, ends_at__gt=now).exclude(
            kind=Order.Kind.WATCH
        )
        ids = under.values_list("person_id", flat=True)
        return {person_id for person_id in ids if _draw(f"keeps:{person_id}") < _KEEPS_SHARE}


def _draw(text: str) -> float:
    """A number in [0, 1) that is always the same for the same text."""
    return zlib.crc32(text.encode()) / 2**32


def _waited(pk: int, since: datetime, now: datetime, hours: tuple[float, float]) -> bool:
    low, high = hours
    return now >= since + timedelta(hours=low + (high - low) * _draw(f"waited:{pk}"))
