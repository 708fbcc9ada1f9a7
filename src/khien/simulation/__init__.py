"""The open synthetic province: people, places, movements, scans and a known epidemic. No Django, nothing else of khien.

>>> from datetime import date
>>> from khien.simulation import Province
>>> province = Province(people=2_000, seed=1)
>>> history = province.history(date(2022, 1, 3), days=2)
>>> world = province.world(date(2022, 1, 3))
>>> events = world.step(hour=8)
"""

from khien.simulation.parameters import KINDS, Kind, Parameters
from khien.simulation.world import Day, History, HourEvents, Province, World

__all__ = ["KINDS", "Day", "History", "HourEvents", "Kind", "Parameters", "Province", "World"]
