"""Every number of the model in one place. Sources are in README.md of this folder."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400
HOUR_S = 3_600


@dataclass(frozen=True)
class Kind:
    """A sort of place: `area_m2` is what the people there share; `stay_min` the usual stay.

    `spread` scales the hazard for the sort (talking and eating without a mask above 1, masks and open air
    below); `poster` above 1 makes a poster likelier, below 1 rarer.
    """

    code: str
    name: str
    closed: bool
    area_m2: float
    stay_min: int
    spread: float
    poster: float
    part_of: str = ""


KINDS: tuple[Kind, ...] = (
    Kind("home", "Nhà ở", True, 75, 600, 1.0, 0.0),
    Kind("school", "Trường học", True, 2500, 270, 0.25, 2.0),
    Kind("class", "Lớp học", True, 50, 270, 0.28, 2.0, "school"),
    Kind("factory", "Nhà máy", True, 6000, 500, 0.3, 2.5),
    Kind("workshop", "Chuyền, xưởng", True, 450, 500, 0.5, 2.5, "factory"),
    Kind("office", "Cơ quan, văn phòng", True, 400, 500, 0.3, 1.5),
    Kind("office_room", "Phòng làm việc", True, 35, 500, 0.2, 1.5, "office"),
    Kind("hospital", "Bệnh viện", True, 5000, 120, 0.2, 3.0),
    Kind("ward", "Khoa, buồng bệnh", True, 60, 120, 0.12, 3.0, "hospital"),
    Kind("health_station", "Trạm y tế", True, 80, 30, 0.5, 2.0),
    Kind("market", "Chợ", False, 3000, 40, 0.5, 0.8),
    Kind("market_row", "Dãy hàng trong chợ", False, 250, 40, 0.4, 0.8, "market"),
    Kind("supermarket", "Siêu thị", True, 900, 40, 0.6, 1.5),
    Kind("shop", "Cửa hàng", True, 40, 15, 0.6, 0.7),
    Kind("cafe", "Quán cà phê", True, 70, 60, 1.6, 0.8),
    Kind("restaurant", "Quán ăn", True, 100, 50, 1.8, 0.8),
    Kind("pagoda", "Chùa, đình", False, 250, 60, 0.5, 0.6),
    Kind("church", "Nhà thờ", True, 400, 75, 1.0, 0.8),
    Kind("bus", "Xe buýt, xe đưa đón", True, 25, 40, 0.5, 1.5),
    Kind("bus_trip", "Chuyến xe", True, 25, 40, 0.5, 1.5, "bus"),
    Kind("culture_house", "Nhà văn hóa, đám cưới", True, 250, 110, 2.0, 0.6),
)
KIND_INDEX = {kind.code: index for index, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Parameters:
    """What may be changed from outside; the defaults are those of README.md."""

    # Scans
    coverage: float = 0.265
    """Share of stays outside homes whose entry is scanned, over places and people, 0 to 1."""
    exit_scanned: float = 0.35
    """Share of scanned entries whose exit is scanned too."""
    exit_only: float = 0.02
    """Share of unscanned stays at a place with a poster whose exit alone is scanned, times coverage."""
    wrong_clock: float = 0.02
    """Share of phones and of gates whose clock is wrong."""
    duplicated: float = 0.03
    """Share of scans sent twice."""
    late: float = 0.05
    """Share of scans that reach the server late (hours, at most two days)."""

    # Epidemic
    transmissibility: float = 0.028
    """Hazard per hour between two people in a home of 75 m² at mean infectiousness on its peak."""
    dispersion: float = 0.3
    """Shape of the gamma distribution of individual infectiousness (Endo 2020)."""
    closeness_sd: float = 1.0
    """Standard deviation of the log of how close two given people keep, outside homes."""
    asymptomatic: float = 0.3
    asymptomatic_factor: float = 0.5
    child_susceptibility: float = 0.65
    seeds_per_person: float = 1 / 1500
    """Imported infections, at least six, spread over the two weeks from six days before the start."""

    # Testing
    seeks_test: float = 0.75
    test_delay_days: float = 1.3
    result_hours: float = 12.0
    sensitivity: float = 0.9
    specificity: float = 0.9995
    screening_per_day: float = 0.002
    other_illness_per_day: float = 0.001
    household_tested: float = 0.8
    sick_stays_home: float = 0.55
    admitted: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.coverage <= 1:
            raise ValueError("coverage must be above 0 and at most 1")
