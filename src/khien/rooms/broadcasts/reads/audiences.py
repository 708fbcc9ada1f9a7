"""Questions about audiences: how many, why not, what it costs. Never who."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from khien.gateways.sms.text import (
    GSM_BASIC,
    GSM_EXTENDED,
    encoding_of,
    measure,
    normalise,
    strip_accents,
)
from khien.kernel import clock
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.registries import Register, registers
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import composing, selecting
from khien.rooms.broadcasts.models import WRITERS, Audience, Carrier, Chunk, LeftOut

COUNTED_S = 60


@dataclass(frozen=True, slots=True)
class Count:
    """How many phones, by what it says in `label`."""

    key: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What freezing would give now. `count` phones, `carriers` them by carrier (code), `left_out` the rest by reason;
    `named` is all that the register names: the sum of both. `missing` is how many phones lack a placeholder's value."""

    count: int
    named: int
    carriers: list[Count]
    left_out: list[Count]
    missing: dict[str, int]


@dataclass(frozen=True, slots=True)
class CarrierEstimate:
    """One carrier's share. `seconds` by the contracted rate (0: without limit); `room` is what its daily cap leaves
    today, in parts (None: no cap). `refuses` says that the text has accents, which this carrier does not take."""

    carrier: Carrier
    people: int
    parts: int
    dong: int
    seconds: float
    room: int | None
    refuses: bool

    @property
    def duration(self) -> str:
        return hours_and_minutes(self.seconds)

    @property
    def over_cap(self) -> bool:
        return self.room is not None and self.parts > self.room


@dataclass(frozen=True, slots=True)
class Estimate:
    """What sending a text to an audience takes: carriers work side by side, so `seconds` is the slowest one's."""

    carriers: list[CarrierEstimate]
    people: int
    parts: int
    dong: int
    seconds: float
    most_parts: int

    @property
    def over_cap(self) -> bool:
        """Whether some carrier would be asked for more than its contract allows in a day: nothing may be sent."""
        return any(row.over_cap for row in self.carriers)

    @property
    def duration(self) -> str:
        return hours_and_minutes(self.seconds)

    @property
    def refused(self) -> bool:
        return any(row.refuses for row in self.carriers)

    @property
    def unpriced(self) -> bool:
        """Whether a price is missing, so that the dong are too few."""
        return any(row.people and not row.carrier.price for row in self.carriers)


def audiences(actor: Actor) -> QuerySet[Audience]:
    """Audiences that the actor may see, latest first."""
    return Audience.objects.seen_by(actor).select_related("unit").order_by("-created_at", "-pk")


def audience(actor: Actor, pk: int) -> Audience:
    """One audience. Raises `NotFound`."""
    found: Audience | None = audiences(actor).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("Không có danh sách nhận này."))
    return found


def register_of(key: str) -> Register:
    """The register of that name. Raises `Invalid`."""
    try:
        return registers.get(key)
    except KeyError as fault:
        raise Invalid(
            _("Không có nguồn danh sách này."),
            field="register",
            code="no_register",
            way_out=_("Chọn một nguồn trong danh sách."),
        ) from fault


def covered_units(actor: Actor, unit_ids: Collection[int]) -> list[AdminUnit]:
    """The units, each of which the actor must cover as a writer. Raises `Invalid` for none."""
    if not unit_ids:
        raise Invalid(
            _("Chưa chọn địa bàn nào."), field="units", code="no_units", way_out=_("Chọn ít nhất một đơn vị.")
        )
    found = AdminUnit.objects.in_bulk(list(unit_ids))
    if absent := set(unit_ids) - set(found):
        raise NotFound(_("Có %(count)d đơn vị không tồn tại.") % {"count": len(absent)}, field="units")
    for unit in found.values():
        actor.must_cover(unit, *WRITERS)
    return list(found.values())


def checked_filters(register: Register, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the register gets them. Raises `Invalid` that names the filter."""
    kept: dict[str, Any] = {}
    for name, value in given.items():
        entry = register.filters.get(name)
        try:
            if entry is None:
                raise ValueError(name)
            clean = entry.read(value)
        except ValueError as fault:
            label = str(entry.label) if entry is not None else name[:40]
            raise Invalid(
                _("Điều kiện “%(label)s” không đúng.") % {"label": label},
                field=name if entry is not None else "filters",
                code="bad_filter",
                way_out=_("Nhập số từ %(least)d đến %(most)d.") % {"least": entry.least, "most": entry.most}
                if entry is not None and entry.kind == "number"
                else _("Chọn một giá trị trong danh sách."),
            ) from fault
        if clean is not None:
            kept[name] = clean
    low, high = kept.get("age_from"), kept.get("age_to")
    if low is not None and high is not None and low > high:
        raise Invalid(
            _("Tuổi đầu lớn hơn tuổi cuối."),
            field="age_to",
            code="bad_filter",
            way_out=_("Đổi chỗ hai tuổi."),
        )
    return kept


def registers_in_order() -> list[tuple[str, Register]]:
    """All registers, for a choice."""
    return sorted(registers.items(), key=lambda item: (item[1].order, item[0]))


def units_of(row: Audience) -> list[AdminUnit]:
    """The units that were chosen."""
    return list(AdminUnit.objects.filter(pk__in=row.units).order_by("tier", "sort_key"))


def filters_told(row: Audience) -> list[tuple[str, str]]:
    """The filters in words: label and value."""
    register = registers.get(row.register)
    told = []
    for name, value in row.filters.items():
        entry = register.filters.get(name)
        if entry is None:
            continue
        label = {key: str(text) for key, text in entry.choices}.get(str(value))
        told.append((str(entry.label), label or (_("có") if value is True else str(value))))
    return told


def placeholders_told(row: Audience) -> list[tuple[str, str]]:
    """What can stand in braces in a text to this audience: name and label."""
    return [
        (name, str(label)) for name, label in selecting.placeholders_of(registers.get(row.register)).items()
    ]


def left_out_told(counts: Mapping[str, int]) -> list[Count]:
    """The reasons in their order, those that occur."""
    return [
        Count(reason.value, str(reason.label), counts[reason]) for reason in LeftOut if counts.get(reason)
    ]


def preview(
    actor: Actor,
    *,
    register: str,
    units: Collection[int],
    filters: Mapping[str, Any],
    with_opted_out: bool = False,
    names: Collection[str] = (),
) -> Preview:
    """What an audience described so would hold now. Filters as `create_audience` takes them; raises what it
    raises."""
    covered_units(actor, units)
    filters = checked_filters(register_of(register), filters)
    return _preview(
        selecting.selection(
            register, units, filters, with_opted_out=with_opted_out, names=_known(register, names)
        ),
        names,
    )


def preview_of(row: Audience, names: Collection[str] = ()) -> Preview:
    """The same of an audience that is kept (which the caller has narrowed): frozen, what it holds."""
    if row.frozen_at is None:
        return _preview(_selection(row, names), names, None if names else _counted_lately(row))
    carriers = selecting.rows_of(
        "SELECT c.code, c.name, count(*) FROM broadcasts_audiencemember m JOIN broadcasts_carrier c"
        " ON c.id = m.carrier_id WHERE m.audience_id = %(id)s GROUP BY c.id ORDER BY count(*) DESC",
        {"id": row.pk},
    )
    return Preview(
        row.count,
        row.count + sum(row.left_out.values()),
        [Count(*found) for found in carriers],
        left_out_told(row.left_out),
        missing_values(row, names),
    )


def missing_values(row: Audience, names: Collection[str]) -> dict[str, int]:
    """How many phones of an audience lack a value for each of the placeholders; only those that lack some.

    Asked before sending: a text is not sent with an empty word. A name that the register does not know, or that was
    not asked for at freezing, is missing for everybody.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    if row.frozen_at is None:
        return _preview(_selection(row, wanted), wanted).missing
    columns = ", ".join(
        f"count(*) FILTER (WHERE btrim(coalesce(values ->> %(n{place})s, '')) = '')"
        for place in range(len(wanted))
    )
    ((*found,),) = selecting.rows_of(
        f"SELECT {columns} FROM broadcasts_audiencemember WHERE audience_id = %(id)s",  # noqa: S608 - numbers only
        {"id": row.pk, **{f"n{place}": name for place, name in enumerate(wanted)}},
    )
    return {name: count for name, count in zip(wanted, found, strict=True) if count}


def estimate(row: Audience, text: str, plain: bool = False) -> Estimate:
    """People, parts, dong and duration by carrier when `text` goes to an audience (which the caller has narrowed).

    With `plain` the text and the values in it lose their accents, as they will when it is sent. Parts of a text with
    placeholders are counted for each member's own values. Raises `Invalid` for a text that cannot be sent.
    """
    text = composing.checked(strip_accents(text) if plain else normalise(text))
    names = composing.placeholders(text)
    sent_today = _sent_today()
    rows: dict[int, list[int]] = {}
    most = accented = 0
    for carrier_id, parts, is_accented, people in _by_parts(row, text, names, plain):
        share = rows.setdefault(carrier_id, [0, 0, 0])
        share[0] += people
        share[1] += people * parts
        share[2] |= is_accented
        most, accented = max(most, parts), accented | is_accented
    carriers = []
    found = Carrier.objects.in_bulk(list(rows))
    for pk, (people, parts, has_accents) in sorted(rows.items(), key=lambda item: -item[1][0]):
        carrier = found[pk]
        carriers.append(
            CarrierEstimate(
                carrier,
                people,
                parts,
                parts * carrier.price,
                parts / carrier.rate if carrier.rate else 0.0,
                None if carrier.daily_cap is None else max(0, carrier.daily_cap - sent_today.get(pk, 0)),
                bool(has_accents) and not carrier.takes_accents,
            )
        )
    return Estimate(
        carriers,
        sum(one.people for one in carriers),
        sum(one.parts for one in carriers),
        sum(one.dong for one in carriers),
        max((one.seconds for one in carriers), default=0.0),
        most,
    )


def _selection(row: Audience, names: Collection[str]) -> selecting.Selection:
    return selecting.selection(
        row.register,
        row.units,
        row.filters,
        with_opted_out=row.with_opted_out,
        names=_known(row.register, names),
    )


def _known(register: str, names: Collection[str]) -> set[str]:
    return set(names) & (set(registers.get(register).placeholders) | {selecting.UNIT})


def _counted(chosen: selecting.Selection) -> list[tuple[Any, ...]]:
    """(reason, carrier, count, how many lack each value)."""
    missing = "".join(
        f", count(*) FILTER (WHERE btrim(coalesce(v_{name}, '')) = '')" for name in chosen.names
    )
    return selecting.rows_of(
        f"SELECT left_out, CASE WHEN left_out IS NULL THEN carrier_id END, count(*){missing}"  # noqa: S608 - own texts
        f" FROM ({chosen.sql}) AS chosen GROUP BY 1, 2",
        chosen.values,
    )


def _counted_lately(row: Audience) -> list[tuple[Any, ...]]:
    """The same of a description, without values: a page that is drawn again within a minute does not count again."""
    told = json.dumps(
        [row.pk, row.created_at.isoformat(), row.register, row.units, row.filters, row.with_opted_out],
        sort_keys=True,
    )
    key = f"audience:{hashlib.sha256(told.encode()).hexdigest()}"
    found: list[tuple[Any, ...]] | None = cache.get(key)
    if found is None:
        found = _counted(_selection(row, ()))
        cache.set(key, found, COUNTED_S)
    return found


def _preview(
    chosen: selecting.Selection, names: Collection[str], found: list[tuple[Any, ...]] | None = None
) -> Preview:
    if found is None:
        found = _counted(chosen)
    left_out = {reason: count for reason, _carrier, count, *_rest in found if reason}
    kept = {carrier: (count, lacking) for reason, carrier, count, *lacking in found if not reason}
    carriers = Carrier.objects.in_bulk(list(kept))
    count = sum(n for n, _lacking in kept.values())
    lacks = {name: count for name in set(names) - set(chosen.names) if count}
    for place, name in enumerate(chosen.names):
        if lacking := sum(each[place] for _n, each in kept.values()):
            lacks[name] = lacking
    return Preview(
        count,
        count + sum(left_out.values()),
        [
            Count(carriers[pk].code, carriers[pk].name, n)
            for pk, (n, _lacking) in sorted(kept.items(), key=lambda item: -item[1][0])
        ],
        left_out_told(left_out),
        lacks,
    )


def _by_parts(row: Audience, text: str, names: set[str], plain: bool) -> list[tuple[int, int, int, int]]:
    """(carrier, parts, whether UCS-2, people): the text filled with each member's values, weighed in SQL."""
    if row.frozen_at is None and not names:
        size = measure(text)
        return [
            (carrier, size.parts, int(size.encoding == "UCS-2"), people)
            for reason, carrier, people in _counted_lately(row)
            if not reason
        ]
    if row.frozen_at is None:
        chosen = _selection(row, names)
        pairs = ", ".join(f"'{name}', v_{name}" for name in chosen.names)
        source = (
            f"SELECT carrier_id, jsonb_build_object({pairs}) AS values"  # noqa: S608 - own texts
            f" FROM ({chosen.sql}) AS chosen WHERE left_out IS NULL"
        )
        values = dict(chosen.values)
    else:
        source = "SELECT carrier_id, values FROM broadcasts_audiencemember WHERE audience_id = %(in_id)s"
        values = {"in_id": row.pk}
    if not names:
        size = measure(text)
        return [
            (carrier, size.parts, int(size.encoding == "UCS-2"), people)
            for carrier, people in selecting.rows_of(
                f"SELECT carrier_id, count(*) FROM ({source}) AS members GROUP BY 1",  # noqa: S608 - own texts
                values,
            )
        ]
    # Only the values differ from member to member: they are weighed alone, joined, and added to the rest of the text.
    times = {name: text.count(f"{{{name}}}") for name in sorted(names)}
    rest = text
    for name in names:
        rest = rest.replace(f"{{{name}}}", "")
    rest_is_accented = encoding_of(rest) == "UCS-2"
    heavy = sum(letter in GSM_EXTENDED for letter in rest)
    astral = sum(letter > "\uffff" for letter in rest)
    joined = "concat(" + ", ".join(
        f"repeat(values ->> %(in_name{place})s, {count})" for place, count in enumerate(times.values())
    )
    joined += ")"
    if plain:
        marks = r"[\u0300-\u036f]"
        joined = f"translate(regexp_replace(normalize({joined}, NFD), '{marks}', '', 'g'), 'đĐ', 'dD')"
    letters = sorted(set(GSM_BASIC) - {"\x1b"} | set(GSM_EXTENDED))
    found = selecting.rows_of(
        f"""
SELECT carrier_id, CASE
    WHEN accented THEN CASE WHEN units <= 70 THEN 1 ELSE ceil(units / 67.0)::int END
    ELSE CASE WHEN units <= 160 THEN 1 ELSE ceil(units / 153.0)::int END
  END, accented::int, count(*)
FROM (
  SELECT carrier_id, accented, char_length(joined) + CASE
    WHEN accented THEN %(in_rest)s + %(in_astral)s + CASE
      WHEN joined ~ '[\\U00010000-\\U0010FFFF]'
      THEN char_length(joined) - char_length(regexp_replace(joined, '[\\U00010000-\\U0010FFFF]', '', 'g'))
      ELSE 0 END
    ELSE %(in_rest)s + %(in_heavy)s + char_length(joined) - char_length(translate(joined, %(in_extended)s, ''))
  END AS units
  FROM (
    SELECT carrier_id, joined, {"true" if rest_is_accented else "joined ~ %(in_foreign)s"} AS accented
    FROM (SELECT carrier_id, {joined} AS joined FROM ({source}) AS members OFFSET 0) AS texts OFFSET 0
  ) AS coded
) AS weighed GROUP BY 1, 2, 3""",  # noqa: S608 - own texts
        {
            **values,
            **{f"in_name{place}": name for place, name in enumerate(times)},
            "in_rest": len(rest),
            "in_heavy": heavy,
            "in_astral": astral,
            "in_extended": "".join(GSM_EXTENDED),
            "in_foreign": "[^" + "".join(rf"\u{ord(letter):04x}" for letter in letters) + "]",
        },
    )
    return [(carrier, parts, accented, people) for carrier, parts, accented, people in found]


def _sent_today() -> dict[int, int]:
    """Parts that each carrier has taken today, as far as campaigns of today know (in whole campaigns' parts)."""
    since = clock.start_of_day(clock.today())
    rows = (
        Chunk.objects.filter(campaign__started_at__gte=since)
        .values("carrier", "campaign__parts")
        .annotate(taken=Sum("accepted") + Sum("unknown"))
    )
    taken: dict[int, int] = {}
    for each in rows:
        taken[each["carrier"]] = taken.get(each["carrier"], 0) + each["taken"] * each["campaign__parts"]
    return taken


def hours_and_minutes(seconds: float) -> str:
    """A duration as people say it, rounded up to minutes."""
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return _("%(minutes)d phút") % {"minutes": minutes}
    return _("%(hours)d giờ %(minutes)d phút") % {"hours": minutes // 60, "minutes": minutes % 60}
