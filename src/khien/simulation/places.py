"""The places of the synthetic province, and who belongs to which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from khien.simulation.parameters import HOUR_S, KIND_INDEX, KINDS
from khien.simulation.people import People, communes
from khien.simulation.randomness import stream

INDUSTRIAL_PARKS = (
    ("KCN Đồng Văn I", "Đồng Văn"), ("KCN Đồng Văn II", "Bạch Thượng"), ("KCN Đồng Văn III", "Tiên Nội"),
    ("KCN Đồng Văn IV", "Đại Cương"), ("KCN Hòa Mạc", "Hòa Mạc"), ("KCN Châu Sơn", "Châu Sơn"),
    ("KCN Thanh Liêm", "Thanh Phong"), ("CCN Kim Bình", "Kim Bình"),
)  # fmt: skip
INDUSTRIES = (
    "May", "Điện tử", "Dệt", "Linh kiện ô tô", "Bao bì", "Nhựa", "Thực phẩm", "Dây cáp", "Giày da", "Cơ khí"
)  # fmt: skip
OFFICES = ("UBND", "Ngân hàng", "Điện lực", "Bưu điện", "Công ty", "Hợp tác xã")

# What a person does on working days.
AT_HOME, PUPIL, SHIFT_WORKER, DAY_WORKER, OFFICE_WORKER, HEALTH_WORKER, VENDOR = range(7)

# Start and end of the main stay by schedule (seconds of the day); the rotating crews of a factory take 1, 2, 3.
NO_MAIN, EARLY, LATE, NIGHT, FACTORY_DAY, OFFICE_DAY, SCHOOL_MORNING, SCHOOL_DAY, MORNING_MARKET = range(9)
SCHEDULE_H = np.array(
    [[0, 0], [6, 14], [14, 22], [22, 30], [8, 17], [7.5, 17], [7, 11.5], [7, 16.5], [5, 11]], dtype=float
)
ERRANDS = (
    "market", "shop", "cafe", "restaurant", "supermarket", "pagoda", "church", "visit", "health", "feast"
)  # fmt: skip


class Places:
    """Every place: homes first (id = household), then sites, then their rooms.

    Arrays by place id: `kind` (index into KINDS), `parent` (-1 for a whole place), `commune`, `area_m2`.
    `names` holds the names of the places after the homes.
    """

    def __init__(self, home_commune: np.ndarray, rng: np.random.Generator) -> None:
        self.homes = len(home_commune)
        self.names: list[str] = []
        self._rng = rng
        self._kind = [np.full(self.homes, KIND_INDEX["home"], np.int8)]
        self._parent: list[int] = []
        self._commune: list[int] = []
        self._new_kind: list[int] = []
        self._home_commune = home_commune
        self._home_area = 75 * np.exp(0.3 * rng.standard_normal(self.homes))

    def add(self, kind: str, name: str, commune: int, parent: int = -1) -> int:
        """A new place; returns its id."""
        self._new_kind.append(KIND_INDEX[kind])
        self._parent.append(parent)
        self._commune.append(commune)
        self.names.append(name)
        return self.homes + len(self.names) - 1

    def close(self) -> None:
        """Turn the lists into arrays, once all places are there."""
        typical = np.array([kind.area_m2 for kind in KINDS])
        self.kind = np.concatenate([*self._kind, np.array(self._new_kind, np.int8)])
        self.parent = np.concatenate([np.full(self.homes, -1), np.array(self._parent)]).astype(np.int32)
        self.commune = np.concatenate([self._home_commune, np.array(self._commune)]).astype(np.int16)
        area = typical[self.kind] * np.exp(0.25 * self._rng.standard_normal(len(self.kind)))
        area[: self.homes] = self._home_area
        trips = self.kind == KIND_INDEX["bus_trip"]
        area[trips] = area[self.parent[trips]]
        self.area_m2 = np.round(area, 0).astype(np.float32)
        self.top = np.where(self.parent < 0, np.arange(len(self.kind)), self.parent).astype(np.int32)

    def __len__(self) -> int:
        return len(self.kind)


@dataclass
class Belonging:
    """Where each person spends their days. Rooms are place ids, -1 for none; by person unless said."""

    role: np.ndarray
    schedule: np.ndarray
    crew: np.ndarray
    """0, 1, 2: the rotating crew of shift workers; -1 for the others."""
    room: np.ndarray
    trip_out: np.ndarray
    trip_back: np.ndarray
    favourites: dict[str, np.ndarray]
    """Errand to room ids, shape (people, 2)."""
    station: np.ndarray
    """Health station by commune."""
    wards: np.ndarray
    """All hospital wards."""


def make_places(people: People, seed: int) -> tuple[Places, Belonging]:
    """Build the places that these people need, and assign the people to them."""
    rng = stream(seed, "places")
    all_communes = communes()
    count = len(people)
    places = Places(people.household_commune, rng)
    role, schedule, crew, room = _roles(people, rng)

    population = np.bincount(people.commune, minlength=len(all_communes))
    by_district: dict[str, list[int]] = {}
    for index, commune in enumerate(all_communes):
        by_district.setdefault(commune.district, []).append(index)
    centre = {
        name: max(members, key=lambda index: population[index]) for name, members in by_district.items()
    }
    district_of = np.array([list(by_district).index(commune.district) for commune in all_communes])

    _schools(places, people, role, schedule, room, rng)
    _factories(places, role, room, rng)
    _offices(places, people, role, room, centre, district_of, rng)
    station, wards = _health(places, people, role, room, centre, district_of, rng)
    served = _errand_sites(places, population, centre, district_of)
    favourites = _favourites(people, served, centre, district_of, rng)
    vendors = np.flatnonzero(role == VENDOR)
    room[vendors] = favourites["market"][vendors, 0]
    favourites["health"] = np.repeat(station[people.commune][:, None], 2, axis=1)
    trip_out, trip_back = _buses(places, people, role, schedule, room, rng)
    places.close()
    assert len(room) == count
    return places, Belonging(role, schedule, crew, room, trip_out, trip_back, favourites, station, wards)


def _roles(people: People, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    count = len(people)
    age, u = people.age, rng.random(count)
    working_age = (age >= 18) & (age < 62)
    role = np.full(count, AT_HOME, np.int8)
    role[(age >= 3) & (age < 18) & (u < 0.95)] = PUPIL
    limits = (
        (SHIFT_WORKER, 0.16),
        (DAY_WORKER, 0.28),
        (OFFICE_WORKER, 0.44),
        (HEALTH_WORKER, 0.46),
        (VENDOR, 0.53),
    )
    for value, limit in reversed(limits):
        role[working_age & (u < limit)] = value
    lodger = people.relation == 4
    role[lodger] = np.where(u[lodger] < 0.6, SHIFT_WORKER, DAY_WORKER)
    schedule = np.array(
        [NO_MAIN, SCHOOL_DAY, EARLY, FACTORY_DAY, OFFICE_DAY, OFFICE_DAY, MORNING_MARKET], np.int8
    )[role]
    schedule[(role == PUPIL) & (age >= 11)] = SCHOOL_MORNING
    crew = np.where(role == SHIFT_WORKER, rng.integers(0, 3, count), -1).astype(np.int8)
    return role, schedule, crew, np.full(count, -1, np.int32)


def _groups(members: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut an ordered list of people into even groups of about `size`."""
    if len(members) == 0:
        return []
    return np.array_split(members, max(1, round(len(members) / size)))


def _schools(
    places: Places,
    people: People,
    role: np.ndarray,
    schedule: np.ndarray,
    room: np.ndarray,
    rng: np.random.Generator,
) -> None:
    levels = (("Mầm non", 3, 6, 28), ("Tiểu học", 6, 11, 34), ("THCS", 11, 15, 38), ("THPT", 15, 18, 40))
    all_communes = communes()
    for level, low, high, class_size in levels:
        pupils = np.flatnonzero((role == PUPIL) & (people.age >= low) & (people.age < high))
        # Upper secondary schools draw on a whole district, the others on a commune.
        names = [c.district if level == "THPT" else c.code for c in all_communes]
        area = np.unique(names, return_inverse=True)[1][people.commune[pupils]]
        pupils = pupils[np.lexsort((rng.random(len(pupils)), people.age[pupils], area))]
        areas = np.sort(area)
        for members in np.split(pupils, np.flatnonzero(np.diff(areas)) + 1):
            for number, school_members in enumerate(_groups(members, 700), 1):
                commune = int(np.bincount(people.commune[school_members]).argmax())
                place = all_communes[commune]
                label = place.short_district if level == "THPT" else place.name
                school = places.add("school", f"Trường {level} {label} {number}", commune)
                for grade in range(low, high):
                    of_age = school_members[people.age[school_members] == grade]
                    for letter, members_of_class in enumerate(_groups(of_age, class_size)):
                        title = (
                            f"Lớp {grade - 5}{chr(65 + letter)}"
                            if grade > 5
                            else f"Lớp {grade} tuổi {letter + 1}"
                        )
                        room[members_of_class] = places.add("class", title, commune, school)
                teachers = rng.choice(np.flatnonzero(role == 4), max(1, len(school_members) // 22))
                schedule[teachers] = SCHOOL_DAY
                rooms = room[school_members]
                room[teachers] = rng.choice(rooms, len(teachers))


def _factories(places: Places, role: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> None:
    index_of = {commune.name: index for index, commune in enumerate(communes())}
    workers = np.flatnonzero((role == SHIFT_WORKER) | (role == DAY_WORKER))
    park = rng.choice(len(INDUSTRIAL_PARKS), len(workers), p=[0.2, 0.18, 0.14, 0.1, 0.12, 0.14, 0.07, 0.05])
    for number, (park_name, commune_name) in enumerate(INDUSTRIAL_PARKS):
        members = rng.permutation(workers[park == number])
        for serial, staff in enumerate(_groups(members, 450), 1):
            commune = index_of[commune_name]
            title = f"Nhà máy {INDUSTRIES[(serial + number) % len(INDUSTRIES)]} số {serial}, {park_name}"
            factory = places.add("factory", title, commune)
            by_shift = staff[role[staff] == SHIFT_WORKER]
            lines = [(group, "Xưởng ca") for group in _groups(by_shift, 105)]
            lines += [(group, "Xưởng ngày") for group in _groups(staff[role[staff] == DAY_WORKER], 40)]
            for line, (group, label) in enumerate(lines, 1):
                room[group] = places.add("workshop", f"{label} {line}", commune, factory)


def _offices(
    places: Places,
    people: People,
    role: np.ndarray,
    room: np.ndarray,
    centre: dict[str, int],
    district_of: np.ndarray,
    rng: np.random.Generator,
) -> None:
    centres = list(centre.values())
    staff = np.flatnonzero((role == OFFICE_WORKER) & (room < 0))
    at_centre = rng.random(len(staff)) < 0.5
    where = np.where(at_centre, np.array(centres)[district_of[people.commune[staff]]], people.commune[staff])
    for commune in np.unique(where):
        for serial, group in enumerate(_groups(rng.permutation(staff[where == commune]), 40), 1):
            name = f"{OFFICES[serial % len(OFFICES)]} {communes()[commune].name} {serial}"
            office = places.add("office", name, int(commune))
            for number, members in enumerate(_groups(group, 8), 1):
                room[members] = places.add("office_room", f"Phòng {number}", int(commune), office)


def _health(
    places: Places,
    people: People,
    role: np.ndarray,
    room: np.ndarray,
    centre: dict[str, int],
    district_of: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    station = np.array(
        [
            places.add("health_station", f"Trạm Y tế {commune.type.lower()} {commune.name}", index)
            for index, commune in enumerate(communes())
        ]
    )
    wards: list[int] = []
    population = np.bincount(district_of[people.commune], minlength=len(centre))
    for number, (district, commune) in enumerate(centre.items()):
        provincial = district == "Thành phố Phủ Lý"
        name = f"Trung tâm Y tế {district[0].lower()}{district[1:]}"
        if provincial:
            name = "Bệnh viện Đa khoa tỉnh Hà Nam"
        hospital = places.add("hospital", name, commune)
        beds = max(2, round(population[number] / (2_500 if provincial else 8_000)))
        wards += [places.add("ward", f"Khoa {ward + 1}", commune, hospital) for ward in range(beds)]
    staff = np.flatnonzero(role == HEALTH_WORKER)
    in_ward = rng.random(len(staff)) < 0.7
    room[staff] = np.where(in_ward, rng.choice(wards, len(staff)), station[people.commune[staff]])
    return station, np.array(wards, np.int32)


Served = dict[str, list[list[int]]]
"""Sort of errand to, by commune, the rooms that serve it."""


def _errand_sites(
    places: Places, population: np.ndarray, centre: dict[str, int], district_of: np.ndarray
) -> Served:
    """Markets, shops, cafés, pagodas … as many as the people of a commune need."""
    all_communes = communes()
    served: Served = {name: [[] for _ in all_communes] for name in (*ERRANDS, "culture_house")}
    families = ("Hương", "Bình", "Thảo", "Tâm", "An", "Lan", "Hùng", "Mai", "Phúc", "Nga", "Sơn", "Yến")
    labels = {"shop": ("Tạp hóa", 350), "cafe": ("Cà phê", 600), "restaurant": ("Quán phở", 700)}
    halls = {"pagoda": ("Chùa", 1_800), "church": ("Nhà thờ", 2_000), "culture_house": ("Nhà văn hóa", 700)}
    # One favourite in five lies in the district's centre, which needs places for these people too.
    catchment = population * 0.8
    for number, heart in enumerate(centre.values()):
        catchment[heart] += 0.2 * population[district_of == number].sum()
    for index, commune in enumerate(all_communes):
        market = places.add("market", f"Chợ {commune.name}", index)
        for row in range(max(1, round(catchment[index] / 500))):
            served["market"][index].append(places.add("market_row", f"Dãy {row + 1}", index, market))
        for kind, (label, heads) in labels.items():
            for serial in range(max(1, round(catchment[index] / heads))):
                owner = families[(serial * 5 + index) % len(families)]
                name = f"{label} {owner} {serial + 1}, {commune.name}"
                served[kind][index].append(places.add(kind, name, index))
        for kind, (label, heads) in halls.items():
            if kind == "church" and index % 4:
                continue
            for serial in range(max(1, round(catchment[index] / heads))):
                suffix = f" {serial + 1}" if serial else ""
                served[kind][index].append(places.add(kind, f"{label} {commune.name}{suffix}", index))
    for number, heart in enumerate(centre.values()):
        people_there = population[district_of == number].sum()
        shops = [
            places.add("supermarket", f"Siêu thị {all_communes[heart].short_district} {serial + 1}", heart)
            for serial in range(max(2, round(people_there / 9_000)))
        ]
        for index in np.flatnonzero(district_of == number).tolist():
            served["supermarket"][index] = shops
    return served


def _flat(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists of uneven length as (all values, where each list begins, its length)."""
    lengths = np.array([len(ids) for ids in lists])
    values = np.array([place for ids in lists for place in ids])
    return values, np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths


def _favourites(
    people: People,
    served: Served,
    centre: dict[str, int],
    district_of: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Two rooms per person for each errand, -1 where a commune has none."""
    count = len(people)
    centres = np.array(list(centre.values()))[district_of]
    favourites: dict[str, np.ndarray] = {}
    for errand in ("market", "shop", "cafe", "restaurant", "supermarket", "pagoda", "church"):
        table = np.full((count, 2), -1, np.int32)
        values, begins, lengths = _flat(served[errand])
        for column in range(2):
            commune = np.where(rng.random(count) < 0.2, centres[people.commune], people.commune)
            has = lengths[commune] > 0
            pick = (rng.random(count) * lengths[commune]).astype(np.int64)
            table[has, column] = values[(begins[commune] + pick)[has]]
        favourites[errand] = table
    # Friends: two other homes of the same commune (homes are ordered by commune).
    homes = len(people.household_commune)
    begin = np.searchsorted(people.household_commune, np.arange(len(communes())))
    homes_there = np.bincount(people.household_commune, minlength=len(communes()))
    step = rng.random((count, 2)) * homes_there[people.commune][:, None]
    near = np.minimum(begin[people.commune][:, None] + step.astype(np.int64), homes - 1).astype(np.int32)
    # The culture house of a feast is that of one's hamlet: the same for a household.
    values, begins, lengths = _flat(served["culture_house"])
    commune = people.household_commune
    house = values[begins[commune] + people.household_hamlet % lengths[commune]]
    favourites["feast"] = np.repeat(house[people.household][:, None], 2, axis=1).astype(np.int32)
    favourites["visit"] = np.where(near == people.household[:, None], -1, near)
    return favourites


def _buses(
    places: Places,
    people: People,
    role: np.ndarray,
    schedule: np.ndarray,
    room: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Riders of one schedule and district share vehicles of about 28, out and back."""
    count = len(people)
    out, back = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    share = np.array([0, 0.03, 0.3, 0.25, 0.06, 0.05, 0.0])[role]
    riders = np.flatnonzero((rng.random(count) < share) & (room >= 0))
    district = np.array([int(commune.district_code) for commune in communes()])[people.commune[riders]]
    key = district * 10 + schedule[riders]
    serial = 0
    for value in np.unique(key):
        for group in _groups(rng.permutation(riders[key == value]), 28):
            serial += 1
            commune = int(people.commune[group[0]])
            vehicle = places.add("bus", f"Xe số {serial:04d}", commune)
            out[group] = places.add("bus_trip", "Chuyến đi", commune, vehicle)
            back[group] = places.add("bus_trip", "Chuyến về", commune, vehicle)
    return out, back


def shift_of_day(belonging: Belonging, day: int) -> np.ndarray:
    """The schedule of each person on a day: the crews of a factory take turns by the week."""
    turn = EARLY + (belonging.crew + day // 7) % 3
    return np.where(belonging.crew >= 0, turn, belonging.schedule)


def schedule_seconds(schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of the main stay in seconds of the day; the night shift ends after 86 400."""
    hours = SCHEDULE_H[schedule] * HOUR_S
    return hours[:, 0].astype(np.int32), hours[:, 1].astype(np.int32)
