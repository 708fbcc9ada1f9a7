"""Who is to be sampled, which tube holds whose specimen, what the laboratory found, and what could not be
taken in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.intakes.models import Counted, Waiting
from khien.kernel.people.models import Person
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

WORKERS = frozenset({Role.SAMPLER, Role.LABORATORY, Role.TRACER, Role.COMMUNE_OFFICER})
"""Who sees tests of people in their units. A leader sees counts only: `reads.daily_counts`."""


class Value(models.TextChoices):
    """What a laboratory may find."""

    POSITIVE = "positive", _("Dương tính")
    NEGATIVE = "negative", _("Âm tính")
    INDETERMINATE = "indeterminate", _("Không xác định")


class Swab(models.TextChoices):
    """What a specimen is taken from."""

    NASOPHARYNGEAL = "nasopharyngeal", _("Dịch tỵ hầu")
    ORAL = "oral", _("Dịch họng")
    SALIVA = "saliva", _("Nước bọt")
    OTHER = "other", _("Loại khác")


class Specimen(Scoped):
    """One tube with one person's specimen. `unit` is the commune that follows the person up."""

    scope_person = "person"
    scope_roles = WORKERS

    barcode = models.CharField(max_length=32, unique=True, help_text="upper case, as printed on the tube")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    swab = models.CharField(max_length=16, choices=Swab.choices, default=Swab.NASOPHARYNGEAL)
    sampled_at = models.DateTimeField()
    sampled_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(barcode__regex=r"^[0-9A-Z][0-9A-Z-]{3,31}$"), name="specimen_barcode"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["person", "-sampled_at"], name="specimen_person"),
            models.Index(fields=["unit", "-sampled_at"], name="specimen_unit"),
            models.Index(fields=["-sampled_at"], name="specimen_sampled"),
        ]

    def __str__(self) -> str:
        return self.barcode


class Result(Scoped):
    """One version of what the laboratory found in a tube. A correction is another version with its reason;
    the one before stays and is no longer current."""

    scope_unit = "specimen__unit"
    scope_person = "specimen__person"
    scope_roles = WORKERS

    specimen = models.ForeignKey(Specimen, models.PROTECT, related_name="results")
    version = models.SmallIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    value = models.CharField(max_length=14, choices=Value.choices)
    ct_value = models.DecimalField(max_digits=4, decimal_places=2, null=True, help_text="cycle threshold")
    assay = models.CharField(max_length=60, blank=True)
    resulted_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    recorded_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    reason = models.CharField(max_length=300, blank=True, help_text="of the correction; empty for the first")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["specimen", "version"], name="result_version_once"),
            models.UniqueConstraint(
                fields=["specimen"], condition=Q(is_current=True), name="result_one_current"
            ),
            models.CheckConstraint(
                condition=Q(version=1, reason="") | (Q(version__gt=1) & ~Q(reason="")),
                name="result_correction_reason",
            ),
            models.CheckConstraint(
                condition=Q(ct_value__isnull=True) | Q(ct_value__gt=0, ct_value__lte=50),
                name="result_ct_value",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-resulted_at"], condition=Q(is_current=True), name="result_current_at"),
        ]

    def __str__(self) -> str:
        return f"{self.specimen_id}: {self.value}"


class SamplingRequest(Scoped):
    """That a person is to be sampled on a day, and why. One open request a person and day."""

    class Reason(models.TextChoices):
        SYMPTOMS = "symptoms", _("Có triệu chứng")
        CONTACT_DAY = "contact_day", _("Đến ngày xét nghiệm của người tiếp xúc")
        RETEST = "retest", _("Xét nghiệm lại")
        OTHER = "other", _("Khác")

    class State(models.TextChoices):
        OPEN = "open", _("Chờ lấy mẫu")
        DONE = "done", _("Đã lấy mẫu")
        CANCELLED = "cancelled", _("Đã bỏ")

    scope_person = "person"
    scope_roles = WORKERS

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=12, choices=Reason.choices)
    due_on = models.DateField()
    reference = models.CharField(
        max_length=80, blank=True, help_text="what raised it, e.g. quarantine.order:17"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    requested_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    specimen = models.ForeignKey(Specimen, models.SET_NULL, null=True, related_name="requests")
    note = models.CharField(max_length=300, blank=True, help_text="why it was cancelled")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person", "due_on"], condition=Q(state="open"), name="request_one_open_a_day"
            ),
            models.CheckConstraint(
                condition=Q(state="open", settled_at__isnull=True)
                | (~Q(state="open") & Q(settled_at__isnull=False)),
                name="request_settled_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["unit", "due_on"], condition=Q(state="open"), name="request_open"),
            models.Index(fields=["person"], name="request_person"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} · {self.due_on}"


class Intake(Counted, Scoped):
    """One batch of results that came in: `received = stored + duplicate + held`."""

    class Source(models.TextChoices):
        CSV = "csv", _("Tệp CSV")
        API = "api", _("Máy gửi")

    scope_roles = frozenset({Role.LABORATORY})

    unit = models.ForeignKey(
        AdminUnit, models.PROTECT, null=True, related_name="+", help_text="of the laboratory"
    )
    source = models.CharField(max_length=4, choices=Source.choices)
    by = models.BigIntegerField(null=True, help_text="account; null for the system")

    class Meta(Counted.Meta):
        indexes: ClassVar = [models.Index(fields=["-at"], name="testing_intake_at")]

    def __str__(self) -> str:
        return f"{self.source} {self.at:%Y-%m-%d %H:%M}"


class HeldRow(Waiting):
    """A row that an intake could not take. `row` keeps the known columns only: a name or an identity number that a
    file also bore is not stored."""

    scope_roles = frozenset({Role.LABORATORY})

    intake = models.ForeignKey(Intake, models.CASCADE, related_name="held_rows")

    class Meta(Waiting.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.intake_id}/{self.line}: {self.code}"
