"""The columns that leave the simulation, as Arrow tables. docs/simulation-format.md says what each means."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from khien.simulation import names
from khien.simulation.epidemic import REASONS, REPORT, SYMPTOMS
from khien.simulation.movement import Stays
from khien.simulation.parameters import DAY_S, KINDS
from khien.simulation.people import PROVINCE_CODE, RELATIONS, People, communes
from khien.simulation.places import Belonging, Places
from khien.simulation.scanning import CHANNELS, Habits

VIETNAM = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
TIME = pa.timestamp("ms", tz="UTC")
OCCUPATIONS = ("none", "pupil", "shift_worker", "day_worker", "office_worker", "health_worker", "vendor")

_PLACE = [pa.field("place", pa.int32(), nullable=False), pa.field("sub_place", pa.int32())]


def _need(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SCHEMAS: dict[str, pa.Schema] = {
    "people": pa.schema(
        [
            _need("person", pa.int32()),
            _need("full_name", pa.string()),
            _need("sex", pa.string()),
            _need("birth_date", pa.date32()),
            _need("cccd", pa.string()),
            pa.field("phone", pa.string()),
            _need("commune_code", pa.string()),
            _need("address", pa.string()),
            _need("household", pa.int32()),
            _need("relation", pa.string()),
            _need("occupation", pa.string()),
            pa.field("regular_place", pa.int32()),
        ]
    ),
    "households": pa.schema(
        [
            _need("household", pa.int32()),
            _need("place", pa.int32()),
            _need("commune_code", pa.string()),
            _need("address", pa.string()),
            _need("members", pa.int16()),
        ]
    ),
    "places": pa.schema(
        [
            _need("place", pa.int32()),
            pa.field("parent", pa.int32()),
            _need("kind", pa.string()),
            _need("name", pa.string()),
            _need("commune_code", pa.string()),
            _need("area_m2", pa.float32()),
            _need("closed_space", pa.bool_()),
            pa.field("lat", pa.float64()),
            pa.field("lon", pa.float64()),
            _need("poster", pa.string()),
        ]
    ),
    "true_presence": pa.schema(
        [_need("person", pa.int32()), *_PLACE, _need("enter", TIME), _need("leave", TIME)]
    ),
    "scans": pa.schema(
        [
            _need("scan", pa.int64()),
            _need("person", pa.int32()),
            *_PLACE,
            _need("direction", pa.string()),
            _need("at", TIME),
            _need("received_at", TIME),
            _need("channel", pa.string()),
        ]
    ),
    "presence": pa.schema(
        [
            _need("person", pa.int32()),
            *_PLACE,
            _need("enter", TIME),
            _need("leave", TIME),
            _need("entry_inferred", pa.bool_()),
            _need("exit_inferred", pa.bool_()),
        ]
    ),
    "tests": pa.schema(
        [
            _need("test", pa.int64()),
            _need("person", pa.int32()),
            _need("barcode", pa.string()),
            _need("place", pa.int32()),
            _need("sampled_at", TIME),
            _need("result_at", TIME),
            _need("result", pa.string()),
            pa.field("ct", pa.float32()),
            _need("reason", pa.string()),
        ]
    ),
    "symptom_reports": pa.schema(
        [
            _need("person", pa.int32()),
            _need("at", TIME),
            _need("symptoms", pa.list_(pa.string())),
            _need("temperature", pa.float32()),
        ]
    ),
    "truth/infections": pa.schema(
        [
            _need("person", pa.int32()),
            pa.field("infector", pa.int32()),
            _need("infected_at", TIME),
            pa.field("place", pa.int32()),
            pa.field("sub_place", pa.int32()),
            _need("minutes", pa.float32()),
            _need("infectious_from", TIME),
            _need("infectious_to", TIME),
            pa.field("onset_at", TIME),
            pa.field("confirmed_at", TIME),
        ]
    ),
    "truth/scan_errors": pa.schema(
        [_need("scan", pa.int64()), _need("clock_error_s", pa.int32()), pa.field("copy_of", pa.int64())]
    ),
}


def epoch(start: date) -> int:
    """Seconds since 1970 (UTC) of local midnight in Viet Nam on a date."""
    return int(datetime(start.year, start.month, start.day, tzinfo=VIETNAM).astimezone(UTC).timestamp())


def times(seconds: np.ndarray, base: int, known: np.ndarray | None = None) -> pa.Array:
    """Seconds after `base` (epoch seconds) as timestamps; null where not `known`."""
    values = (seconds.astype(np.int64) + base) * 1000
    if known is not None:
        values = np.where(known, values, 0)
    return pa.array(values, pa.int64(), mask=None if known is None else ~known).cast(TIME)


def _some(values: np.ndarray, known: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~known)


def _words(words: list[str] | tuple[str, ...], index: np.ndarray) -> pa.Array:
    return pa.array(list(words), pa.string()).take(pa.array(index.astype(np.int32)))


def _digits(values: np.ndarray, width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(values.astype(np.int64)).cast(pa.string()), width, "0")


def _place_columns(places: Places, room: np.ndarray) -> list[pa.Array]:
    whole = places.parent[room] < 0
    return [pa.array(places.top[room]), _some(room.astype(np.int32), ~whole)]


def _commune_codes(index: np.ndarray) -> pa.Array:
    return _words([commune.code for commune in communes()], index)


def _addresses(people: People, household: np.ndarray) -> pa.Array:
    commune = people.household_commune[household]
    unit = _words(["Tổ dân phố" if c.urban else "Thôn" for c in communes()], commune)
    tail = _words([f"{c.type} {c.name}, {c.district}, tỉnh Hà Nam" for c in communes()], commune)
    number = pa.array(people.household_number[household].astype(np.int32)).cast(pa.string())
    hamlet = pa.array(people.household_hamlet[household].astype(np.int32)).cast(pa.string())
    front = pc.binary_join_element_wise("Số", number, " ")
    middle = pc.binary_join_element_wise(unit, hamlet, " ")
    return pc.binary_join_element_wise(front, middle, tail, ", ")


def people_table(people: People, places: Places, belonging: Belonging) -> pa.Table:
    """One row per person."""
    count = len(people)
    female = pa.array(people.female)
    middle = pc.if_else(
        female,
        _words(names.MIDDLE_FEMALE, people.middle),
        _words(names.MIDDLE_MALE, people.middle),
    )
    given = pc.if_else(
        female,
        _words(names.GIVEN_FEMALE, np.minimum(people.given, len(names.GIVEN_FEMALE) - 1)),
        _words(names.GIVEN_MALE, np.minimum(people.given, len(names.GIVEN_MALE) - 1)),
    )
    full_name = pc.binary_join_element_wise(
        _words([name for name, _ in names.FAMILY], people.family), middle, given, " "
    )
    phone = pc.binary_join_element_wise("0990", _digits(np.arange(count), 6), "")
    phone = pc.if_else(pa.array(people.age >= 12), phone, pa.scalar(None, pa.string()))
    cccd = pc.binary_join_element_wise(PROVINCE_CODE, _digits(people.serial, 9), "")
    room = belonging.room
    columns = [
        pa.array(np.arange(count, dtype=np.int32)),
        full_name,
        _words(["m", "f"], people.female.astype(int)),
        pa.array(people.birth.astype("datetime64[D]")),
        cccd,
        phone,
        _commune_codes(people.commune),
        _addresses(people, people.household),
        pa.array(people.household),
        _words(RELATIONS, people.relation),
        _words(OCCUPATIONS, belonging.role),
        _some(room, room >= 0),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["people"])


def households_table(people: People) -> pa.Table:
    """One row per household; its home is the place of the same number."""
    index = np.arange(len(people.household_commune), dtype=np.int32)
    columns = [
        pa.array(index),
        pa.array(index),
        _commune_codes(people.household_commune),
        _addresses(people, index),
        pa.array(people.household_size.astype(np.int16)),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["households"])


def places_table(people: People, places: Places, habits: Habits, rng: np.random.Generator) -> pa.Table:
    """One row per place and per room; rooms name their `parent`. Points lie within about 700 m of the commune's."""
    count = len(places)
    index = np.arange(count, dtype=np.int32)
    home_names = pc.binary_join_element_wise("Nhà", _addresses(people, index[: places.homes]), " ")
    known = np.array([commune.lat is not None for commune in communes()])[places.commune]
    lat = np.array([commune.lat or 0.0 for commune in communes()])[places.commune]
    lon = np.array([commune.lon or 0.0 for commune in communes()])[places.commune]
    shift = rng.normal(0, 0.004, (2, count)).clip(-0.009, 0.009)[:, places.top]
    poster = np.select([habits.poster_room < 0, habits.poster_room == index], [0, 2], default=1)
    poster[(poster == 2) & (places.parent < 0)] = 1
    columns = [
        pa.array(index),
        _some(places.parent, places.parent >= 0),
        _words([kind.code for kind in KINDS], places.kind),
        pa.concat_arrays([home_names, pa.array(places.names, pa.string())]),
        _commune_codes(places.commune),
        pa.array(places.area_m2),
        pa.array(np.array([kind.closed for kind in KINDS])[places.kind]),
        _some(np.round(lat + shift[0], 6), known),
        _some(np.round(lon + shift[1], 6), known),
        _words(["none", "gate", "room"], poster),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["places"])


def true_presence_table(stays: Stays, places: Places, base: int, day: int) -> pa.Table:
    """The true stays of a day."""
    midnight = base + day * DAY_S
    columns = [
        pa.array(stays.person),
        *_place_columns(places, stays.room),
        times(stays.enter, midnight),
        times(stays.leave, midnight),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["true_presence"])


def scans_table(scans: np.ndarray, places: Places, base: int) -> pa.Table:
    """Scans as they reach the server; `at` is what the device's clock said."""
    columns = [
        pa.array(scans["scan"]),
        pa.array(scans["person"]),
        *_place_columns(places, scans["room"]),
        _words(["in", "out"], scans["direction"]),
        times(scans["at"], base),
        times(scans["received_at"], base),
        _words(CHANNELS, scans["channel"]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["scans"])


def scan_errors_table(scans: np.ndarray) -> pa.Table:
    """The scans with something wrong, and what."""
    wrong = scans[(scans["clock_error_s"] != 0) | (scans["copy_of"] >= 0)]
    columns = [
        pa.array(wrong["scan"]),
        pa.array(wrong["clock_error_s"]),
        _some(wrong["copy_of"], wrong["copy_of"] >= 0),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["truth/scan_errors"])


def presence_table(presence: np.ndarray, places: Places, base: int) -> pa.Table:
    """The stays derived from scans."""
    columns = [
        pa.array(presence["person"]),
        *_place_columns(places, presence["room"]),
        times(presence["enter"], base),
        times(presence["leave"], base),
        pa.array(presence["entry_inferred"]),
        pa.array(presence["exit_inferred"]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["presence"])


def tests_table(tests: np.ndarray, people: People, station: np.ndarray, base: int) -> pa.Table:
    """Samples with their results; the place is the health station of the person's commune."""
    barcode = pc.binary_join_element_wise("HN", _digits(tests["test"] + 1, 9), "")
    columns = [
        pa.array(tests["test"]),
        pa.array(tests["person"]),
        barcode,
        pa.array(station[people.commune[tests["person"]]].astype(np.int32)),
        times(tests["sampled_at"], base),
        times(tests["result_at"], base),
        _words(["negative", "positive"], tests["positive"].astype(int)),
        _some(tests["ct"], tests["positive"]),
        _words(REASONS, tests["reason"]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["tests"])


def reports_table(reports: np.ndarray, base: int) -> pa.Table:
    """Symptom reports."""
    assert reports.dtype == REPORT
    symptoms = [
        [name for bit, name in enumerate(SYMPTOMS) if value >> bit & 1]
        for value in reports["symptoms"].tolist()
    ]
    columns = [
        pa.array(reports["person"]),
        times(reports["at"], base),
        pa.array(symptoms, pa.list_(pa.string())),
        pa.array(reports["temperature"]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS["symptom_reports"])
