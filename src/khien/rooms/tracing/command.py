"""What the room takes in from files: `khien import linelist` makes an outbreak of a line list of cases, `khien import
contacts` presence of a log of who was near whom."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from khien.kernel.units.models import AdminUnit

HELD_SHOWN = 50
"""Held rows of a log that are printed; all of them stand on the page."""


@click.command("linelist")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--outbreak", "name", required=True, help="Name of the outbreak; the same name again adds to it."
)
@click.option(
    "--contacts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A second CSV file: who infected whom (columns from, to, exposure).",
)
@click.option("--unit", "unit_code", help="Code of the unit that the cases stand in (default: the province).")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column is which field (number, onset, confirmed, infector, exposure, sex, age, name; of the "
    "contacts: from, to, exposure). What is not given is guessed by the columns' names and shown.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
def import_linelist(
    file: Path,
    name: str,
    contacts: Path | None,
    unit_code: str | None,
    mapping: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Take in FILE, a CSV line list in UTF-8 (separated by comma, semicolon or tab; days as 2022-01-31 or
    31/01/2022). Every row is stored, found already there, or held with its reason."""
    import django

    django.setup()
    from django.db import ProgrammingError, transaction
    from django.utils import translation

    from khien.kernel.errors import Problem
    from khien.kernel.staff import system_actor
    from khien.rooms.tracing import reads
    from khien.rooms.tracing.linelist import CASE_FIELDS, LINK_FIELDS
    from khien.rooms.tracing.verbs import import_line_list

    actor = system_actor("import linelist")
    with translation.override("vi"):
        try:
            given = _given(mapping, {**CASE_FIELDS, **LINK_FIELDS})
            unit = _unit(unit_code)
            with transaction.atomic():
                answer = import_line_list(
                    actor,
                    outbreak_name=name,
                    unit=unit,
                    cases=file.read_bytes(),
                    contacts=None if contacts is None else contacts.read_bytes(),
                    mapping=given,
                )
                intake = answer.intake
                pairs = reads.pairs(actor, intake.outbreak_id)
                curve = reads.curve(actor, intake.outbreak_id)
                transaction.set_rollback(dry_run)
        except Problem as problem:
            click.echo(f"{problem}", err=True)
            sys.exit(2)
        except ProgrammingError:  # no tables yet
            click.echo("Cơ sở dữ liệu chưa được chuẩn bị. Chạy khien migrate trước.", err=True)
            sys.exit(2)
    click.echo("Các cột: " + ", ".join(f"{field} = {column}" for field, column in intake.mapping.items()))
    click.echo(
        f"Ca bệnh: nhận {intake.received} = ghi {intake.stored} + trùng {intake.duplicate} + giữ lại {intake.held}"
    )
    click.echo(
        f"Quan hệ lây: nhận {intake.links_received} = ghi {intake.links_stored}"
        f" + trùng {intake.links_duplicate} + giữ lại {intake.links_held}"
    )
    for refusal in answer.held:
        click.echo(f"  giữ lại: {refusal.sheet} dòng {refusal.line}: {refusal.reason}")
    click.echo(f"Cặp nguồn – lây trong ổ dịch: {pairs.linked}")
    if pairs.mean is not None:
        sd = "–" if pairs.sd is None else f"{pairs.sd:.4f}"
        click.echo(
            f"Khoảng cách thế hệ (ngày giữa hai khởi phát): n = {pairs.timed}, trung bình {pairs.mean:.4f},"
            f" độ lệch chuẩn {sd}, từ {pairs.low} đến {pairs.high}"
        )
    if curve.days:
        top = max(curve.days, key=lambda day: day.cases)
        click.echo(
            f"Đường cong: {curve.by_onset} ca theo ngày khởi phát, {curve.by_result} theo ngày xác định,"
            f" {curve.undated} không có ngày; {curve.days[0].day} đến {curve.days[-1].day},"
            f" nhiều nhất {top.cases} ca ngày {top.day}"
        )
    highest = curve.highest_r()
    if highest is not None and curve.mean_days is not None:
        own = "của ổ dịch này" if curve.own_interval else "theo quy định"
        click.echo(
            f"Rt cao nhất (7 ngày có từ 11 ca): {highest.r:.2f} ({highest.low:.2f}–{highest.high:.2f}), 7 ngày đến"
            f" {highest.day}, với khoảng cách thế hệ {own}"
        )
    if dry_run:
        click.echo("Chạy thử: chưa ghi gì.")
    else:
        click.echo(f"Xem tại /tracing/outbreaks/{intake.outbreak_id}/")


@click.command("contacts")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--outbreak", "name", default="", help="Outbreak whose case numbers the file uses for people.")
@click.option(
    "--unit", "unit_code", help="Code of the unit of the outbreak and of the log (default: the province)."
)
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column is which field (person, other, start, end). What is not given is guessed by the columns' "
    "names and shown.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
def import_contacts(
    file: Path, name: str, unit_code: str | None, mapping: tuple[str, ...], dry_run: bool
) -> None:
    """Take in FILE, a CSV log in UTF-8 of who was near whom: person, other, start, end (ISO 8601; Vietnamese time where
    no zone is written). People by public id, or by case number with --outbreak. Every row is stored, found already
    there, or held with its reason. What is taken in stays so when the command is stopped: run it again to go on."""
    import django

    django.setup()
    from django.db import ProgrammingError, transaction
    from django.utils import translation

    from khien.kernel.errors import Problem
    from khien.kernel.staff import system_actor
    from khien.rooms.tracing.pairlog import PAIR_FIELDS, read_log
    from khien.rooms.tracing.verbs import import_pair_contacts

    actor = system_actor("import contacts")
    counts = dict.fromkeys(("received", "stored", "duplicate", "held"), 0)
    with translation.override("vi"):
        try:
            data = file.read_bytes()
            log = read_log(data, _given(mapping, PAIR_FIELDS))
            click.echo(
                "Các cột: " + ", ".join(f"{field} = {column}" for field, column in log.mapping.items())
            )
            unit, digest = _unit(unit_code), sha256(data).hexdigest()
            with transaction.atomic() if dry_run else nullcontext():
                for rows in log.portions():
                    answer = import_pair_contacts(
                        actor, unit=unit, rows=rows, outbreak_name=name, sha256=digest
                    )
                    for one in answer.held[: max(HELD_SHOWN - counts["held"], 0)]:
                        click.echo(f"  giữ lại: dòng {one.row.line}, {one.fault.field}: {one.fault.reason}")
                    for what in counts:
                        counts[what] += getattr(answer.intake, what)
                    if len(rows) < counts["received"]:
                        click.echo(f"Đến dòng {rows[-1].line}: đã nhận {counts['received']} dòng", err=True)
                if dry_run:
                    transaction.set_rollback(True)
        except Problem as problem:
            click.echo(f"{problem}", err=True)
            sys.exit(2)
        except ProgrammingError:  # no tables yet
            click.echo("Cơ sở dữ liệu chưa được chuẩn bị. Chạy khien migrate trước.", err=True)
            sys.exit(2)
    if counts["held"] > HELD_SHOWN:
        click.echo(f"  và {counts['held'] - HELD_SHOWN} dòng giữ lại nữa")
    click.echo(
        f"Tiếp xúc: nhận {counts['received']} = ghi {counts['stored']} + trùng {counts['duplicate']}"
        f" + giữ lại {counts['held']}"
    )
    click.echo("Chạy thử: chưa ghi gì." if dry_run else "Xem tại /tracing/pair-logs/")


def _given(mapping: tuple[str, ...], fields: Iterable[str]) -> dict[str, str]:
    from khien.kernel.errors import Invalid

    given = {}
    for text in mapping:
        field, equals, column = text.partition("=")
        if not equals or field not in fields:
            raise Invalid(f"--map {text}: viết FIELD=CỘT.", way_out=f"Các trường: {', '.join(fields)}.")
        given[field] = column
    return given


def _unit(code: str | None) -> AdminUnit:
    from django.conf import settings

    from khien.kernel import clock
    from khien.kernel.errors import NotFound
    from khien.kernel.units.models import AdminUnit as Units

    wanted = code or settings.KHIEN_PROVINCE
    units = list(Units.objects.filter(code=wanted).exclude(tier=0))
    if not units:
        raise NotFound(
            f"Không có đơn vị mang mã {wanted}.", way_out="Nạp đơn vị bằng khien migrate, hoặc chỉ --unit MÃ."
        )
    # A code is used again over time: the unit of today, else the one that ended last.
    today = clock.today()
    alive = [u for u in units if u.during.upper is None or u.during.upper > today]
    return (alive or sorted(units, key=lambda u: u.during.upper))[-1]
