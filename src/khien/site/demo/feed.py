"""Telling the installation what happens in the synthetic world: scans, tubes, results, health reports.

Each thing has an id made from its place in the simulation, so telling an hour twice (after a crash, say)
stores nothing twice.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from khien.kernel import clock
from khien.kernel.events import verbs as events
from khien.kernel.people.models import Person
from khien.kernel.presence.stays import Int
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts.jobs import send_waiting
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.testing import verbs as testing
from khien.rooms.testing.models import Specimen
from khien.rooms.testing.rows import ResultRow
from khien.simulation import HourEvents, Province, World
from khien.site.demo.answering import Staff
from khien.site.models import DemoState

SORTS = ("scan", "sample", "result", "report")
_NIGHT_STEP_H = 6
_PORTION = 150_000  # people whose scans are loaded in one go


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
        self.staff = Staff(state.people, self.whereabouts)
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
        """Load the scans received in the first `days` days and the stays they tell of; returns how many scans.

        One transaction: a load that is broken off begins again, it never leaves half a history.
        """
        world = Province(self.state.people, self.state.seed).world(self.state.start)
        table = pa.concat_tables([world.step(hour).scans for hour in range(days * 24)]).combine_chunks()
        known = np.full(max(map(int, self.state.places)) + 1, -1, np.int64)
        known[np.array(list(self.state.places), np.int64)] = list(self.state.places.values())
        scans = checkpoints.KnownScans(
            client_id=_scan_ids(self.state.seed, table["scan"].to_numpy().astype(np.uint64)),
            person=table["person"].to_numpy().astype(np.int64) + self.state.first_person_id,
            place=known[pc.coalesce(table["sub_place"], table["place"]).to_numpy()],
            leaving=pc.equal(table["direction"], "out").to_numpy(),
            at=_microseconds(table["at"]),
            received=_microseconds(table["received_at"]),
        )
        checkpoints.load_scans(
            self._system,
            portions=_by_people(scans, _PORTION),
            first=int(min(scans.at.min(), scans.received.min())),
            last=int(max(scans.at.max(), scans.received.max())),
        )
        return len(table)

    def tell_day(self, day: int) -> None:
        """Tell a whole past day whose scans are loaded, in steps of six hours under each step's own time."""
        for hour in range(max(day * 24, self.state.next_hour), (day + 1) * 24, _NIGHT_STEP_H):
            last = min(hour + _NIGHT_STEP_H, (day + 1) * 24)
            rows = [
                happening
                for h in range(hour, last)
                for happening in happenings(self.world.step(h), scans=False)
            ]
            with clock.reads.frozen_at(self._moment(last)):
                self.tell(rows, as_of_each=True)
                self._follow()
                self._counts.update(self.staff.work())
                self._follow()
            self._reached(last)

    def tell(self, rows: Iterable[Happening], *, as_of_each: bool = False) -> None:
        """Do what the rows say: scans, tubes and results in batches, reports one by one.

        With `as_of_each` every report is told under its own time (for history).
        """
        ordered = sorted(rows, key=lambda row: (row.at, row.order))
        told = {sort: [row for row in ordered if row.sort == sort] for sort in SORTS}
        self._scan([row.row for row in told["scan"]])
        self._sample([row.row for row in told["sample"]])
        self._result([row.row for row in told["result"]])
        for row in told["report"]:
            with clock.reads.frozen_at(row.at) if as_of_each else nullcontext():
                self._report(row.row)

    def reached_hour(self, hour: int) -> None:
        """Every hour before `hour` has been told whole."""
        self._reached(hour)

    def _moment(self, hour: int) -> datetime:
        return clock.start_of_day(self.state.start) + timedelta(hours=hour)

    def _reached(self, hour: int) -> None:
        self.state.next_hour = hour
        self.state.save(update_fields=["next_hour"])

    def whereabouts(self, person_id: int) -> list[tuple[int, datetime, datetime]]:
        """Where a person truly was in the last days, at places of the register: (id of the place, enter, leave)."""
        stays = self.world.whereabouts(person_id - self.state.first_person_id)
        known = self.state.places
        return [(known[str(place)], enter, leave) for place, enter, leave in stays if str(place) in known]

    def _person_id(self, number: int) -> int:
        return self.state.first_person_id + number

    def _sample(self, rows: list[dict[str, Any]]) -> None:
        people = Person.objects.select_related("unit", "merged_into__unit").in_bulk(
            [self._person_id(row["person"]) for row in rows]
        )
        taken = [
            testing.Taken(row["barcode"], people[self._person_id(row["person"])], row["sampled_at"])
            for row in rows
        ]
        if taken:
            testing.collect_specimens(self._system, taken=taken)
        self._counts["mẫu"] += len(taken)

    def _result(self, rows: list[dict[str, Any]]) -> None:
        # Of what came in with a tube: sampling before the demo's first hour has no specimen here.
        known = set(
            Specimen.objects.filter(barcode__in=[row["barcode"] for row in rows]).values_list(
                "barcode", flat=True
            )
        )
        lines = [
            ResultRow(
                line=number,
                barcode=row["barcode"],
                value=row["result"],
                resulted_at=row["result_at"].isoformat(),
                ct_value="" if row["ct"] is None else f"{row['ct']:.1f}",
                assay="RT-PCR",
            )
            for number, row in enumerate(rows, 1)
            if row["barcode"] in known
        ]
        for first in range(0, len(lines), testing.MAX_ROWS):
            part = lines[first : first + testing.MAX_ROWS]
            answer = testing.import_results(self._system, rows=part, source="api")
            values = {line.line: line.value for line in part}
            stored = [values[row.line] for row in answer.rows if row.state == "stored"]
            self._counts["kết quả dương tính"] += stored.count("positive")
            self._counts["kết quả"] += len(stored) - stored.count("positive")
            self._counts["kết quả giữ lại"] += answer.intake.held

    def _report(self, row: dict[str, Any]) -> None:
        self._counts["báo triệu chứng"] += self.staff.report_symptoms(
            self._person_id(row["person"]), row["symptoms"], float(row["temperature"])
        )

    def _scan(self, rows: list[dict[str, Any]]) -> None:
        at_home = self.staff.at_home() if rows else set()
        ids = _scan_ids(self.state.seed, np.array([row["scan"] for row in rows], np.uint64))
        sent = [
            {
                "id": str(uuid.UUID(bytes=ids[number].tobytes())),
                "person": self._person_id(row["person"]),
                "place": self.state.places[
                    str(row["place"] if row["sub_place"] is None else row["sub_place"])
                ],
                "direction": row["direction"],
                "at": row["at"].isoformat(),
                "method": "camera",
            }
            for number, row in enumerate(rows)
            if self._person_id(row["person"]) not in at_home
        ]
        if sent:
            answer = checkpoints.store_scans(self._system, sent, verdicts=False)
            self._counts["lượt quét"] += answer.stored
            self._counts["lượt quét giữ lại"] += answer.held
            while checkpoints.derive_due(self._system):
                pass


def _by_people(scans: checkpoints.KnownScans, people: int) -> Iterator[checkpoints.KnownScans]:
    """All scans of some people at a time."""
    for first in range(int(scans.person.min()), int(scans.person.max()) + 1, people):
        chosen = (scans.person >= first) & (scans.person < first + people)
        yield checkpoints.KnownScans(*(getattr(scans, one.name)[chosen] for one in fields(scans)))


def _scan_ids(seed: int, number: NDArray[np.uint64]) -> NDArray[np.void]:
    """The UUID (RFC 9562, version 8) of each scan of a world: always the same, so a scan told twice is stored once."""
    halves = np.empty((len(number), 2), np.uint64)
    for half in range(2):
        mixed = number * np.uint64(2) + np.uint64(half) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        halves[:, half] = mixed ^ (mixed >> np.uint64(31))
    halves[:, 0] = (halves[:, 0] & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x8000)
    halves[:, 1] = (halves[:, 1] & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
    return np.ascontiguousarray(halves.astype(">u8")).view("V16").reshape(-1)


def _microseconds(times: pa.ChunkedArray) -> Int:
    return times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()


def happenings(told: HourEvents, *, scans: bool = True) -> Iterator[Happening]:
    """The rows of an hour, each with the moment it becomes known; without `scans` where these are loaded already."""
    for order, (sort, table, column) in enumerate(
        zip(
            SORTS,
            (told.scans, told.samples, told.results, told.symptom_reports),
            ("received_at", "sampled_at", "result_at", "at"),
            strict=True,
        )
    ):
        for row in table.to_pylist() if scans or sort != "scan" else ():
            yield Happening(row[column], order, sort, row)
