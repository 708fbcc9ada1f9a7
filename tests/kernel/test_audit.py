"""The chain of seals shows every change, and forgetting does not break it."""

from __future__ import annotations

import pytest
from django.db import Error, connection, transaction

from khien.kernel import acts, clock
from khien.kernel.audit import chain, reads, verbs
from khien.kernel.audit.models import AuditLine, Seal
from khien.kernel.staff import system_actor

pytestmark = pytest.mark.django_db


def write(lines: int) -> None:
    for number in range(lines):
        acts.read(system_actor("test"), "test.read", persons=[number + 1], number=number)


def test_sealed_lines_form_a_chain_that_verifies() -> None:
    write(3)
    assert reads.sealing().unsealed == 3
    assert verbs.seal_lines() == 3
    write(2)
    assert verbs.seal_lines() == 2
    assert verbs.seal_lines() == 0
    assert list(chain.verify()) == []
    assert reads.sealing().unsealed == 0


def test_lines_can_be_neither_changed_nor_deleted() -> None:
    write(1)
    verbs.seal_lines()
    for tamper in (
        lambda: AuditLine.objects.update(purpose="another"),
        lambda: AuditLine.objects.all().delete(),
    ):
        with pytest.raises(Error, match="never"), transaction.atomic():
            tamper()


@pytest.mark.parametrize("sort", ["change", "remove"])
def test_tampering_behind_the_trigger_is_named_by_its_seal(sort: str) -> None:
    write(2)
    verbs.seal_lines()
    write(2)
    verbs.seal_lines()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_auditline DISABLE TRIGGER audit_guard")
        if sort == "change":
            cursor.execute("UPDATE audit_auditline SET purpose = 'x' WHERE seal_id = 2 AND seal_place = 0")
        else:
            cursor.execute("DELETE FROM audit_auditline WHERE seal_id = 2 AND seal_place = 1")
    assert [fault.seal for fault in chain.verify()] == [2]


def test_a_removed_seal_is_noticed() -> None:
    for _round in range(3):
        write(1)
        verbs.seal_lines()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_auditline DISABLE TRIGGER audit_guard")
        cursor.execute("DELETE FROM audit_auditline WHERE seal_id = 2")
        cursor.execute("DELETE FROM audit_seal WHERE id = 2")
    assert {fault.seal for fault in chain.verify()} == {3}


def test_forgetting_removes_lines_and_leaves_the_chain_whole() -> None:
    write(2)
    verbs.seal_lines()
    tomorrow = clock.today().fromordinal(clock.today().toordinal() + 1)
    assert verbs.forget_before(tomorrow) == 2
    assert not AuditLine.objects.exists()
    assert Seal.objects.get().forgotten_at is not None
    assert list(chain.verify()) == []


def test_a_resident_finds_who_read_their_record() -> None:
    write(3)
    assert [line.persons for line in reads.lines_about(2)] == [[2]]
