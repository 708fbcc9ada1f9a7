"""What devices at gates are given, and the people whom guards typed in."""

from __future__ import annotations

import secrets
from dataclasses import asdict

from django.db import connection, transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, NotFound
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor, Role
from khien.rooms.checkpoints import bundle, filters
from khien.rooms.checkpoints.models import GateBuild, TypedPerson

KEPT_BUILDS = 4
_LOCK = 7_206_104
TRIES = 8


@verb()
def build_bundle(actor: Actor) -> GateBuild:
    """Make the filter of now, when anybody's colour changed since the last one or that is an hour old.

    Two at once make one. The files of builds before the last four are removed.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    now = clock.now()
    before = bundle.latest()
    found = bundle.content(now)
    same = found.hash()
    if before is not None and _still_good(before, same):
        unchanged()
        return before
    for _try in range(TRIES):
        key = secrets.token_bytes(32)
        try:
            sha, size, count = bundle.write_filter(found, key)
        except filters.FilterFull:
            continue
        break
    else:
        raise filters.FilterFull
    build = GateBuild.objects.create(
        made_at=now,
        sha256=sha,
        size=size,
        filter_key=key,
        classes=[asdict(each) for each in found.classes],
        otherwise=asdict(found.otherwise),
        keys=count,
        content_hash=same,
    )
    old = list(GateBuild.objects.order_by("-pk")[KEPT_BUILDS:])
    GateBuild.objects.filter(pk__in=[each.pk for each in old]).delete()
    transaction.on_commit(lambda: _remove_files(old))
    record(actor, build, keys=count, bytes=size, people=len(found.people), revoked=len(found.revoked))
    return build


def _still_good(build: GateBuild, same: str) -> bool:
    now = clock.now()
    return (
        build.content_hash == same
        and build.made_at <= now < build.made_at + bundle.FRESH
        and bundle.file_path(build.sha256).exists()
    )


@verb(Role.COMMUNE_OFFICER, Role.TRACER)
def link_typed(actor: Actor, *, typed_id: int, person: Person) -> TypedPerson:
    """Say who the typed-in person was: their scan counts for that person from now on."""
    typed = _open(actor, typed_id)
    typed.person, typed.linked_at, typed.linked_by = person, clock.now(), actor.id
    typed.save(update_fields=["person", "linked_at", "linked_by"])
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH found AS (UPDATE checkpoints_scan SET person_id = %(person)s WHERE subject_kind = 'typed'"
            " AND subject = %(subject)s AND person_id IS NULL RETURNING at)"
            " INSERT INTO checkpoints_due (person_id, day)"
            " SELECT DISTINCT %(person)s, (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date FROM found",
            {"person": person.pk, "subject": typed.subject},
        )
    record(actor, typed, persons=[person.pk])
    return typed


@verb(Role.COMMUNE_OFFICER, Role.TRACER)
def drop_typed(actor: Actor, *, typed_id: int) -> TypedPerson:
    """Nobody in the ledger is this person; the scan stays without one."""
    typed = _open(actor, typed_id)
    typed.dropped_at, typed.linked_by = clock.now(), actor.id
    typed.save(update_fields=["dropped_at", "linked_by"])
    record(actor, typed)
    return typed


def _open(actor: Actor, typed_id: int) -> TypedPerson:
    typed: TypedPerson | None = (
        TypedPerson.objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=typed_id).first()
    )
    if typed is None:
        raise NotFound()
    if typed.person_id is not None or typed.dropped_at is not None:
        raise Conflict(_("Người này đã được xử lý."), way_out=_("Tải lại danh sách."))
    return typed


def _remove_files(builds: list[GateBuild]) -> None:
    for each in builds:
        bundle.file_path(each.sha256).unlink(missing_ok=True)
