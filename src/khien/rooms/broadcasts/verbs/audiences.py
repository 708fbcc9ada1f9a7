"""Choosing whom a text goes to, and fixing the list."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import date
from itertools import takewhile
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import selecting
from khien.rooms.broadcasts.models import WRITERS, Audience, BulletinVersion, Channel, ChannelText, LeftOut
from khien.rooms.broadcasts.reads import audiences as reads

WORK_MEM = "192MB"
"""For the two sorts of a million rows in one statement, in the transaction of the freezing alone."""


@verb(*WRITERS)
def create_audience(
    actor: Actor,
    *,
    register: str,
    units: Collection[int],
    filters: Mapping[str, Any] | None = None,
    with_opted_out: bool = False,
) -> Audience:
    """Describe an audience: a register, units (ids) that the actor covers, and values of the register's filters
    (texts as a form gives them will do). Nobody is looked up yet. `with_opted_out` is for emergencies alone: whoever
    calls sees to that."""
    row = Audience(created_at=clock.now(), created_by=actor.id)
    _describe(actor, row, register, units, filters or {}, with_opted_out)
    row.save()
    record(actor, row, register=register, units=row.units, filters=row.filters)
    return row


@verb(*WRITERS)
def change_audience(
    actor: Actor,
    *,
    audience: Audience,
    register: str,
    units: Collection[int],
    filters: Mapping[str, Any] | None = None,
    with_opted_out: bool = False,
) -> Audience:
    """Describe it anew, as long as it is not frozen."""
    row = _locked(actor, audience)
    if row.frozen_at is not None:
        raise Conflict(
            _("Danh sách nhận đã chốt, không đổi được nữa."),
            code="frozen",
            way_out=_("Lập danh sách mới."),
        )
    before = (row.register, row.units, row.filters, row.with_opted_out)
    _describe(actor, row, register, units, filters or {}, with_opted_out)
    if before == (row.register, row.units, row.filters, row.with_opted_out):
        unchanged()
        return row
    row.save()
    record(actor, row, register=register, units=row.units, filters=row.filters)
    return row


@verb(*WRITERS)
def renew_audience(actor: Actor, *, audience: Audience) -> Audience:
    """Another audience of the same description, not frozen: for a text that is written anew after it was rejected."""
    was = _locked(actor, audience)
    row = Audience(created_at=clock.now(), created_by=actor.id)
    _describe(actor, row, was.register, was.units, was.filters, was.with_opted_out)
    row.save()
    record(actor, row, renewed=was.pk)
    return row


@verb(*WRITERS)
def freeze_audience(actor: Actor, *, audience: Audience, names: Collection[str] | None = None) -> Audience:
    """Look everybody up and fix the list: members, `count`, `hash`, and who is left out and why. Frozen before, it
    stays as it is.

    `names` are the placeholders of the text (None: those in the texts of the bulletin whose audience it is): their
    values are kept with each member, and no others. A value may be missing: `reads.audiences.missing_values` tells.
    Raises `Invalid` when nobody would be reached, and for a name that the register does not have.
    """
    row = _locked(actor, audience)
    if row.frozen_at is not None:
        unchanged()
        return row
    reads.covered_units(actor, row.units)
    known = selecting.placeholders_of(reads.register_of(row.register))
    if names is None:
        names = _names_in_texts(row) & set(known)
    if unknown := set(names) - set(known):
        raise Invalid(
            _("Nguồn danh sách này không có: %(names)s.")
            % {"names": ", ".join(f"{{{name}}}" for name in sorted(unknown))},
            field="text",
            code="missing_value",
            way_out=_("Chỉ dùng: %(names)s.") % {"names": ", ".join(f"{{{name}}}" for name in sorted(known))},
        )
    chosen = selecting.selection(
        row.register, row.units, row.filters, with_opted_out=row.with_opted_out, names=names
    )
    part = partition_of(row.pk)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        # Filled aside and attached at the end: the table of all members is not locked meanwhile.
        cursor.execute(f"CREATE TABLE {part} (LIKE broadcasts_audiencemember INCLUDING DEFAULTS)")
    left_out = _fill(part, row.pk, chosen)
    count = left_out.pop("", 0)
    if not count:
        raise _nobody(left_out)
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {part} ADD PRIMARY KEY (audience_id, seq),"
            f" ADD CONSTRAINT whose CHECK (audience_id = {row.pk})"
        )
        row.hash = _hash(part)
        cursor.execute(
            f"ALTER TABLE broadcasts_audiencemember ATTACH PARTITION {part} FOR VALUES IN ({row.pk})"
        )
        cursor.execute(f"ALTER TABLE {part} DROP CONSTRAINT whose")
        cursor.execute(f"ANALYZE {part}")
    row.frozen_at, row.count, row.left_out, row.names = clock.now(), count, left_out, list(chosen.names)
    row.save(update_fields=["frozen_at", "count", "left_out", "names", "hash"])
    record(actor, row, count=count, left_out=left_out, hash=row.hash)
    return row


def partition_of(pk: int) -> str:
    """The table that holds the members of one audience."""
    return f"broadcasts_audiencemember_{int(pk)}"


def forget_audiences(before: date) -> int:
    """Drop the members of audiences described before a Vietnamese day, and descriptions that nothing came of; returns
    how many phones went. A frozen audience keeps its counts and hash: approvals are bound to them."""
    edge = clock.start_of_day(before)
    old = Audience.objects.filter(created_at__lt=edge, forgotten_at__isnull=True)
    gone = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for row in old.filter(frozen_at__isnull=False).select_for_update():
            cursor.execute(f"DROP TABLE IF EXISTS {partition_of(row.pk)}")
            gone += row.count
            row.forgotten_at = clock.now()
            row.save(update_fields=["forgotten_at"])
    drafts = old.filter(frozen_at__isnull=True)
    BulletinVersion.objects.filter(audience_id__in=drafts.values("pk")).update(audience_id=None)
    drafts.delete()
    return gone


def members_beyond(before: date) -> list[str]:
    """A sentence for each table of members that is there although its audience is too old, or is none: for the proof
    of deletion."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c LEFT JOIN broadcasts_audience a"
            " ON c.relname = 'broadcasts_audiencemember_' || a.id"
            " WHERE c.relkind = 'r' AND c.relname ~ '^broadcasts_audiencemember_[0-9]+$'"
            " AND (a.id IS NULL OR a.created_at < %s OR a.forgotten_at IS NOT NULL) ORDER BY 1",
            [clock.start_of_day(before)],
        )
        return [f"the table {name} holds members that should be gone" for (name,) in cursor.fetchall()]


def _describe(
    actor: Actor,
    row: Audience,
    register: str,
    units: Collection[int],
    filters: Mapping[str, Any],
    with_opted_out: bool,
) -> None:
    chosen = reads.covered_units(actor, units)
    row.register = register
    row.filters = reads.checked_filters(reads.register_of(register), filters)
    row.unit = _common(chosen)
    actor.must_cover(row.unit, *WRITERS)
    row.units = _outermost(chosen)
    row.with_opted_out = with_opted_out


def _outermost(units: Collection[AdminUnit]) -> list[int]:
    """The ids without those that lie inside another one of them."""
    paths = {unit.path for unit in units}
    return sorted(
        unit.pk
        for unit in units
        if not any(unit.path.startswith(path) and path != unit.path for path in paths)
    )


def _common(units: Collection[AdminUnit]) -> AdminUnit:
    """The smallest unit that holds all. Raises `Invalid` when none does."""
    paths = [unit.path.rstrip(".").split(".") for unit in units]
    shared = [steps[0] for steps in takewhile(lambda steps: len(set(steps)) == 1, zip(*paths, strict=False))]
    found = AdminUnit.objects.filter(path="".join(f"{step}." for step in shared)).first() if shared else None
    if found is None:
        raise Invalid(
            _("Các đơn vị đã chọn không cùng nằm trong một đơn vị nào."),
            field="units",
            code="no_common_unit",
            way_out=_("Lập một danh sách cho mỗi tỉnh."),
        )
    return found


def _locked(actor: Actor, audience: Audience) -> Audience:
    row: Audience | None = (
        Audience.objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=audience.pk).first()
    )
    if row is None:
        raise NotFound(_("Không có danh sách nhận này."))
    return row


def _fill(part: str, pk: int, chosen: selecting.Selection) -> dict[str, int]:
    """Write the members; returns how many rows of the register were left out by reason, and under "" those kept.

    In order of carrier and unit, within them by a mixed number: neighbours in the book do not follow each other.
    """
    pairs = ", ".join(f"'{name}', v_{name}" for name in chosen.names)
    values = f"jsonb_build_object({pairs})" if pairs else "NULL"
    kept = "".join(f", v_{name}" for name in chosen.names)
    return dict(
        selecting.rows_of(
            f"""
WITH chosen AS MATERIALIZED ({chosen.sql}),
members AS (
  INSERT INTO {part} (audience_id, seq, phone, carrier_id, unit_id, person_id, values)
  SELECT {pk}, seq, '+84' || n, carrier_id, unit_id, person_id, {values}
  FROM (
    SELECT n, carrier_id, unit_id, person_id{kept},
      row_number() OVER (ORDER BY carrier_id, unit_id, (n::bigint * 2654435761) %% 4294967296) AS seq
    FROM chosen WHERE left_out IS NULL
  ) AS ordered
)
SELECT coalesce(left_out, ''), count(*) FROM chosen GROUP BY 1""",  # noqa: S608 - own texts
            chosen.values,
        )
    )


def _names_in_texts(row: Audience) -> set[str]:
    """What stands in braces in the version whose audience it is, edited or not: whether the register knows it is asked
    before sending."""
    versions = BulletinVersion.objects.filter(audience_id=row.pk)
    written = ChannelText.objects.filter(version__in=versions, channel=Channel.SMS)
    texts = [
        *written.values_list("text", flat=True),
        *(part for pair in versions.values_list("title", "body") for part in pair),
    ]
    return {name for text in texts for name in re.findall(r"\{([a-z_]+)\}", text)}


def _hash(part: str) -> str:
    """SHA-256 over the numbers in order, a line each; streamed, so that a country's list needs no memory."""
    digest = hashlib.sha256()
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY (SELECT phone FROM {part} ORDER BY seq) TO STDOUT") as lines,  # noqa: S608
    ):
        for block in lines:
            digest.update(block)
    return digest.hexdigest()


def _nobody(left_out: Mapping[str, int]) -> Invalid:
    told = "; ".join(
        f"{str(LeftOut(reason).label).lower()}: {count}" for reason, count in sorted(left_out.items())
    )
    return Invalid(
        _("Danh sách nhận không có ai (%(why)s).") % {"why": told}
        if told
        else _("Danh sách nhận không có ai: nguồn này không có người nào ở địa bàn đã chọn."),
        field="units",
        code="nobody",
        way_out=_("Chọn địa bàn rộng hơn, bớt điều kiện, hoặc bổ sung số điện thoại."),
    )
