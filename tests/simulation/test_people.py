from __future__ import annotations

import re
import unicodedata
from collections import Counter

import numpy as np
import pytest

from khien.simulation import Province
from khien.simulation.people import communes


def test_a_province_stands_on_the_109_communes(province: Province) -> None:
    assert len(communes()) == 109
    assert len({commune.district_code for commune in communes()}) == 6
    assert sum(commune.lat is None for commune in communes()) == 11
    assert len(set(province.people["commune_code"].to_pylist())) == 109


def test_identity_numbers_have_the_form_of_a_card_and_are_unique(province: Province) -> None:
    people = province.people.select(["cccd", "birth_date", "sex"]).to_pylist()
    for row in people:
        century_sex = (0 if row["birth_date"].year < 2000 else 2) + (row["sex"] == "f")
        wanted = rf"035{century_sex}{row['birth_date'].year % 100:02d}9\d{{5}}"
        # Compared as a truth value, so that a failure prints no number.
        assert bool(re.fullmatch(wanted, row["cccd"]))
    assert len({row["cccd"] for row in people}) == len(people)


def test_names_are_vietnamese_in_one_spelling_and_common_ones_repeat(province: Province) -> None:
    names = province.people["full_name"].to_pylist()
    assert all(name == unicodedata.normalize("NFC", name) and len(name.split()) == 3 for name in names)
    family = Counter(name.split()[0] for name in names)
    assert 0.25 < family["Nguyễn"] / len(names) < 0.45
    assert Counter(names).most_common(1)[0][1] > 50
    sexes = province.people["sex"].to_pylist()
    assert all(sex == "f" for name, sex in zip(names, sexes, strict=True) if name.split()[1] == "Thị")


def test_households_have_one_to_six_people_and_generations(province: Province) -> None:
    people = province.residents
    sizes = np.bincount(people.household)
    assert sizes.min() >= 1
    assert sizes.max() == 6
    assert 3.0 < sizes.mean() < 4.0
    # A child is younger than the head of the household.
    children = np.flatnonzero(people.relation == 2)
    heads = people.household_first[people.household[children]]
    assert (people.age[heads] - people.age[children] >= 15).mean() > 0.97
    under_15 = (people.age < 15).mean()
    over_65 = (people.age >= 65).mean()
    assert 0.17 < under_15 < 0.30
    assert 0.05 < over_65 < 0.16
    assert 0.48 < people.female.mean() < 0.53


def test_rooms_belong_to_a_place_of_their_sort(province: Province) -> None:
    rows = province.places.select(["place", "parent", "kind", "area_m2"]).to_pylist()
    parents = {"class": "school", "workshop": "factory", "ward": "hospital", "bus_trip": "bus"}
    parents |= {"market_row": "market", "office_room": "office"}
    for row in rows:
        expected = parents.get(row["kind"])
        assert (row["parent"] is None) == (expected is None)
        if expected:
            assert rows[row["parent"]]["kind"] == expected
        assert row["area_m2"] > 0
    names = " ".join(province.places["name"].to_pylist())
    assert "KCN Đồng Văn" in names
    assert "KCN Hòa Mạc" in names
    assert "KCN Châu Sơn" in names


def test_a_class_holds_children_of_one_age(province: Province) -> None:
    pupils = np.flatnonzero(province.belonging.role == 1)
    rooms = province.belonging.room[pupils]
    assert (rooms >= 0).all()
    ages = province.residents.age[pupils]
    for room in np.unique(rooms)[:50]:
        assert len(set(ages[rooms == room])) == 1


def test_too_few_people_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        Province(people=20)
