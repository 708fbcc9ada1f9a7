"""Telling the installation what happens in the synthetic world: scans, tubes, results, health reports.

Each thing has an id made from its place in the simulation, so telling an hour twice (after a crash, say)
stores nothing twice.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction

from khien.kernel import clock
from khien.kernel.events import verbs as events
from khien.kernel.people.models import Person
from khien.kernel.presence.stays import Int
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts.jobs import send_waiting
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.testing import verbs as testing
from khien.rooms.testing.models import Specimen
from khien.simulation import HourEvents, Province, World
from khien.site.demo.answering import Staff
from khien.site.models import DemoState

_SCAN_SPACE = uuid.UUID("6b68696e-0000-4000-8000-000000000001")
_NIGHT_STEP_H = 6
_PORTION = 50_000


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of the world's tables with the moment at which the installation hears of it."""

    at: datetime
    order: int
    sort: str
    row: dict[str, Any]


class Feed:
    """Goes through the hours of a world and does what people, laboratories and staff do in them."""

    def __init__(self, state: DemoState) -> None:
        self.state = state
        self.world: World = Province(state.people, state.seed).world(state.start)
        self.staff = Staff()
        self._system = system_actor("demo")
        self._counts: Counter[str] = Counter()

    def counts(self) -> str:
        """What has been told since this was last asked, in words."""
        text = ", ".join(f"{number:,} {name}" for name, number in sorted(self._counts.items()) if number)
        self._counts.clear()
        return text or "–"

    def _follow(self) -> None:
        """What a worker does in a running installation: deliver what was announced, send what waits."""
        while events.deliver_pending(10_000):
            pass
        send_waiting()
        while events.deliver_pending(10_000):
            pass

    def load_scans(self, days: int) -> int:
        """Load the scans received in the first `days` days and the stays they tell of; returns how many scans."""
        world = Province(self.state.people, self.state.seed).world(self.state.start)
        table = pa.concat_tables([world.step(hour).scans for hour in range(days * 24)])
        place = pc.coalesce(table["sub_place"], table["place"]).to_numpy()
        known = np.full(place.max() + 1, -1, np.int64)
        for number, pk in self.state.places.items():
            if int(number) < len(known):
                known[int(number)] = pk
        seed = self.state.seed
        # Stays are derived person by person, so people may be taken in portions; memory stays level.
        # One transaction: a load that is broken off begins again, it never leaves half a history.
        with transaction.atomic():
            for first in range(0, self.state.people, _PORTION):
                person = table["person"].to_numpy()
                part = table.filter((person >= first) & (person < first + _PORTION))
                checkpoints.load_scans(
                    self._system,
                    scans=checkpoints.KnownScans(
                        client_id=[
                            uuid.uuid5(_SCAN_SPACE, f"{seed}:{scan}") for scan in part["scan"].to_pylist()
                        ],
                        person=part["person"].to_numpy().astype(np.int64) + self.state.first_person_id,
                        place=known[pc.coalesce(part["sub_place"], part["place"]).to_numpy()],
                        leaving=pc.equal(part["direction"], "out").to_numpy(),
                        at=_microseconds(part["at"]),
                        received=_microseconds(part["received_at"]),
                    ),
                )
        return len(table)

    def tell_day(self, day: int) -> None:
        """Tell a whole past day whose scans are loaded, in steps of six hours under each step's own time."""
        for hour in range(max(day * 24, self.state.next_hour), (day + 1) * 24, _NIGHT_STEP_H):
            last = min(hour + _NIGHT_STEP_H, (day + 1) * 24)
            rows = [
                happening
                for h in range(hour, last)
                for happening in happenings(self.world.step(h))
                if happening.sort != "scan"
            ]
            with clock.reads.frozen_at(self._moment(last)):
                self.tell(rows, as_of_each=True)
                self._follow()
                self._counts.update(self.staff.work())
                self._follow()
            self._reached(last)

    def tell(self, rows: Iterable[Happening], *, as_of_each: bool = False) -> None:
        """Do what the rows say, scans in one batch, the rest one by one.

        With `as_of_each` every sample and result is told under its own time (for history).
        """
        ordered = sorted(rows, key=lambda row: (row.at, row.order))
        self._scan([row.row for row in ordered if row.sort == "scan"])
        for row in ordered:
            if row.sort == "scan":
                continue
            if as_of_each:
                with clock.reads.frozen_at(row.at):
                    self._do(row)
            else:
                self._do(row)

    def reached_hour(self, hour: int) -> None:
        """Every hour before `hour` has been told whole."""
        self._reached(hour)

    def _moment(self, hour: int) -> datetime:
        return clock.start_of_day(self.state.start) + timedelta(hours=hour)

    def _reached(self, hour: int) -> None:
        self.state.next_hour = hour
        self.state.save(update_fields=["next_hour"])

    def _person_id(self, number: int) -> int:
        return self.state.first_person_id + number

    def _do(self, happening: Happening) -> None:
        row = happening.row
        if happening.sort == "sample":
            person = Person.objects.select_related("unit").get(pk=self._person_id(row["person"]))
            if person.merged_into_id is not None:
                person = Person.objects.select_related("unit").get(pk=person.merged_into_id)
            testing.collect_specimen(
                self._system, barcode=row["barcode"], person=person, sampled_at=row["sampled_at"]
            )
            self._counts["mẫu"] += 1
        elif happening.sort == "result":
            specimen = Specimen.objects.filter(barcode=row["barcode"]).first()
            if specimen is None:  # its sampling lies before the demo's first hour
                return
            testing.record_result(
                self._system,
                specimen=specimen,
                value=row["result"],
                resulted_at=row["result_at"],
                ct_value=None if row["ct"] is None else round(float(row["ct"]), 1),
                assay="RT-PCR",
            )
            self._counts["kết quả dương tính" if row["result"] == "positive" else "kết quả"] += 1
        else:
            self._counts["báo triệu chứng"] += self.staff.report_symptoms(
                self._person_id(row["person"]), row["symptoms"], float(row["temperature"])
            )

    def _scan(self, rows: list[dict[str, Any]]) -> None:
        at_home = self.staff.at_home() if rows else set()
        sent = [
            {
                "id": str(uuid.uuid5(_SCAN_SPACE, f"{self.state.seed}:{row['scan']}")),
                "person": self._person_id(row["person"]),
                "place": self.state.places[
                    str(row["place"] if row["sub_place"] is None else row["sub_place"])
                ],
                "direction": row["direction"],
                "at": row["at"].isoformat(),
                "method": "camera",
            }
            for row in rows
            if self._person_id(row["person"]) not in at_home
        ]
        if sent:
            answer = checkpoints.store_scans(self._system, sent, verdicts=False)
            self._counts["lượt quét"] += answer.stored
            self._counts["lượt quét giữ lại"] += answer.held
            while checkpoints.derive_due(self._system):
                pass


def _microseconds(times: pa.ChunkedArray) -> Int:
    return times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()


def happenings(told: HourEvents) -> Iterator[Happening]:
    """The rows of an hour, each with the moment it becomes known."""
    for order, (sort, table, column) in enumerate(
        (
            ("scan", told.scans, "received_at"),
            ("sample", told.samples, "sampled_at"),
            ("result", told.results, "result_at"),
            ("report", told.symptom_reports, "at"),
        )
    ):
        for row in table.to_pylist():
            yield Happening(row[column], order, sort, row)
