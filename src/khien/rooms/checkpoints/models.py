"""Passes, scans as they came, what was held, and what is to be derived anew.

`ScanId`, `Scan` and `Due` are written by the statement of `verbs/scans.py` and never row by row. Scans are
partitioned by the day of receipt; the ids lie in a table of their own that outlives them, so that a batch that is
sent again after the scans were forgotten is still known.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from khien.kernel.people.models import Person
from khien.kernel.staff.models import Device
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit


class PassCard(Scoped):
    """One pass of one person: the pseudonym in its QR code is of this card alone. A new card ends the old one."""

    class Kind(models.TextChoices):
        PAPER = "paper", _("thẻ giấy")
        PHONE = "phone", _("điện thoại")

    class RevokedFor(models.TextChoices):
        REISSUED = "reissued", _("đã đổi thẻ mới")
        LOST = "lost", _("báo mất")
        WITHDRAWN = "withdraw", _("thu hồi")

    scope_unit = "person__unit"
    scope_person = "person"
    scope_roles = frozenset({Role.COMMUNE_OFFICER, Role.CLERK, Role.TRACER})

    sub = models.CharField(max_length=16, unique=True)
    person = models.ForeignKey(Person, models.CASCADE, related_name="pass_cards")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_for = models.CharField(
        max_length=8, blank=True, choices=RevokedFor.choices, help_text="why, where somebody said it"
    )
    device_key = models.BinaryField(
        null=True, help_text="public key of the phone, P-256, compressed, 33 bytes"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person", "kind"], condition=Q(revoked_at__isnull=True), name="pass_one_valid_a_kind"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("issued_at")), name="pass_expires_after"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class Direction(models.TextChoices):
    IN = "in", _("vào")
    OUT = "out", _("ra")
    UNKNOWN = "unknown", _("không rõ")


class Method(models.TextChoices):
    CAMERA = "camera", _("máy ảnh")
    HID = "hid", _("đầu đọc")
    MANUAL = "manual", _("nhập tay")
    PHONE = "phone", _("người dân tự quét")
    IMPORT = "import", _("nạp")


class ScanId(models.Model):
    """That an event of a sender was taken, and a hash of what it said: the same id never counts twice."""

    pk = models.CompositePrimaryKey("sender", "id")
    sender = models.CharField(max_length=24, help_text="device:3, account:7, person:12, system:…")
    id = models.UUIDField(help_text="made by the client")
    day = models.DateField(help_text="Vietnamese day of receipt")
    payload_hash = models.CharField(max_length=32)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["day"], name="scan_id_day")]

    def __str__(self) -> str:
        return f"{self.sender} {self.id}"


class Scan(models.Model):
    """A scan as it came; never changed, apart from a person found later. Partitioned by day of receipt."""

    pk = models.CompositePrimaryKey("day", "id")
    day = models.DateField(help_text="Vietnamese day of receipt: the partition key")
    id = models.BigIntegerField(help_text="from the sequence checkpoints_scan_number")
    sender = models.CharField(max_length=24)
    client_id = models.UUIDField()
    place_id = models.BigIntegerField()
    person_id = models.BigIntegerField(null=True)
    subject_kind = models.CharField(
        max_length=10, help_text="pass, cccd, cmnd, insurance, passport, hc1, person"
    )
    subject = models.CharField(max_length=64, help_text="pseudonym of the pass, or keyed hash")
    direction = models.CharField(max_length=8, choices=Direction.choices)
    method = models.CharField(max_length=8, choices=Method.choices)
    at = models.DateTimeField(help_text="corrected by the clock that the device sent")
    at_said = models.DateTimeField(help_text="as the device said it")
    time_quality = models.CharField(max_length=8, help_text="how `at` is known: see intake.Quality")
    received_at = models.DateTimeField()
    flags = ArrayField(models.CharField(max_length=20), default=list)
    seq = models.BigIntegerField(null=True, help_text="counted by the device over all its events")
    boot = models.UUIDField(null=True, help_text="start of the device's page")
    mono = models.BigIntegerField(null=True, help_text="ms since that start")
    offline = models.BooleanField(null=True, help_text="decided by the device alone")
    shown = models.JSONField(null=True, help_text="what the device showed: colour, reason, bundle")
    group_id = models.UUIDField(null=True, help_text="who came together: a family, a bus")

    class Meta:
        managed = False
        db_table = "checkpoints_scan"

    def __str__(self) -> str:
        return f"{self.id}"


class Due(models.Model):
    """The stays of a person around a Vietnamese day are to be derived anew. Rows are only added and taken away, so
    that no batch ever waits for another."""

    person_id = models.BigIntegerField()
    day = models.DateField()
    made_at = models.DateTimeField(db_default=Now(), help_text="real time, of the transaction")

    class Meta:
        db_table = "checkpoints_due"

    def __str__(self) -> str:
        return f"{self.person_id} {self.day}"


class Numbers(models.Field):
    """An int8multirange: many numbers that mostly follow each other take the room of a few."""

    def db_type(self, connection: Any) -> str:
        return "int8multirange"


class DeviceTally(models.Model):
    """Which of its numbers a device has sent, and how its events were answered: gaps are what never came.

    Counts every answer, so an event that is sent again counts again as a duplicate. `seqs_reused` counts events that
    bear a number which came before under another id, `ids_reused` events that bear an id which came before with
    other words: a device does neither, two copies of it do both.
    """

    device = models.OneToOneField(Device, models.PROTECT, primary_key=True, related_name="+")
    seen = Numbers(db_default=Value("{}"))
    stored = models.BigIntegerField(db_default=0)
    duplicate = models.BigIntegerField(db_default=0)
    held = models.BigIntegerField(db_default=0)
    seqs_reused = models.BigIntegerField(db_default=0)
    ids_reused = models.BigIntegerField(db_default=0)
    last_batch_at = models.DateTimeField(null=True)
    clashed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.device_id}"


class HeldScan(Scoped):
    """What the batch door could not take, kept sealed with its reason until somebody has looked at it."""

    class Reason(models.TextChoices):
        MALFORMED = "malformed", _("sự kiện không đúng mẫu")
        UNKNOWN_CODE = "unknown_code", _("không phải mã nào hệ thống biết")
        CARD_INCOMPLETE = "card_incomplete", _("mã thẻ bị đọc thiếu")
        PASS_MALFORMED = "pass_malformed", _("thẻ Khiên đọc không trọn")
        PASS_FORGED = "pass_forged", _("thẻ không do hệ thống này ký")
        UNKNOWN_PASS = "unknown_pass", _("thẻ đúng chữ ký nhưng không có trong sổ")
        STARRED = "starred", _("mã QR quốc gia che số giấy tờ")
        CERTIFICATE_MALFORMED = "certificate_malformed", _("chứng nhận đọc không trọn")
        CERTIFICATE_FORGED = "certificate_forged", _("chứng nhận sai chữ ký")
        CERTIFICATE_UNKNOWN = "certificate_unknown", _("chứng nhận của nơi cấp chưa được tin cậy")
        UNKNOWN_PLACE = "unknown_place", _("địa điểm không có trong địa bàn của thiết bị")
        ID_REUSED = "id_reused", _("trùng mã lượt quét nhưng nội dung khác")
        DEVICE_REVOKED = "device_revoked", _("thiết bị đã bị thu hồi")
        SEAL_BROKEN = "seal_broken", _("mã niêm phong không mở được")
        FORGOTTEN = "forgotten", _("cũ hơn thời hạn lưu: chỉ trả lời, không giữ")

    scope_roles = frozenset({Role.COMMUNE_OFFICER, Role.ADMINISTRATOR})

    sender = models.CharField(max_length=24)
    device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="+")
    client_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=24, choices=Reason.choices)
    shown = models.TextField(help_text="the event with every long number masked")
    sealed = models.BinaryField(help_text="the event itself, AES-256-GCM")
    key_id = models.CharField(max_length=16)
    payload_hash = models.CharField(max_length=32)
    received_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "payload_hash", "reason"], name="held_scan_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["-received_at"], condition=Q(settled_at__isnull=True), name="held_scan_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} {self.pk}"


class GateBuild(models.Model):
    """One build of what devices at gates know of people: a filter file by its SHA-256, and what its classes mean.

    The file lies in the data folder under `gate/`. `classes` are `{colour, kind, sentence}` in the order of the
    numbers in the filter; `otherwise` is the class of everybody who is not in it.
    """

    made_at = models.DateTimeField()
    sha256 = models.CharField(max_length=64)
    size = models.IntegerField(help_text="bytes")
    filter_key = models.BinaryField(help_text="fresh for each build; devices get it with the bundle")
    classes = models.JSONField()
    otherwise = models.JSONField()
    keys = models.IntegerField(help_text="how many keys are in the filter")
    content_hash = models.CharField(max_length=64, help_text="of who is in which class, keyed")

    def __str__(self) -> str:
        return f"{self.pk} {self.made_at:%Y-%m-%d %H:%M}"


class TypedPerson(Scoped):
    """Somebody without any code whom a guard typed in: sealed, and linked to a person by the machine when exactly
    one is found, else by an officer."""

    scope_roles = frozenset({Role.COMMUNE_OFFICER, Role.TRACER})

    subject = models.CharField(max_length=64, help_text="of the scan: keyed hash of what was typed")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="+", help_text="of the place")
    place_id = models.BigIntegerField()
    at = models.DateTimeField()
    sealed = models.BinaryField(help_text="name, birth year, phone, where from: JSON, AES-256-GCM")
    key_id = models.CharField(max_length=16)
    person = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="+")
    linked_at = models.DateTimeField(null=True)
    linked_by = models.BigIntegerField(null=True, help_text="account; null when the machine did")
    dropped_at = models.DateTimeField(null=True, help_text="an officer found nobody")
    group_id = models.UUIDField(null=True, help_text="of the scan: who came together")

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["-at"],
                condition=Q(person__isnull=True, dropped_at__isnull=True),
                name="typed_person_open",
            ),
            models.Index(fields=["subject"], name="typed_person_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


# Posters, printing and coverage have a file of their own; Django looks for models here.
from khien.rooms.checkpoints.poster_models import (  # noqa: E402
    CardList,
    CardRow,
    CommuneCoverage,
    PlaceCoverage,
    Poster,
    PrintPart,
    PrintRun,
    SilentNotice,
)

__all__ = [
    "CardList",
    "CardRow",
    "CommuneCoverage",
    "Direction",
    "Due",
    "GateBuild",
    "HeldScan",
    "Method",
    "PassCard",
    "PlaceCoverage",
    "Poster",
    "PrintPart",
    "PrintRun",
    "Scan",
    "ScanId",
    "SilentNotice",
    "TypedPerson",
]
