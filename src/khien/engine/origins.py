"""Where several cases may have been infected together, and by whom.

A place and an hour explain cases better than ordinary traffic when more of them were there than of as many people
drawn at large. For each place and hour with several of the cases:

    expected = cases x (people there at such hours, on average) / (people of whom there are records)
    lift     = cases there / expected

*Such hours* are the same hour of the day on days of the same kind (Monday to Friday, or the weekend) within the
period, the hour itself among them: that of a wedding then lies far above its place's ordinary traffic, and that
of a place which nobody visits is not divided by nothing. The interval is the exact one for the ratio of two Poisson
rates (conditional on their sum, Clopper and Pearson 1934; Przyborowski and Wilenski 1940, Biometrika 31:313), so it is
wide where few cases or few stays speak.

The hour must also fit the onsets. Each case there has the weight

    weight = density(onset - middle of the hour) / mean density over the window x share of the hour spent there

1 for an hour at random; the density is a published incubation time (`Incubation`). Places and hours are ranked by the
lift's *lower* bound x the product of the weights. Cases that do not fit need not be explained: of the cases there,
those count that make this product greatest.

`known_sources` ranks known cases by where they were: the sum over these places and hours of that product x shedding,
x the share of the hour spent there. `possible_sources` ranks everybody whom the cases met: for each case the sum over
meetings of hours x risk of the place x weight x shedding, and over the cases the product, with a floor for a meeting
that nobody recorded.

Nothing here knows how an epidemic was simulated. The ranking proposes; a tracer decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from khien.engine.encounter import Spells, Thresholds, meetings
from khien.engine.moments import Moment, seconds
from khien.engine.presence import Presence
from khien.engine.ranges import AnyArray, BoolArray, IntArray, expand, merge_intervals
from khien.engine.scoring import RiskParameters
from khien.engine.spaces import Own, Spaces, meet

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

FloatArray = npt.NDArray[np.float64]

HOUR_S, DAY_S = 3600, 86_400
ZONE_S = 7 * HOUR_S
_FIRST_MONDAY = 4  # days since 1970-01-01, a Thursday
_SHORTEST_S = 60
"""A stay of which only one scan is known counts as a minute."""

_PLACES_AT_ONCE = 256
_NO_SPACES = Spaces.of(())


@dataclass(frozen=True)
class Incubation:
    """Days from infection to onset: log-normal, cut to [shortest_days, longest_days).

    By default the pooled estimate of McAloon et al. 2020 (BMJ Open 10:e039652): mu 1.63 (95 % 1.51 to 1.75), sigma 0.50
    (0.46 to 0.55), a median of 5.1 days; the limits are for the rule of the day to say. ValueError for a
    distribution that is none.
    """

    log_mean: float = 1.63
    log_sd: float = 0.50
    shortest_days: float = 1
    longest_days: float = 14

    def __post_init__(self) -> None:
        if not (self.log_sd > 0 and 0 <= self.shortest_days < self.longest_days):
            raise ValueError("incubation: log_sd above 0, and 0 <= shortest_days < longest_days")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Incubation:
        """From a rule's value: any of the fields, the rest as here. ValueError for what it does not know."""
        unknown = sorted(set(values) - {one.name for one in fields(cls)})
        if unknown:
            raise ValueError(f"incubation: unknown parameters {', '.join(unknown)}")
        return cls(**{name: float(value) for name, value in values.items()})

    def weight(self, days: FloatArray) -> FloatArray:
        """How well an infection so many days before the onset fits: a density whose mean over the window is 1."""
        from scipy.special import ndtr  # not above: SciPy takes each process half a second to load

        days = np.asarray(days, np.float64)
        within = (days >= self.shortest_days) & (days < self.longest_days) & (days > 0)
        at = np.where(within, days, 1.0)
        density = np.exp(-(((np.log(at) - self.log_mean) / self.log_sd) ** 2) / 2) / (
            at * self.log_sd * np.sqrt(2 * np.pi)
        )
        ends = np.array([max(self.shortest_days, 1e-9), self.longest_days])
        low, high = ndtr((np.log(ends) - self.log_mean) / self.log_sd)
        return np.where(within, density * (self.longest_days - self.shortest_days) / (high - low), 0.0)


@dataclass(frozen=True, eq=False)
class Ill:
    """People who fell ill, one per entry: id, when (epoch seconds), and whether that is an onset.

    Without an onset `at` is the sample's moment: as a case, any time within the window then fits as well as any other;
    as a known source, the sample stands for the onset.
    """

    person: AnyArray
    at: IntArray
    onset_known: BoolArray

    @classmethod
    def of(
        cls,
        person: Sequence[Any] | AnyArray,
        at: Sequence[Moment] | IntArray,
        onset_known: Sequence[bool] | BoolArray | None = None,
    ) -> Ill:
        """From columns of equal length; without `onset_known` every moment is an onset. ValueError otherwise."""
        moments = np.array([seconds(one) for one in at], np.int64)
        known = np.ones(len(moments), bool) if onset_known is None else np.array(onset_known, bool)
        if not len(person) == len(moments) == len(known):
            raise ValueError("persons, moments and onset_known differ in length")
        return cls(np.asarray(person), moments, known)

    def __len__(self) -> int:
        return len(self.at)

    def weight(self, case: IntArray, moment: FloatArray, incubation: Incubation) -> FloatArray:
        """How well an infection of each `case` (a position) at a moment fits when it fell ill."""
        fits = incubation.weight((self.at[case] - moment) / DAY_S)
        return np.where(self.onset_known[case], fits, 1.0)


@dataclass(frozen=True, eq=False)
class PlaceHours:
    """Places and hours that several cases share, one per entry, those that explain them best first.

    `hour` is the start (epoch seconds, a whole hour of Vietnamese time); `cases` were there, `explained` of them
    count in the rank; `people` were there in all (the cases too), `usual` are there at such hours on average; `lift`
    has the interval [`low`, `high`]; `fit` is the product of the weights of those explained; `known` the shedding of
    the known cases who were there then, summed, and `source` the id of the one who shed most (without meaning where
    `known` is 0); `score` the logarithm that ranks.
    """

    place: AnyArray
    hour: IntArray
    cases: IntArray
    explained: IntArray
    people: IntArray
    usual: FloatArray
    lift: FloatArray
    low: FloatArray
    high: FloatArray
    fit: FloatArray
    known: FloatArray
    source: AnyArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.hour)


@dataclass(frozen=True, eq=False)
class Occasions:
    """Consecutive hours of one place, [start, end) in epoch seconds, by their best hour: its entry in `PlaceHours`."""

    place: AnyArray
    start: IntArray
    end: IntArray
    best: IntArray

    def __len__(self) -> int:
        return len(self.best)


@dataclass(frozen=True, eq=False)
class PossibleSources:
    """Who may have infected the cases, the most probable first (ties by id).

    `score` is relative, at most 1. `cases` says how many of them the person met, `known` whether they
    are a known case.
    """

    person: AnyArray
    score: FloatArray
    cases: IntArray
    known: BoolArray

    def __len__(self) -> int:
        return len(self.score)


def place_hours(
    presence: Presence | Known,
    cases: Ill,
    incubation: Incubation,
    *,
    known: Ill | None = None,
    spaces: Spaces = _NO_SPACES,
    told: Iterable[tuple[int, int, int, int]] = (),
    people: int | None = None,
    at_least: int = 2,
    confidence: float = 0.95,
    shedding: Sequence[tuple[float, float]] = RiskParameters.shedding,
) -> PlaceHours:
    """Places and hours at which `at_least` of the cases were while they may have been infected, best first.

    A stay in a room is one in the building around it too (`spaces`); a building is left out at an hour when all its
    cases were seen in one of its rooms. `told` are further stays of the cases: position among them, number of the
    place, enter, leave. `people` is of how many there are records (by default counted). The ordinary traffic is that
    of the days of all windows of which there are records. Who among the `known` cases was there then is told, and
    does not change the rank. Raises UnknownPerson for a case without records, ValueError for `at_least` below 1 or a
    `confidence` that is none.
    """
    if at_least < 1 or not 0 < confidence < 1:
        raise ValueError("at_least must be at least 1, and confidence between 0 and 1")
    spells = Spells(
        presence.indexes_of_persons(cases.person),
        cases.at - round(incubation.longest_days * DAY_S),
        cases.at - round(incubation.shortest_days * DAY_S),
    )
    at = _hours_of(presence, spells, spaces, told)
    middle = (at.hour * HOUR_S + HOUR_S / 2).astype(np.float64)
    weight = cases.weight(at.owner, middle, incubation) * at.share
    order = np.lexsort((-weight, at.hour, at.place))
    at, weight = at.where(order), weight[order]
    first = _firsts(at.place, at.hour)
    size = np.diff(np.append(first, len(weight)))
    place, hour = at.place[first], at.hour[first]
    kept = (size >= at_least) & ~_told_by_a_room(place, hour, size, spaces)
    if not kept.any():
        return _nowhere(presence)
    _number, row = expand(first[kept], (first + size)[kept])
    place, hour, size, weight = place[kept], hour[kept], size[kept], weight[row]

    everybody = float(presence.number_of_people if people is None else people)
    there, such_days = _traffic(presence, place, hour, spaces, _period(presence, spells, hour))
    usual = there / such_days
    rate = (everybody / max(len(cases), 1) * such_days).astype(np.float64)
    explained, score, fit = _best_explained(size, weight, there, rate, at_least, confidence)
    row, number, shed = _known_there(presence, place, hour, cases, known, spaces, shedding)
    source = np.zeros(len(place), np.int64)
    rising = np.lexsort((-number, shed))
    source[row[rising]] = number[rising]
    low, high = (ratio * rate for ratio in _interval(size, there, confidence))
    found = PlaceHours(
        place=presence.place_ids[place],
        hour=hour * HOUR_S,
        cases=size,
        explained=explained,
        people=_people(presence, place, hour, spaces),
        usual=usual,
        lift=size / there * rate,
        low=low,
        high=high,
        fit=fit,
        known=np.bincount(row, weights=shed, minlength=len(place)).astype(np.float64),
        source=presence.person_ids[source],
        score=score,
    )
    order = np.lexsort((hour, place, -size, -np.round(score, 9)))
    return PlaceHours(*(column[order] for column in vars(found).values()))


def occasions(found: PlaceHours) -> Occasions:
    """What is one stay to a person is one answer: hours at a place that follow each other, ranked by their best."""
    _ids, place = np.unique(found.place, return_inverse=True)
    order = np.lexsort((found.hour, place))
    place, hour = place[order], found.hour[order]
    starts = np.ones(len(order), bool)
    starts[1:] = (place[1:] != place[:-1]) | (hour[1:] != hour[:-1] + HOUR_S)
    first = np.flatnonzero(starts)
    if not len(first):
        return Occasions(found.place, found.hour, found.hour, np.empty(0, np.int64))
    last = np.append(first[1:], len(order)) - 1
    best = np.minimum.reduceat(order, first)  # entries are in the order of their rank
    rank = np.argsort(best)
    return Occasions(
        found.place[best[rank]], hour[first[rank]], hour[last[rank]] + HOUR_S, best[rank].astype(np.int64)
    )


def known_sources(
    presence: Presence | Known,
    found: PlaceHours,
    cases: Ill,
    known: Ill,
    *,
    spaces: Spaces = _NO_SPACES,
    shedding: Sequence[tuple[float, float]] = RiskParameters.shedding,
) -> PossibleSources:
    """The known cases who shed where and when several `cases` were together (`found`, by `place_hours`).

    For cases that are thought to have been infected together; `possible_sources` also takes what one of them met alone.
    `cases` of the answer is the most who were there at once. Raises UnknownPerson for a case without records.
    """
    none = np.empty(0, np.int64)
    if not len(found):
        return PossibleSources(presence.person_ids[none], np.empty(0), none, np.empty(0, bool))
    place, hour = presence.numbers_of_places(found.place), found.hour // HOUR_S
    row, number, shed = _known_there(presence, place, hour, cases, known, spaces, shedding)
    ids, slot = np.unique(number, return_inverse=True)
    score = np.bincount(slot, weights=np.exp(found.score[row] - found.score[0]) * shed, minlength=len(ids))
    most = np.zeros(len(ids), np.int64)
    np.maximum.at(most, slot, found.cases[row])
    order = np.lexsort((ids, -_alike(score.astype(np.float64))))
    greatest = score.max(initial=0) or 1.0
    return PossibleSources(
        presence.person_ids[ids[order]], score[order] / greatest, most[order], np.ones(len(ids), bool)
    )


def possible_sources(
    presence: Presence | Known,
    cases: Ill,
    incubation: Incubation,
    *,
    known: Ill | None = None,
    spaces: Spaces | None = None,
    risk: Callable[[IntArray, IntArray, IntArray], FloatArray] | None = None,
    parameters: RiskParameters | None = None,
    min_minutes: float = 0,
    unseen: float = 0.001,
    floor: float = 0.01,
) -> PossibleSources:
    """Everybody whom the cases met while they may have been infected, ranked by `rank_sources`.

    `risk` says how risky an hour is for arrays of place numbers, starts and ends (epoch seconds); by default all are
    alike. `parameters` give the shedding by days since a known case's onset and that of everybody else
    (`unknown_day`). `spaces` (with a `Snapshot`) lets people meet who were seen at the gate and in a room.
    """
    parameters = RiskParameters() if parameters is None else parameters
    spells = Spells(
        presence.indexes_of_persons(cases.person),
        cases.at - round(incubation.longest_days * DAY_S),
        cases.at - round(incubation.shortest_days * DAY_S),
    )
    case, person, place, start, end, together = _met(presence, spells, spaces, round(min_minutes * 60))
    middle = (start + end) / 2
    evidence = np.maximum(together, _SHORTEST_S) / HOUR_S * cases.weight(case, middle, incubation)
    if risk is not None:
        evidence = evidence * risk(place, start, end)
    number, at = _numbers_of_known(presence, known)
    is_known, began = _look_up(number, at, person)
    days = (middle - began) / DAY_S
    evidence *= np.where(is_known, _shed(days, parameters.shedding), parameters.unknown_day)
    ranked = rank_sources(case, person, evidence, len(cases), is_known, unseen=unseen, floor=floor)
    return PossibleSources(presence.person_ids[ranked.person], ranked.score, ranked.cases, ranked.known)


def rank_sources(
    case: IntArray,
    person: IntArray,
    evidence: FloatArray,
    cases: int,
    known: BoolArray,
    *,
    unseen: float = 0.001,
    floor: float = 0.01,
) -> PossibleSources:
    """Rank people by what speaks for their having infected each of the cases. Arrays of one entry a meeting.

    `case` is a position below `cases`, `evidence` is added up by case and person and divided by the greatest of the
    case, so that cases with many stays do not outvote the others; `floor` stands for a meeting that was not
    recorded, `unseen` for how much less probable a person who is no known case is.
    """
    ids, column = np.unique(person, return_inverse=True)
    total = np.zeros((cases, len(ids)))
    np.add.at(total, (case, column), evidence)
    greatest = total.max(axis=1, keepdims=True, initial=0)
    share = np.divide(total, greatest, out=np.zeros_like(total), where=greatest > 0)
    is_known = np.zeros(len(ids), bool)
    is_known[column[known]] = True
    least = floor if cases > 1 else 0.0
    score = np.where(is_known, 1.0, unseen) * np.prod(least + (1 - least) * share, axis=0)
    order = np.lexsort((ids, -_alike(score)))
    return PossibleSources(ids[order], score[order], (total > 0).sum(axis=0)[order], is_known[order])


def _alike(score: FloatArray) -> FloatArray:
    """Scores of which those that differ by the order of their sums alone are equal: then the id decides."""
    part, power = np.frexp(score)
    return np.ldexp(np.round(part, 10), power)


# -- hours ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Hours:
    """Who was where in which hour (hours since 1970): position of the spell, place, hour, share of it."""

    owner: IntArray
    place: IntArray
    hour: IntArray
    share: FloatArray

    def where(self, chosen: AnyArray) -> _Hours:
        return _Hours(*(column[chosen] for column in vars(self).values()))


def _hours_of(
    presence: Presence | Known,
    spells: Spells,
    spaces: Spaces,
    told: Iterable[tuple[int, int, int, int]] = (),
) -> _Hours:
    """The hours of the spells' people at each place and at those around it, overlapping stays counted once."""
    further = np.array(list(told), np.int64).reshape(-1, 4).T
    owner, place, enter, leave = np.concatenate((np.stack(presence.stays_in(spells)), further), axis=1)
    start = np.maximum(enter, spells.begin[owner])
    stop = np.minimum(np.maximum(leave, enter + 1), spells.end[owner])
    within = start < stop
    owner, place, start, stop = owner[within], place[within], start[within], stop[within]
    position, outer = spaces.around(place)
    owner, place = np.append(owner, owner[position]), np.append(place, outer)
    start, stop = np.append(start, start[position]), np.append(stop, stop[position])
    keys, key = np.unique(np.stack((owner, place)), axis=1, return_inverse=True)
    key, start, stop = merge_intervals(key.reshape(-1), start, stop)
    stay, hour = expand(start // HOUR_S, -(-stop // HOUR_S))
    spent = np.minimum(stop[stay], (hour + 1) * HOUR_S) - np.maximum(start[stay], hour * HOUR_S)
    pair, slot = np.unique(np.stack((key[stay], hour)), axis=1, return_inverse=True)
    total = np.bincount(slot.reshape(-1), weights=spent, minlength=pair.shape[1])
    share = np.clip(total, _SHORTEST_S, HOUR_S) / HOUR_S
    return _Hours(keys[0, pair[0]], keys[1, pair[0]], pair[1], share)


def _firsts(place: IntArray, hour: IntArray) -> IntArray:
    """Where each place and hour begins in rows sorted by them."""
    starts = np.ones(len(place), bool)
    starts[1:] = (place[1:] != place[:-1]) | (hour[1:] != hour[:-1])
    return np.flatnonzero(starts)


def _told_by_a_room(place: IntArray, hour: IntArray, size: IntArray, spaces: Spaces) -> BoolArray:
    """Places of which, at that hour, one room alone had all the cases: the room says it better."""
    position, outer = spaces.around(place)
    rooms = np.stack((outer, hour[position], size[position]))
    own = np.stack((place, hour, size))
    if not rooms.shape[1]:
        return np.zeros(len(place), bool)
    _keys, number = np.unique(np.concatenate((rooms, own), axis=1), axis=1, return_inverse=True)
    number = number.reshape(-1)
    return np.isin(number[rooms.shape[1] :], number[: rooms.shape[1]])


def _period(presence: Presence | Known, spells: Spells, hour: IntArray) -> tuple[int, int]:
    """The days [first, last) since 1970 of Viet Nam that the windows touch and from which there are records."""
    recorded = presence.days_with_stays
    reached = (
        int(hour.max()) * HOUR_S + ZONE_S
    ) // DAY_S  # a stay may outlast the last day on which one began
    first = max((int(spells.begin.min()) + ZONE_S) // DAY_S, recorded[0])
    last = min(-(-(int(spells.end.max()) + ZONE_S) // DAY_S), max(recorded[1], reached) + 1)
    return first, last


def _traffic(
    presence: Presence | Known, place: IntArray, hour: IntArray, spaces: Spaces, days: tuple[int, int]
) -> tuple[FloatArray, IntArray]:
    """How many stays each place saw at such hours within the days [first, last) (since 1970, of Viet Nam), summed,
    and on how many days."""
    places, number = np.unique(place, return_inverse=True)
    first_hour = days[0] * 24 - ZONE_S // HOUR_S
    hours = (days[1] - days[0]) * 24
    counted = np.empty((len(places), hours), np.int64)
    for low in range(0, len(places), _PLACES_AT_ONCE):
        part = places[low : low + _PLACES_AT_ONCE]
        counted[low : low + len(part)] = _stays_by_hour(presence, part, spaces, first_hour, hours)
    day = (days[0] - _FIRST_MONDAY + np.arange(days[1] - days[0])) % 7
    by_day = counted.reshape(len(places), -1, 24)
    weekend = day >= 5
    of_kind = np.stack([by_day[:, ~weekend].sum(axis=1), by_day[:, weekend].sum(axis=1)])
    number_of_days = np.array([(~weekend).sum(), weekend.sum()])
    own_day, own_hour = np.divmod(hour - first_hour, 24)
    kind = weekend[own_day].astype(np.int64)
    return of_kind[kind, number, own_hour].astype(np.float64), number_of_days[kind]


def _stays_by_hour(
    presence: Presence | Known, place: IntArray, spaces: Spaces, first_hour: int, hours: int
) -> IntArray:
    """Stays that touch each hour at each place or within it: (places, hours)."""
    asked, inside = spaces.with_rooms(place)
    begin = np.full(len(inside), first_hour * HOUR_S)
    query, _person, enter, leave = presence.present_at(inside, begin, begin + hours * HOUR_S)
    since = np.clip(enter // HOUR_S - first_hour, 0, hours)
    until = np.clip(-(-np.maximum(leave, enter + 1) // HOUR_S) - first_hour, 0, hours)
    row = asked[query] * (hours + 1)
    size = len(place) * (hours + 1)
    change = np.bincount(row + since, minlength=size) - np.bincount(row + until, minlength=size)
    return np.cumsum(change.reshape(len(place), hours + 1), axis=1)[:, :hours]


def _people(presence: Presence | Known, place: IntArray, hour: IntArray, spaces: Spaces) -> IntArray:
    """How many different people were at each place (or within it) in the hour."""
    asked, inside = spaces.with_rooms(place)
    begin = hour[asked] * HOUR_S
    query, person, _enter, _leave = presence.present_at(inside, begin, begin + HOUR_S)
    everybody = np.int64(person.max(initial=0)) + 1
    different = np.unique(asked[query] * everybody + person)
    return np.bincount(different // everybody, minlength=len(place))


# -- ranks ---------------------------------------------------------------------------------------------


def _interval(cases: AnyArray, there: AnyArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Exact limits of a ratio of two Poisson rates of equal exposure, from their counts."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = np.asarray(betaincinv(cases, there + 1, tail), np.float64)
    high = np.asarray(betaincinv(cases + 1, there, 1 - tail), np.float64)
    return low / (1 - low), high / np.maximum(1 - high, 1e-12)


def _best_explained(
    size: IntArray,
    weight: FloatArray,
    there: FloatArray,
    rate: FloatArray,
    at_least: int,
    confidence: float,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Of each place and hour the number of cases, best fitting first, that makes lower bound x fit greatest; the
    logarithm of both, and the fit. `weight` lies by place and hour, from high to low."""
    first = np.cumsum(size) - size
    group = np.repeat(np.arange(len(size)), size)
    rank = np.arange(len(weight)) - first[group] + 1
    logs = np.log(np.maximum(weight, 1e-9))
    running = np.cumsum(logs)
    fit = running - (running - logs)[first][group]
    lower = _interval(rank, there[group], confidence)[0] * rate[group]
    score = np.where(rank >= at_least, np.log(lower) + fit, -np.inf)
    best = np.maximum.reduceat(score, first)
    chosen = np.flatnonzero(score == best[group])
    chosen = chosen[np.searchsorted(group[chosen], np.arange(len(size)))]
    return rank[chosen], best, np.exp(fit[chosen])


def _known_there(
    presence: Presence | Known,
    place: IntArray,
    hour: IntArray,
    cases: Ill,
    known: Ill | None,
    spaces: Spaces,
    shedding: Sequence[tuple[float, float]],
) -> tuple[IntArray, IntArray, FloatArray]:
    """Which known cases (not those asked about) shed at which place and hour: the hour's position, number, shedding."""
    number, at = _numbers_of_known(presence, known)
    others = ~np.isin(number, presence.indexes_of_persons(cases.person))
    number, at = number[others], at[others]
    days = [day for day, _weight in shedding]
    low, high = int(hour.min()) * HOUR_S, (int(hour.max()) + 1) * HOUR_S
    begin = np.clip(at + round(min(days) * DAY_S), low, high)
    end = np.clip(at + round(max(days) * DAY_S), low, high)
    there = _hours_of(presence, Spells(number, begin, end), spaces)
    span = int(hour.max()) + 2
    key = place * span + hour
    order = np.argsort(key)
    row = np.minimum(np.searchsorted(key[order], there.place * span + there.hour), len(key) - 1)
    row = order[row]
    here = (key[row] == there.place * span + there.hour) & (there.hour < span - 1)
    row, owner = row[here], there.owner[here]
    shed = _shed((there.hour[here] * HOUR_S + HOUR_S / 2 - at[owner]) / DAY_S, shedding) * there.share[here]
    some = shed > 0
    return row[some], number[owner[some]], shed[some]


def _numbers_of_known(presence: Presence | Known, known: Ill | None) -> tuple[IntArray, IntArray]:
    """Numbers and moments of known cases, by number; those without records are left out."""
    if known is None or not len(known):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ids = presence.person_ids
    if isinstance(ids, np.ndarray):
        with_records = np.isin(known.person, ids)
        known = Ill(known.person[with_records], known.at[with_records], known.onset_known[with_records])
    number = presence.indexes_of_persons(known.person)
    order = np.lexsort((known.at, number))
    return number[order], known.at[order]


def _look_up(number: IntArray, at: IntArray, person: IntArray) -> tuple[BoolArray, IntArray]:
    if not len(number):
        return np.zeros(len(person), bool), np.zeros(len(person), np.int64)
    slot = np.minimum(np.searchsorted(number, person), len(number) - 1)
    return number[slot] == person, at[slot]


def _shed(days: FloatArray, shedding: Sequence[tuple[float, float]]) -> FloatArray:
    day, weight = np.array(shedding, np.float64).T
    return np.interp(days, day, weight, left=0.0, right=0.0)


def _met(
    presence: Presence | Known, spells: Spells, spaces: Spaces | None, min_seconds: int
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Meetings of the spells: position, the other's number, place, start, end, seconds together."""
    if spaces is not None and not isinstance(presence, Presence):
        found = meet(presence, spells, Own.of(presence, spells), spaces, min_seconds=min_seconds)
        return found.spell, found.person, found.place, found.start, found.end, found.seconds
    parts = list(meetings(presence, spells, Thresholds(together=min_seconds, after=0)))
    columns = [
        np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
        for name in ("spell", "target", "place", "start", "end", "overlap")
    ]
    return columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]


def _nowhere(presence: Presence | Known) -> PlaceHours:
    none, real = np.empty(0, np.int64), np.empty(0, np.float64)
    place, person = presence.place_ids[none], presence.person_ids[none]
    return PlaceHours(place, none, none, none, none, real, real, real, real, real, real, person, real)
