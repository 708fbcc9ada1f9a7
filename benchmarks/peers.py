"""What others would trace with, given the same visits and the same questions: each answers with the encounters.

A question is some cases and a window that holds all of their stays asked about; each peer finds the cases' own stays
by a second copy or index by person. An answer is every encounter of at least `MINUTES` with somebody else: case,
person, start, end. Times are seconds since the first midnight, int32.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
MINUTES = 15
LEAST = MINUTES * 60
LONGEST = 12 * 3600


@dataclass(frozen=True)
class Columns:
    """Some visits: person, place, enter, leave (int32)."""

    person: Ints
    place: Ints
    enter: Ints
    leave: Ints

    def __len__(self) -> int:
        return len(self.person)

    def named(self) -> dict[str, Ints]:
        return dict(vars(self))


@dataclass(frozen=True)
class Answer:
    """Encounters, in whatever order."""

    case: npt.NDArray[Any]
    person: npt.NDArray[Any]
    start: npt.NDArray[Any]
    end: npt.NDArray[Any]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Encounters, different people, seconds together: what all must agree on."""
        seconds = (self.end.astype(np.int64) - self.start.astype(np.int64)).sum()
        return len(self.case), len(np.unique(self.person)), int(seconds)


class Peer(ABC):
    """Loads all visits once, then answers."""

    name: str

    @abstractmethod
    def load(self, days: Iterator[Columns]) -> None: ...

    @abstractmethod
    def ask(self, cases: Sequence[int], begin: int, end: int) -> Answer: ...

    def close(self) -> None:  # noqa: B027 - most hold nothing that must be given back
        """Give back what it took."""


SQL = f"""
WITH c AS (
    SELECT person, place, greatest(enter, BEGINS) AS enter, least(leave, ENDS) AS leave
    FROM BY_PERSON WHERE person IN (CASES) AND enter < ENDS AND enter > BEGINS - {LONGEST} AND leave > BEGINS
)
SELECT c.person AS "case", v.person AS person, greatest(v.enter, c.enter) AS start, least(v.leave, c.leave) AS "end"
FROM c JOIN visits v ON v.place = c.place
    AND v.enter <= c.leave - {LEAST} AND v.enter > c.enter - {LONGEST} AND v.leave >= c.enter + {LEAST}
WHERE v.person <> c.person AND least(v.leave, c.leave) - greatest(v.enter, c.enter) >= {LEAST}
"""
"""What the SQL peers are asked; that no stay is longer than 12 hours is told to them."""


def statement(by_person: str, cases: Sequence[int], begin: int, end: int) -> str:
    words = {
        "BEGINS": str(begin),
        "ENDS": str(end),
        "BY_PERSON": by_person,
        "CASES": ",".join(map(str, cases)),
    }
    text = SQL
    for word, value in words.items():
        text = text.replace(word, value)
    return text


class DuckDB(Peer):
    """An in-process column store with two copies of the visits, by place and by person, for its zone maps."""

    name = "duckdb"

    def load(self, days: Iterator[Columns]) -> None:
        import duckdb
        import pyarrow as pa

        self._database = duckdb.connect()
        run = self._database.execute
        run("SET threads = 2; SET preserve_insertion_order = true; SET enable_progress_bar = false")
        run("CREATE TABLE loaded (person INTEGER, place INTEGER, enter INTEGER, leave INTEGER)")
        for day in days:
            self._database.register("part", pa.table(day.named()))
            run("INSERT INTO loaded SELECT * FROM part")
            self._database.unregister("part")
        run("CREATE TABLE visits AS SELECT * FROM loaded ORDER BY place, enter")
        run("CREATE TABLE by_person AS SELECT * FROM loaded ORDER BY person, enter")
        run("DROP TABLE loaded")

    def ask(self, cases: Sequence[int], begin: int, end: int) -> Answer:
        found = self._database.execute(statement("by_person", cases, begin, end)).fetchnumpy()
        return Answer(*(found[name] for name in ("case", "person", "start", "end")))

    def close(self) -> None:
        self._database.close()


class Postgres(Peer):
    """A throwaway server of the wheel: unlogged table in order of place and enter, btree with everything included."""

    name = "postgres"

    def load(self, days: Iterator[Columns]) -> None:
        import psycopg

        from khien.site.postgres import throwaway

        self._stack = ExitStack()
        server = self._stack.enter_context(throwaway())
        self._database = psycopg.connect(server.dsn(), autocommit=True)
        run = self._database.execute
        run(
            "SET max_parallel_workers_per_gather = 2; SET work_mem = '256MB'; SET maintenance_work_mem = '1GB'"
        )
        run("SET jit = off")
        run("CREATE UNLOGGED TABLE visits (person int, place int, enter int, leave int)")
        for day in days:
            order = np.lexsort((day.enter, day.place))
            with (
                self._database.cursor() as cursor,
                cursor.copy("COPY visits FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
                copy.write(_copy_rows([column[order] for column in day.named().values()]))
                copy.write(b"\xff\xff")
        run("CREATE INDEX ON visits (place, enter) INCLUDE (leave, person)")
        run("CREATE INDEX ON visits (person, enter) INCLUDE (leave, place)")
        run("VACUUM ANALYZE visits")

    def ask(self, cases: Sequence[int], begin: int, end: int) -> Answer:
        buffer = io.BytesIO()
        asked = f"COPY ({statement('visits', cases, begin, end)}) TO STDOUT (FORMAT BINARY)"
        with self._database.cursor() as cursor, cursor.copy(asked) as copy:
            for block in copy:
                buffer.write(block)
        rows = np.frombuffer(buffer.getbuffer(), _ROW, offset=19, count=(buffer.tell() - 21) // _ROW.itemsize)
        return Answer(*(rows[f"value{k}"].astype(np.int32) for k in range(4)))

    def close(self) -> None:
        self._database.close()
        self._stack.close()


class Ncls(Peer):
    """Nested containment lists; the place is folded into the coordinate, so that one tree holds all places. A person's
    own visits lie in an index by person."""

    name = "ncls"
    _SPAN = 1 << 21  # more seconds than the days have

    def load(self, days: Iterator[Columns]) -> None:
        from ncls import NCLS

        parts = list(days)
        self._person = np.concatenate([part.person for part in parts])
        self._place = np.concatenate([part.place for part in parts])
        self._enter = np.concatenate([part.enter for part in parts])
        self._leave = np.concatenate([part.leave for part in parts])
        del parts
        base = self._place.astype(np.int64) * self._SPAN
        self._tree = NCLS(base + self._enter, base + self._leave, np.arange(len(base), dtype=np.int64))
        del base
        self._by_person = np.argsort(self._person, kind="stable").astype(np.uint32)
        size = np.bincount(self._person)
        self._first = np.concatenate(([0], np.cumsum(size)))

    def ask(self, cases: Sequence[int], begin: int, end: int) -> Answer:
        rows = np.concatenate([self._by_person[self._first[c] : self._first[c + 1]] for c in cases])
        rows = rows[(self._enter[rows] < end) & (self._leave[rows] > begin)]
        case = self._person[rows]
        enter, leave = np.maximum(self._enter[rows], begin), np.minimum(self._leave[rows], end)
        base = self._place[rows].astype(np.int64) * self._SPAN
        asked, found = self._tree.all_overlaps_both(
            base + enter, base + leave, np.arange(len(rows), dtype=np.int64)
        )
        start = np.maximum(self._enter[found], enter[asked])
        stop = np.minimum(self._leave[found], leave[asked])
        case, person = case[asked], self._person[found]
        good = (stop - start >= LEAST) & (person != case)
        return Answer(case[good], person[good], start[good], stop[good])


class Polars(Peer):
    """Two data frames, by place and by person: the cases' stays, the rows of their places, then a join and a filter."""

    name = "polars"

    def load(self, days: Iterator[Columns]) -> None:
        import polars as pl

        self._pl = pl
        frame = pl.concat([pl.DataFrame(day.named()) for day in days])
        self._visits = frame.sort("place", "enter").with_columns(pl.col("place").set_sorted())
        self._by_person = frame.sort("person", "enter").with_columns(pl.col("person").set_sorted())

    def ask(self, cases: Sequence[int], begin: int, end: int) -> Answer:
        pl = self._pl
        people = self._by_person["person"]
        wanted = np.sort(np.asarray(cases, np.int32))
        low = people.search_sorted(wanted, side="left").to_list()
        high = people.search_sorted(wanted, side="right").to_list()
        own = pl.concat([self._by_person.slice(a, b - a) for a, b in zip(low, high, strict=True)])
        own = own.filter((pl.col("enter") < end) & (pl.col("leave") > begin)).select(
            pl.col("person").alias("case"),
            "place",
            pl.max_horizontal("enter", pl.lit(begin)).alias("c_enter"),
            pl.min_horizontal("leave", pl.lit(end)).alias("c_leave"),
        )
        start, stop = pl.max_horizontal("enter", "c_enter"), pl.min_horizontal("leave", "c_leave")
        found = (
            self._visits.lazy()
            .filter(pl.col("place").is_in(own["place"].unique().implode()))
            .join(own.lazy(), on="place")
            .filter(
                (pl.col("enter") <= pl.col("c_leave") - LEAST)
                & (pl.col("leave") >= pl.col("c_enter") + LEAST)
                & (pl.col("person") != pl.col("case"))
            )
            .select("case", "person", start.alias("start"), stop.alias("end"))
            .filter(pl.col("end") - pl.col("start") >= LEAST)
            .collect()
        )
        return Answer(*(found[name].to_numpy() for name in ("case", "person", "start", "end")))


_ROW = np.dtype([("n", ">i2"), *[(f"{p}{k}", ">i4") for k in range(4) for p in ("size", "value")]])

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (DuckDB, Postgres, Ncls, Polars)}


@contextmanager
def loaded(name: str, days: Iterator[Columns]) -> Iterator[Peer]:
    """A peer with all visits in it."""
    peer = PEERS[name]()
    try:
        peer.load(days)
        yield peer
    finally:
        peer.close()


def _copy_rows(columns: list[Ints]) -> bytes:
    rows = np.empty(len(columns[0]), _ROW)
    rows["n"] = 4
    for k, column in enumerate(columns):
        rows[f"size{k}"] = 4
        rows[f"value{k}"] = column
    return rows.tobytes()
