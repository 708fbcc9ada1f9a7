"""Carriers and their ranges, numbers that moved, numbers that get no messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, Problem
from khien.kernel.language import fold
from khien.kernel.people.phones import to_e164
from khien.kernel.staff import Actor, Role
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

KEEPERS = frozenset({Role.ADMINISTRATOR})
"""Who keeps what the contracts say."""
DESKS = frozenset({Role.COMMUNICATION_OFFICER, Role.COMMUNE_OFFICER, Role.CLERK, Role.ADMINISTRATOR})
"""Where a resident can say that they want no more bulletins, or want them again."""
DEAD_DAYS = 90
_PLAIN = re.compile(r"(?:\+84|84|0)([35789]\d{8})", re.ASCII)
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class PortedAnswer:
    """received = stored + duplicate + held."""

    intake: PortedIntake
    held: list[HeldPorted]


@verb(*KEEPERS)
def save_carrier(
    actor: Actor,
    *,
    code: str,
    name: str,
    rate: int,
    price: int,
    daily_cap: int | None,
    takes_accents: bool,
    is_active: bool,
    prefixes: Collection[str],
) -> Carrier:
    """Write down a carrier as its contract says, or a new one: parts a second, dong a part, parts a day at most, and
    the ranges of numbers that are its own ("098", "+8498"). A range belongs to one carrier."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{1,19}", code):
        raise Invalid(
            _("Mã nhà mạng không đúng."),
            field="code",
            way_out=_("Dùng chữ thường không dấu và chữ số, ví dụ viettel."),
        )
    if not name.strip():
        raise Invalid(_("Chưa có tên nhà mạng."), field="name", way_out=_("Ghi tên."))
    for field, figure in (("rate", rate), ("price", price), ("daily_cap", daily_cap)):
        if figure is not None and not 0 <= figure <= 1_000_000_000:
            raise Invalid(_("Con số không đúng."), field=field, way_out=_("Nhập số từ 0 trở lên."))
    wanted = {prefix_of(prefix) for prefix in prefixes}
    row = Carrier.objects.select_for_update().filter(code=code).first() or Carrier(code=code)
    taken = (
        CarrierPrefix.objects.filter(prefix__in=wanted)
        .exclude(carrier=row.pk)
        .select_related("carrier")
        .first()
    )
    if taken is not None:
        raise Conflict(
            _("Đầu số %(prefix)s đang thuộc %(carrier)s.")
            % {"prefix": taken.prefix.replace("+84", "0"), "carrier": taken.carrier.name},
            field="prefixes",
            code="prefix_taken",
            way_out=_("Bỏ đầu số ở nhà mạng kia trước."),
        )
    had = set(row.prefixes.values_list("prefix", flat=True)) if row.pk else set()
    figures = {
        "name": name.strip(),
        "rate": rate,
        "price": price,
        "daily_cap": daily_cap,
        "takes_accents": takes_accents,
        "is_active": is_active,
    }
    if row.pk and had == wanted and all(getattr(row, field) == value for field, value in figures.items()):
        unchanged()
        return row
    for field, value in figures.items():
        setattr(row, field, value)
    row.save()
    CarrierPrefix.objects.filter(carrier=row, prefix__in=had - wanted).delete()
    CarrierPrefix.objects.bulk_create(CarrierPrefix(prefix=p, carrier=row) for p in sorted(wanted - had))
    record(
        actor,
        row,
        code=code,
        figures={field: value for field, value in figures.items() if field != "name"},
        prefixes=sorted(wanted),
    )
    return row


@verb(*KEEPERS)
def import_ported(actor: Actor, *, rows: Iterable[ported.PortedRow]) -> PortedAnswer:
    """Take in numbers that moved to another carrier. A number stored with the same carrier and day is a duplicate; a
    later file overrides. A number with two carriers in one file is held in every row: nobody knows which is right."""
    taken = list(rows)
    carriers = {word: row.pk for row in Carrier.objects.all() for word in (fold(row.code), fold(row.name))}
    read: dict[str, tuple[int, date | None]] = {}
    lines: dict[str, list[ported.PortedRow]] = {}
    held: list[tuple[ported.PortedRow, Problem]] = []
    duplicate = 0
    for row in taken:
        try:
            number, carrier, since = _ported(row, carriers)
        except Problem as problem:
            held.append((row, problem))
            continue
        before = read.setdefault(number, (carrier, since))
        lines.setdefault(number, []).append(row)
        if before[0] != carrier:
            read[number] = (0, None)
    for number in [number for number, (carrier, _since) in read.items() if not carrier]:
        twice = Conflict(
            _("Số này có hai nhà mạng khác nhau trong tệp (các dòng %(lines)s).")
            % {"lines": ", ".join(str(row.line) for row in lines[number][:9])},
            field="carrier",
            code="two_carriers",
            way_out=_("Giữ lại dòng đúng rồi gửi lại."),
        )
        held += [(row, twice) for row in lines[number]]
        del read[number], lines[number]
    duplicate += sum(len(own) - 1 for own in lines.values())
    fresh: list[PortedNumber] = []
    numbers = list(read)
    for begin in range(0, len(numbers), _BATCH):
        part = numbers[begin : begin + _BATCH]
        known = {
            number: (carrier, since)
            for number, carrier, since in PortedNumber.objects.filter(number__in=part).values_list(
                "number", "carrier_id", "since"
            )
        }
        new = [n for n in part if known.get(n) != read[n]]
        duplicate += len(part) - len(new)
        fresh += [PortedNumber(number=n, carrier_id=read[n][0], since=read[n][1]) for n in new]
    PortedNumber.objects.bulk_create(
        fresh,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["number"],
        update_fields=["carrier", "since"],
    )
    intake = PortedIntake.objects.create(
        at=clock.now(),
        by=actor.id,
        received=len(taken),
        stored=len(fresh),
        duplicate=duplicate,
        held=len(held),
    )
    kept = HeldPorted.objects.bulk_create(
        (
            HeldPorted(
                intake=intake,
                line=row.line,
                number=row.number[:40],
                carrier=row.carrier[:40],
                since=row.since[:40],
                code=problem.code,
                reason=str(problem)[:400],
            )
            for row, problem in sorted(held, key=lambda pair: pair[0].line)
        ),
        batch_size=_BATCH,
    )
    record(actor, intake, **intake.counts)
    return PortedAnswer(intake, kept)


@verb(*KEEPERS)
def dismiss_ported(actor: Actor, *, intake: PortedIntake) -> int:
    """Drop the held rows of a file once somebody has dealt with them; its counts stay. Returns how many."""
    count, _models = HeldPorted.objects.filter(intake=intake).delete()
    if not count:
        unchanged()
        return 0
    record(actor, intake, dismissed=count)
    return count


@verb(*DESKS)
def opt_out(actor: Actor, *, number: str, how: str = "desk") -> bool:
    """No bulletins to this number from now on, emergencies aside; false when it got none before. `how`: sms, page or
    desk."""
    _row, made = OptOut.objects.get_or_create(
        number=_mobile(number), defaults={"at": clock.now(), "how": how}
    )
    if not made:
        unchanged()
        return False
    record(actor, "broadcasts.optout", how=how)
    return True


@verb(*DESKS)
def opt_in(actor: Actor, *, number: str, how: str = "desk") -> bool:
    """Bulletins again; false when the number had not opted out."""
    count, _models = OptOut.objects.filter(number=_mobile(number)).delete()
    if not count:
        unchanged()
        return False
    record(actor, "broadcasts.optout", how=how, again=True)
    return True


@verb()
def mark_dead(actor: Actor, *, numbers: Collection[tuple[str, str]], days: int = DEAD_DAYS) -> int:
    """Numbers (E.164) that their carrier called wrong or dead, each with its code: left out for `days`. Returns how
    many were not among them before."""
    now, until = clock.now(), clock.today() + timedelta(days=days)
    rows = {
        number: DeadNumber(number=number, code=code[:60], at=now, until=until) for number, code in numbers
    }
    if not rows:
        unchanged()
        return 0
    new = len(rows) - DeadNumber.objects.filter(number__in=list(rows)).count()
    DeadNumber.objects.bulk_create(
        [rows[number] for number in sorted(rows)],
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["number"],
        update_fields=["code", "at", "until"],
    )
    record(actor, "broadcasts.deadnumber", count=len(rows), new=new)
    return new


@verb(*DESKS)
def revive_number(actor: Actor, *, number: str) -> bool:
    """A number that was called dead is in use again; returns whether it was among the dead."""
    count, _models = DeadNumber.objects.filter(number=_mobile(number)).delete()
    if not count:
        unchanged()
        return False
    record(actor, "broadcasts.deadnumber", revived=True)
    return True


def forget_numbers(before: date) -> int:
    """Remove held rows with their files, and dead numbers whose time is over, from before a Vietnamese day."""
    edge = clock.start_of_day(before)
    with transaction.atomic():
        gone, _models = PortedIntake.objects.filter(at__lt=edge).delete()
        dead, _models = DeadNumber.objects.filter(at__lt=edge).delete()
    return gone + dead


def prefix_of(text: str) -> str:
    """A range as it is kept: "098", "98" or "+8498" give "+8498". Raises `Invalid`."""
    digits = re.sub(r"[\s.\-]", "", text)
    digits = re.sub(r"^(\+84|84(?=\d{3})|0)", "", digits)
    if not re.fullmatch(r"[3-9][0-9]{1,4}", digits):
        raise Invalid(
            _("Đầu số “%(text)s” không đúng.") % {"text": text[:20]},
            field="prefixes",
            code="bad_prefix",
            way_out=_("Ghi như 098 hoặc 0998, cách nhau bằng dấu cách."),
        )
    return f"+84{digits}"


def _mobile(number: str) -> str:
    found = to_e164(number, field="number")
    if not found.startswith("+84"):
        raise Invalid(
            _("Đây là số nước ngoài, không nhận tin của địa phương."),
            field="number",
            code="foreign",
            way_out=_("Nhập số di động Việt Nam."),
        )
    return found


def _ported(row: ported.PortedRow, carriers: dict[str, int]) -> tuple[str, int, date | None]:
    plain = _PLAIN.fullmatch(row.number)
    number = f"+84{plain[1]}" if plain is not None else _mobile(row.number)
    carrier = carriers.get(fold(row.carrier))
    if carrier is None:
        raise Invalid(
            _("Không có nhà mạng “%(name)s”.") % {"name": row.carrier[:40]},
            field="carrier",
            code="no_carrier",
            way_out=_("Ghi mã hoặc tên như ở trang Nhà mạng."),
        )
    return number, carrier, ported.read_day(row.since)
