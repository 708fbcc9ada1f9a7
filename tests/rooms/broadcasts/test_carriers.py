"""Carriers as their contracts say, numbers that moved, numbers that want nothing."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.rules import retention
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role
from khien.rooms.broadcasts import ported
from khien.rooms.broadcasts.models import (
    Carrier,
    CarrierPrefix,
    DeadNumber,
    HeldPorted,
    OptOut,
    PortedIntake,
    PortedNumber,
)
from khien.rooms.broadcasts.reads import carriers as reads
from khien.rooms.broadcasts.verbs import carriers as verbs
from tests.factories import NOON, make_actor
from tests.rooms.broadcasts.conftest import House

HEAD = "Số điện thoại,Nhà mạng,Ngày chuyển\n"


def keeper(house: House):
    return make_actor(Role.ADMINISTRATOR, house.province)


def take(house: House, text: str) -> verbs.PortedAnswer:
    return verbs.import_ported(keeper(house), rows=ported.read_csv((HEAD + text).encode()))


def figures(code: str = "viettel", **other: object) -> dict[str, object]:
    row = Carrier.objects.get(code=code)
    return {
        "code": code,
        "name": row.name,
        "rate": row.rate,
        "price": row.price,
        "daily_cap": row.daily_cap,
        "takes_accents": row.takes_accents,
        "is_active": row.is_active,
        "prefixes": [prefix.prefix for prefix in row.prefixes.all()],
        **other,
    }


def test_the_seven_carriers_and_their_ranges_are_there(house: House) -> None:
    assert [row.code for row in reads.carriers()] == [
        "viettel",
        "vinaphone",
        "mobifone",
        "vietnamobile",
        "gmobile",
        "itel",
        "wintel",
    ]
    for number, code in (
        ("+84981234567", "viettel"),
        ("+84381234567", "viettel"),
        ("+84911234567", "vinaphone"),
        ("+84701234567", "mobifone"),
        ("+84561234567", "vietnamobile"),
        ("+84991234567", "gmobile"),
        ("+84998234567", "itel"),
        ("+84871234567", "itel"),
        ("+84551234567", "wintel"),
    ):
        found = reads.route_of(number)
        assert found is not None
        assert found.code == code
    assert reads.route_of("+842438254512") is None


def test_a_carrier_is_changed_as_the_contract_says(house: House) -> None:
    row = verbs.save_carrier(
        keeper(house), **figures(price=290, rate=300, daily_cap=1_000_000, prefixes=["098", "97", "+8496"])
    )
    assert (row.price, row.rate, row.daily_cap) == (290, 300, 1_000_000)
    assert sorted(row.prefixes.values_list("prefix", flat=True)) == ["+8496", "+8497", "+8498"]
    lines = AuditLine.objects.filter(act="broadcasts.save_carrier").count()
    verbs.save_carrier(keeper(house), **figures())
    assert AuditLine.objects.filter(act="broadcasts.save_carrier").count() == lines
    with pytest.raises(NotAllowed):
        verbs.save_carrier(house.officer, **figures(price=1))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"prefixes": ["1"]}, "prefixes"),
        ({"prefixes": ["0x8"]}, "prefixes"),
        ({"prefixes": ["0981234567"]}, "prefixes"),
        ({"prefixes": ["091"]}, "prefixes"),
        ({"rate": -1}, "rate"),
        ({"price": 10**10}, "price"),
        ({"name": " "}, "name"),
        ({"code": "VIETTEL!"}, "code"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(house: House, wrong: dict[str, object], field: str) -> None:
    before = list(CarrierPrefix.objects.order_by("prefix").values_list())
    with pytest.raises((Invalid, Conflict)) as refused:
        verbs.save_carrier(keeper(house), **{**figures(), **wrong})
    assert refused.value.field == field
    assert list(CarrierPrefix.objects.order_by("prefix").values_list()) == before


def test_received_is_stored_and_duplicate_and_held(house: House) -> None:
    answer = take(
        house,
        "0912345678,Viettel,31/01/2022\n"
        "+84 912 345 679;,x\n"
        "0912345680,viettel,2022-02-01\n"
        "912345680,VIETTEL,2022-02-01\n"
        "0912345681,Viettel,\n"
        "0912345681,MobiFone,\n"
        "024 3825 4512,Viettel,\n"
        "0912345682,Không Có,\n"
        "0912345683,Gmobile,31/02/2022\n"
        "\n"
        "01234567890,Viettel,\n",
    )
    intake = answer.intake
    assert (intake.received, intake.stored, intake.duplicate, intake.held) == (10, 2, 1, 7)
    assert [row.line for row in answer.held] == [3, 6, 7, 8, 9, 10, 12]
    assert {row.code for row in answer.held} >= {"two_carriers", "phone_not_mobile", "no_carrier", "bad_date"}
    assert all(row.reason for row in HeldPorted.objects.all())
    moved = PortedNumber.objects.get(number="+84912345678")
    assert (moved.carrier.code, moved.since) == ("viettel", date(2022, 1, 31))
    again = take(house, "0912345678,Viettel,31/01/2022\n0912345680,GMOBILE,\n").intake
    assert (again.received, again.stored, again.duplicate, again.held) == (2, 1, 1, 0)
    assert PortedNumber.objects.get(number="+84912345680").carrier.code == "gmobile"
    assert verbs.dismiss_ported(keeper(house), intake=intake) == 7
    assert PortedIntake.objects.get(pk=intake.pk).held == 7


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (HEAD.encode(), "empty_file"),
        ((HEAD + "0912345678,Viettel,\n").encode("utf-16"), "wrong_encoding"),
        (b"PK\x03\x04whatever", "not_csv"),
        ("Họ tên,Tuổi\nAn,3\n".encode(), "missing_column"),
        ((HEAD + "0912345678\0,Viettel,\n").encode(), "wrong_encoding"),
    ],
)
def test_a_file_that_is_no_table_changes_nothing(house: House, content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as wrong:
        list(ported.read_csv(content))
    assert wrong.value.code == code
    assert wrong.value.way_out


def test_semicolons_and_other_names_of_columns_are_read(house: House) -> None:
    (row,) = ported.read_csv("﻿MSISDN;Nhà mạng nhận\n84912345678; Viettel \n".encode())
    assert (row.line, row.number, row.carrier, row.since) == (2, "84912345678", "Viettel", "")


def test_opting_out_and_in_at_a_desk(house: House) -> None:
    clerk = make_actor(Role.CLERK, house.commune)
    assert verbs.opt_out(clerk, number="0912 345 678")
    assert not verbs.opt_out(clerk, number="+84912345678", how="sms")
    facts = reads.facts_of("0912345678")
    assert facts.opted_out is not None
    assert facts.opted_out.how == "desk"
    assert facts.last == "678"
    assert verbs.opt_in(clerk, number="0912345678")
    assert not verbs.opt_in(clerk, number="0912345678")
    assert not OptOut.objects.exists()
    assert not [line for line in AuditLine.objects.all() if "912345678" in str(line.details) + line.subject]
    for number in ("0912", "024 3825 4512", "+1 202 555 0123"):
        with pytest.raises(Invalid):
            verbs.opt_out(clerk, number=number)
    with pytest.raises(NotAllowed):
        verbs.opt_out(house.leader, number="0912345678")


def test_dead_numbers_come_back_by_hand_or_in_time(house: House) -> None:
    assert verbs.mark_dead(house.system, numbers=[("+84912345678", "1"), ("+84912345679", "1")], days=10) == 2
    assert verbs.mark_dead(house.system, numbers=[("+84912345678", "13")], days=20) == 0
    assert DeadNumber.objects.get(number="+84912345678").code == "13"
    assert reads.counts()["dead"] == 2
    assert verbs.revive_number(house.officer, number="0912345678")
    with clock.reads.frozen_at(NOON + timedelta(days=10)):
        assert reads.counts()["dead"] == 0


def test_held_rows_and_dead_numbers_are_forgotten(house: House) -> None:
    rules.load_seed(house.system)
    take(house, "0912,Viettel,\n")
    verbs.mark_dead(house.system, numbers=[("+84912345678", "1")])
    with clock.reads.frozen_at(NOON + timedelta(days=182)):
        assert {"broadcasts.ported", "broadcasts.dead"} <= {flaw.where for flaw in retention.prove()}
        retention.forget(house.system)
        assert not {"broadcasts.ported", "broadcasts.dead"} & {flaw.where for flaw in retention.prove()}
    assert not HeldPorted.objects.exists()
    assert not DeadNumber.objects.exists()
