"""A device as tests need one: its queue outlives it, and loses only what an answer has named."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

Transport = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends a batch and returns the reply. Raises `NoReply` when none came, whatever the server has done."""


class NoReply(Exception):
    """The server or the network failed; nobody knows whether the batch was taken."""


class Device:
    """Scans, keeps, sends. `clock_off` is how wrong its wall clock is; its running clock is right."""

    def __init__(self, file: Path, place: str, *, clock_off: timedelta = timedelta(0)) -> None:
        self.file, self.place, self.clock_off = file, place, clock_off
        self.boot, self._mono = str(uuid4()), 0
        self.answers: Counter[str] = Counter()
        self._open()

    def _open(self) -> None:
        self._store = sqlite3.connect(self.file, check_same_thread=False)
        self._store.executescript(
            "CREATE TABLE IF NOT EXISTS queue (seq INTEGER PRIMARY KEY, id TEXT, event TEXT);"
            "CREATE TABLE IF NOT EXISTS ledger (id TEXT PRIMARY KEY, outcome TEXT);"
            "CREATE TABLE IF NOT EXISTS counter (last INTEGER); "
        )

    def restarted(self) -> None:
        """Killed and started again: only what the file holds is left, and the running clock begins anew."""
        self._store.close()
        self.boot, self._mono = str(uuid4()), 0
        self._open()

    def scan(self, code: str, when: datetime, /, **more: Any) -> dict[str, Any]:
        """A scan at a moment of the true time, with the next number, kept before anything else happens."""
        self._mono += 1_000
        with self._store:
            (last,) = self._store.execute("SELECT coalesce(max(last), 0) FROM counter").fetchone()
            self._store.execute("DELETE FROM counter")
            self._store.execute("INSERT INTO counter VALUES (?)", (last + 1,))
            event = {
                "id": str(uuid4()),
                "place": self.place,
                "at": (when + self.clock_off).isoformat(),
                "direction": "in",
                "method": "camera",
                "code": code,
                "seq": last + 1,
                "boot": self.boot,
                "mono": self._mono,
                "offline": True,
                **more,
            }
            self._store.execute(
                "INSERT INTO queue VALUES (?, ?, ?)", (last + 1, event["id"], json.dumps(event))
            )
        return event

    def waiting(self, limit: int = 1_000_000) -> list[dict[str, Any]]:
        """What was not answered, in order."""
        rows = self._store.execute("SELECT event FROM queue ORDER BY seq LIMIT ?", (limit,))
        return [json.loads(text) for (text,) in rows]

    def batch(self, events: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
        return {
            "sent_at": (now + self.clock_off).isoformat(),
            "boot": self.boot,
            "sent_mono": self._mono + 1_000,
            "verdicts": False,
            "events": events,
        }

    def send(self, transport: Transport, now: datetime, size: int = 200) -> bool:
        """Send the front of the queue once; whether an answer came."""
        events = self.waiting(size)
        if not events:
            return True
        try:
            reply = transport(self.batch(events, now))
        except NoReply:
            return False
        self.settle(reply)
        return True

    def settle(self, reply: dict[str, Any]) -> None:
        """Delete what the reply names, and note what it says."""
        with self._store:
            for answer in reply["answers"]:
                told = answer["reason"] or answer["outcome"]
                self.answers[told] += 1
                gone = self._store.execute("DELETE FROM queue WHERE id = ?", (answer["id"],)).rowcount
                if gone:
                    self._store.execute("INSERT OR IGNORE INTO ledger VALUES (?, ?)", (answer["id"], told))

    def ledger(self) -> dict[str, str]:
        """The final answer of each event, by id."""
        return dict(self._store.execute("SELECT id, outcome FROM ledger").fetchall())


def malformed(number: int) -> dict[str, Any]:
    """What is wrong with an event, in turn; each keeps an id that can be named."""
    return (
        {"at": "yesterday"},
        {"direction": "up"},
        {"code": 12},
        {"place": None},
        {"code": "\u0000\ud83d", "seq": "x"},
    )[number % 5]


def every(seconds: float, start: datetime) -> Iterator[datetime]:
    """Moments that follow each other."""
    at = start
    while True:
        yield at
        at += timedelta(seconds=seconds)
