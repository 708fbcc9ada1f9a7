"""Where everybody is on a day: the true stays. Depends on the seed, the day and who is confined, on nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from khien.simulation import places as where
from khien.simulation.parameters import DAY_S, HOUR_S, KIND_INDEX, KINDS
from khien.simulation.people import People
from khien.simulation.places import Belonging, Places
from khien.simulation.randomness import stream

TRAVEL_S = 600
BUS_S = 40 * 60

# Probability of an errand in each free slot of a day, for people at home by day, at work, at school.
_SLOTS: tuple[tuple[float, float, dict[str, tuple[float, float, float]]], ...] = (
    (5.0, 6.4, {"market": (0.10, 0.06, 0.0), "pagoda": (0.02, 0.0, 0.0), "cafe": (0.01, 0.02, 0.0)}),
    (
        8.0,
        10.8,
        {
            "market": (0.30, 0.20, 0.05),
            "shop": (0.10, 0.10, 0.05),
            "cafe": (0.04, 0.06, 0.02),
            "health": (0.012, 0.004, 0.004),
            "supermarket": (0.03, 0.03, 0.03),
            "church": (0.01, 0.005, 0.005),
        },
    ),
    (
        13.8,
        16.8,
        {
            "visit": (0.10, 0.05, 0.10),
            "shop": (0.12, 0.10, 0.12),
            "cafe": (0.03, 0.05, 0.04),
            "pagoda": (0.02, 0.005, 0.0),
            "supermarket": (0.03, 0.03, 0.03),
        },
    ),
    (
        17.3,
        18.9,
        {
            "market": (0.08, 0.16, 0.02),
            "shop": (0.08, 0.12, 0.10),
            "supermarket": (0.02, 0.04, 0.02),
            "restaurant": (0.02, 0.05, 0.03),
        },
    ),
    (
        19.0,
        21.9,
        {
            "visit": (0.06, 0.06, 0.04),
            "cafe": (0.03, 0.08, 0.05),
            "restaurant": (0.02, 0.05, 0.04),
            "shop": (0.03, 0.05, 0.04),
            "church": (0.01, 0.008, 0.01),
            "feast": (0.10, 0.10, 0.06),
        },
    ),
)
_STAY_MIN = {
    "market": 35, "shop": 10, "cafe": 50, "restaurant": 45, "supermarket": 35, "pagoda": 45, "church": 70,
    "visit": 70, "health": 30, "feast": 110,
}  # fmt: skip
FEAST_SHARE = 0.25


@dataclass(frozen=True)
class Stays:
    """True stays of one day as arrays: person, room (the most precise place id), enter, leave.

    Seconds from local midnight of the day; a night shift leaves after 86 400. Stays outside homes come
    first (`outside` of them), then the stays at one's own home, which are cut at midnight.
    """

    person: np.ndarray
    room: np.ndarray
    enter: np.ndarray
    leave: np.ndarray
    outside: int

    def __len__(self) -> int:
        return len(self.person)


def make_day(
    people: People,
    places: Places,
    belonging: Belonging,
    seed: int,
    day: int,
    weekday: int,
    kept_home: np.ndarray,
    ward_of: np.ndarray,
    busy_until: np.ndarray,
) -> tuple[Stays, np.ndarray]:
    """The stays of a day, and until when (seconds of the next day) each person is still busy then.

    `weekday` 0 is Monday. `kept_home`: boolean by person, goes nowhere. `ward_of`: hospital ward by person or -1.
    """
    rng = stream(seed, "movement", day)
    count = len(people)
    free = ~kept_home & (ward_of < 0)
    persons: list[np.ndarray] = []
    rooms: list[np.ndarray] = []
    enters: list[np.ndarray] = []
    leaves: list[np.ndarray] = []

    def put(person: np.ndarray, room: np.ndarray, enter: np.ndarray, leave: np.ndarray) -> None:
        persons.append(person.astype(np.int32))
        rooms.append(room.astype(np.int32))
        enters.append(enter.astype(np.int32))
        leaves.append(leave.astype(np.int32))

    # The main stay.
    schedule = where.shift_of_day(belonging, day)
    start, end = where.schedule_seconds(schedule)
    attends = np.array([0, 0.96, 0.94, 0.94, 0.95, 0.9, 0.95])[belonging.role]
    if weekday >= 5:
        weekend = [[0, 0.0, 0.75, 0.6, 0.06, 0.5, 0.95], [0, 0.0, 0.15, 0.05, 0.02, 0.4, 0.95]]
        attends = np.array(weekend[weekday - 5])[belonging.role]
    goes = free & (belonging.room >= 0) & (rng.random(count) < attends)
    goes &= start > busy_until + 2 * HOUR_S
    start = start + np.clip(rng.normal(0, 420, count), -1200, 1500).astype(np.int32)
    end = end + np.clip(rng.normal(300, 600, count), -1800, 2700).astype(np.int32)
    who = np.flatnonzero(goes)
    put(who, belonging.room[who], start[who], end[who])

    # Vehicles before and after it.
    rider = who[(belonging.trip_out[who] >= 0) & (start[who] - BUS_S - 1800 > busy_until[who])]
    trip_start = where.schedule_seconds(schedule[rider])
    board = trip_start[0] - BUS_S - 1800 + (rng.random(len(rider)) * 900).astype(np.int32)
    put(rider, belonging.trip_out[rider], board, trip_start[0] - 1500)
    depart = np.maximum(trip_start[1] + 2820, end[rider] + 60)
    away = depart + BUS_S - (rng.random(len(rider)) * 900).astype(np.int32)
    put(rider, belonging.trip_back[rider], depart, away)
    main_start = np.where(goes, start, DAY_S * 3)
    main_end = np.where(goes, end, -1)
    main_start[rider] = board
    main_end[rider] = away

    # Patients lie in their ward all day.
    patient = np.flatnonzero(ward_of >= 0)
    put(patient, ward_of[patient], np.zeros(len(patient)), np.full(len(patient), DAY_S))

    # Errands in the slots that the main stay leaves free.
    ready = np.maximum(busy_until + (busy_until > 0) * (TRAVEL_S + 3 * HOUR_S), 0)
    group = np.select([goes & (belonging.role != where.PUPIL), belonging.role == where.PUPIL], [1, 2], 0)
    child = people.age < 6
    feast_today = rng.random(len(places)) < FEAST_SHARE * (2 if weekday >= 5 else 0.5)
    lift = 1.35 if weekday >= 5 else 1.0
    last_end = np.zeros(count, np.int32)
    for slot_start, slot_end, errands in _SLOTS:
        low, high = int(slot_start * HOUR_S), int(slot_end * HOUR_S)
        slot_free = free & ~child & ((high + TRAVEL_S <= main_start) | (low >= main_end + TRAVEL_S))
        slot_free &= ready <= low
        # A main stay of the afternoon lies after the slots before it: both sides are checked above.
        u = np.where(slot_free, rng.random(count), 2.0)
        edge = np.zeros(count)
        for errand, chances in errands.items():
            chance = np.array(chances)[group] * lift
            if errand == "feast":
                chance = chance * feast_today[belonging.favourites["feast"][:, 0]]
            elif errand == "church":
                chance = chance * (6 if weekday == 6 else 1)
            chosen = np.flatnonzero((u >= edge) & (u < edge + chance))
            edge += chance
            column = (rng.random(len(chosen)) < 0.35).astype(int)
            room = belonging.favourites[errand][chosen, column]
            known = room >= 0
            chosen, room = chosen[known], room[known]
            stay = _STAY_MIN[errand] * 60 * np.exp(0.5 * rng.standard_normal(len(chosen)) - 0.125)
            stay = np.clip(stay, 180, high - low - 60).astype(np.int32)
            begin = low + (rng.random(len(chosen)) * (high - low - stay)).astype(np.int32)
            begin = np.maximum(begin, np.minimum(last_end[chosen] + 120, high - stay))
            last_end[chosen] = begin + stay
            put(chosen, room, begin, begin + stay)

    person, room = np.concatenate(persons), np.concatenate(rooms)
    enter, leave = np.concatenate(enters), np.concatenate(leaves)
    order = np.argsort((person.astype(np.int64) << 18) + enter, kind="stable")
    person, room, enter, leave = person[order], room[order], enter[order], leave[order]
    return _with_home(people, busy_until, person, room, enter, leave)


def _with_home(
    people: People,
    busy_until: np.ndarray,
    person: np.ndarray,
    room: np.ndarray,
    enter: np.ndarray,
    leave: np.ndarray,
) -> tuple[Stays, np.ndarray]:
    """Fill what lies between the stays (sorted by person and time) with stays at home."""
    count = len(people)
    first = np.ones(len(person), bool)
    first[1:] = person[1:] != person[:-1]
    last = np.ones(len(person), bool)
    last[:-1] = first[1:]
    came_home = np.where(busy_until > 0, busy_until + TRAVEL_S, 0)
    gap_from = np.empty(len(person), np.int32)
    gap_from[1:] = leave[:-1] + TRAVEL_S
    gap_from[first] = came_home[person[first]]
    gap_to = np.where(enter > 0, enter - TRAVEL_S, 0)
    home = gap_to - gap_from >= 1200
    # The evening, from the last stay (or from the morning for those who stay in) to midnight.
    evening_from = came_home.astype(np.int32)
    evening_from[person[last]] = leave[last] + TRAVEL_S
    evening = np.flatnonzero(DAY_S - evening_from >= 600)
    next_busy = np.zeros(count, np.int32)
    next_busy[person[last]] = np.maximum(leave[last] - DAY_S, 0)
    home_person = np.concatenate([person[home], evening]).astype(np.int32)
    stays = Stays(
        person=np.concatenate([person, home_person]),
        room=np.concatenate([room, people.household[home_person]]),
        enter=np.concatenate([enter, gap_from[home], evening_from[evening]]).astype(np.int32),
        leave=np.concatenate([leave, gap_to[home], np.full(len(evening), DAY_S)]).astype(np.int32),
        outside=len(person),
    )
    return stays, next_busy


def is_home(places: Places, room: np.ndarray) -> np.ndarray:
    """Whether each room is somebody's home (one's own or a friend's)."""
    return room < places.homes


def default_stay_s() -> np.ndarray:
    """The usual stay by kind index, seconds."""
    return np.array([kind.stay_min * 60 for kind in KINDS], np.int64)


HOME = KIND_INDEX["home"]
