"""What Khiên sees of the true stays: scans with gaps and errors, and the stays derived from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from khien.simulation.movement import Stays, default_stay_s, is_home
from khien.simulation.parameters import DAY_S, HOUR_S, KIND_INDEX, KINDS, Parameters
from khien.simulation.places import Places
from khien.simulation.randomness import stream

IN, OUT = 0, 1
PHONE, GATE = 0, 1
CHANNELS = ("phone", "gate")

SCAN = np.dtype(
    [
        ("scan", "i8"),
        ("person", "i4"),
        ("room", "i4"),
        ("direction", "i1"),
        ("at", "i8"),
        ("received_at", "i8"),
        ("channel", "i1"),
        ("clock_error_s", "i4"),
        ("copy_of", "i8"),
    ]
)
PRESENCE = np.dtype(
    [
        ("person", "i4"),
        ("room", "i4"),
        ("enter", "i8"),
        ("leave", "i8"),
        ("entry_inferred", "?"),
        ("exit_inferred", "?"),
    ]
)
SCANS_PER_DAY = 10**8


@dataclass
class Habits:
    """Which places have posters and where, who scans, whose clock is wrong; set once for a world."""

    poster_room: np.ndarray
    """By place id: the place whose poster is scanned there (the room's own or the gate's), or -1."""
    keenness: np.ndarray
    """By person, standard normal."""
    scan_chance: float
    """Chance of an entry scan at a place with a poster, over all people."""
    phone_error_s: np.ndarray
    gate_error_s: np.ndarray


def make_habits(places: Places, count: int, first_day: Stays, seed: int, parameters: Parameters) -> Habits:
    """Posters are put up so that, with the people's habits, the share `coverage` of stays is scanned."""
    rng = stream(seed, "habits")
    liking = np.array([max(kind.poster, 0.01) for kind in KINDS])[places.kind]
    u = rng.random(len(places))[places.top]
    poster = u < parameters.coverage ** (0.4 / liking)
    poster[: places.homes] = False
    # In one place in two every room has its own poster, in vehicles always; elsewhere only the gate has one.
    own = (rng.random(len(places))[places.top] < 0.5) | (places.kind == KIND_INDEX["bus_trip"])
    own &= places.kind != KIND_INDEX["market_row"]
    poster_room = np.where(poster, np.where(own, np.arange(len(places)), places.top), -1).astype(np.int32)
    rooms = first_day.room[: first_day.outside]
    rooms = rooms[~is_home(places, rooms)]
    at_posters = float((poster_room[rooms] >= 0).mean())
    return Habits(
        poster_room=poster_room,
        keenness=rng.standard_normal(count),
        scan_chance=min(parameters.coverage / max(at_posters, 1e-9), 1.0),
        phone_error_s=_clock_errors(count, parameters.wrong_clock, rng),
        gate_error_s=_clock_errors(len(places), parameters.wrong_clock, rng),
    )


def _clock_errors(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Mostly minutes; one in five is whole hours off."""
    wrong = rng.random(count) < share
    minutes = rng.normal(0, 15 * 60, count)
    hours = rng.choice([-7, -1, 1, 7, 12], count) * HOUR_S
    return np.where(wrong, np.where(rng.random(count) < 0.2, hours, minutes), 0).astype(np.int32)


def make_scans(
    places: Places, habits: Habits, stays: Stays, seed: int, day: int, parameters: Parameters
) -> np.ndarray:
    """The scans of the stays that begin on a day (dtype SCAN), in order of receipt."""
    rng = stream(seed, "scans", day)
    person, room = stays.person[: stays.outside], stays.room[: stays.outside]
    poster = habits.poster_room[room]
    z = 0.6 * habits.keenness[person] + 0.8 * rng.standard_normal(len(person))
    entry = (poster >= 0) & (z < ndtri(min(habits.scan_chance, 1 - 1e-12)))
    exit_share = parameters.exit_scanned
    only_exit = parameters.exit_only * parameters.coverage
    exits = (poster >= 0) & (rng.random(len(person)) < np.where(entry, exit_share, only_exit))
    gate = rng.random(len(person)) < 0.3
    parts = []
    for chosen, direction in ((entry, IN), (exits, OUT)):
        rows = np.flatnonzero(chosen)
        part = np.zeros(len(rows), SCAN)
        part["person"], part["room"], part["direction"] = person[rows], poster[rows], direction
        lag = (rng.random(len(rows)) * np.minimum(90, (stays.leave[rows] - stays.enter[rows]) / 4)).astype(
            int
        )
        true_at = np.where(direction == IN, stays.enter[rows] + lag, stays.leave[rows] - lag)
        part["channel"] = gate[rows]
        error = np.where(gate[rows], habits.gate_error_s[poster[rows]], habits.phone_error_s[person[rows]])
        part["clock_error_s"] = error
        part["at"] = day * DAY_S + true_at + error
        wait = 1 + rng.random(len(rows)) * 20
        late = rng.random(len(rows)) < parameters.late
        wait += np.where(late, np.minimum(rng.exponential(3 * HOUR_S, len(rows)), 47 * HOUR_S), 0)
        part["received_at"] = day * DAY_S + true_at + wait.astype(np.int64)
        parts.append(part)
    scans = np.concatenate(parts)
    scans["scan"] = day * SCANS_PER_DAY + np.arange(len(scans))
    scans["copy_of"] = -1
    again = scans[rng.random(len(scans)) < parameters.duplicated].copy()
    again["copy_of"] = again["scan"]
    pause = rng.integers(2, 40, len(again))
    again["at"] += pause
    again["received_at"] += pause
    again["scan"] = day * SCANS_PER_DAY + len(scans) + np.arange(len(again))
    scans = np.concatenate([scans, again])
    return scans[np.lexsort((scans["scan"], scans["received_at"]))]


def derive_presence(scans: np.ndarray, places: Places) -> np.ndarray:
    """Pair scans into stays (dtype PRESENCE), as an installation does from the scans alone.

    Scans of one person at one place within five minutes in the same direction are one. An entry pairs with
    the next exit there within 16 hours; else it ends after the kind's usual stay, or at the person's next
    entry elsewhere if that comes first. An exit alone begins the usual stay earlier.
    """
    usual = default_stay_s()
    if len(scans) == 0:
        return np.empty(0, PRESENCE)
    order = np.lexsort((scans["scan"], scans["at"], scans["room"], scans["person"]))
    person, room = scans["person"][order], scans["room"][order]
    at, direction = scans["at"][order], scans["direction"][order]

    same = np.zeros(len(order), bool)
    same[1:] = (person[1:] == person[:-1]) & (room[1:] == room[:-1])
    copy = np.zeros(len(order), bool)
    copy[1:] = same[1:] & (direction[1:] == direction[:-1]) & (at[1:] - at[:-1] <= 300)
    keep = ~copy
    person, room, at, direction = person[keep], room[keep], at[keep], direction[keep]
    same = np.zeros(len(person), bool)
    same[1:] = (person[1:] == person[:-1]) & (room[1:] == room[:-1])

    entry = direction == IN
    paired = np.zeros(len(person), bool)
    paired[:-1] = entry[:-1] & ~entry[1:] & same[1:] & (at[1:] - at[:-1] <= 16 * HOUR_S)
    exit_of_pair = np.zeros(len(person), bool)
    exit_of_pair[1:] = paired[:-1]
    rows = np.flatnonzero(entry | ~exit_of_pair)

    following = np.minimum(rows + 1, len(at) - 1)
    stay = usual[places.kind[room[rows]]]
    enter = np.where(entry[rows], at[rows], at[rows] - stay)
    leave = np.where(paired[rows], at[following], np.where(entry[rows], at[rows] + stay, at[rows]))
    result = np.empty(len(rows), PRESENCE)
    result["person"], result["room"], result["enter"], result["leave"] = (
        person[rows],
        room[rows],
        enter,
        leave,
    )
    result["entry_inferred"] = ~entry[rows]
    result["exit_inferred"] = entry[rows] & ~paired[rows]

    # An inferred exit gives way to the next entry of the same person anywhere.
    result = result[np.lexsort((result["room"], result["enter"], result["person"]))]
    next_enter = np.full(len(result), np.iinfo(np.int64).max)
    follows = result["person"][1:] == result["person"][:-1]
    next_enter[:-1][follows] = result["enter"][1:][follows]
    cut = result["exit_inferred"] & (next_enter > result["enter"]) & (next_enter < result["leave"])
    result["leave"][cut] = next_enter[cut]
    return result
