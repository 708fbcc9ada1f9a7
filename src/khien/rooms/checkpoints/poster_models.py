"""Posters, print runs, coverage in counts, and the owners of silent places who were written to."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.intakes.models import Counted, Waiting
from khien.kernel.places.models import Place
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

KEEPERS = frozenset({Role.COMMUNE_OFFICER, Role.ADMINISTRATOR})


class Poster(Scoped):
    """One printed code of a place. A new one replaces the last; the old stays readable and its scans stay with the
    place. Serial 0 is what was printed before posters were numbered."""

    scope_unit = "place__unit"
    scope_roles = KEEPERS | {Role.GUARD}

    place = models.ForeignKey(Place, models.PROTECT, related_name="posters")
    serial = models.IntegerField()
    made_at = models.DateTimeField()
    made_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    printed_at = models.DateTimeField(null=True, help_text="last print")
    prints = models.IntegerField(default=0)
    replaced_at = models.DateTimeField(null=True)
    lost_at = models.DateTimeField(
        null=True, help_text="stolen, torn down, forged over: refused from then on"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["place", "serial"], name="poster_serial"),
            models.UniqueConstraint(
                fields=["place"],
                condition=Q(replaced_at__isnull=True, lost_at__isnull=True),
                name="poster_one_current",
            ),
            models.CheckConstraint(condition=Q(serial__gte=0), name="poster_serial_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.place_id} no. {self.serial}"

    @property
    def state(self) -> str:
        """current, replaced or lost."""
        return "lost" if self.lost_at else "replaced" if self.replaced_at else "current"


class PrintRun(Scoped):
    """One order to print by the thousand: what, for which unit, how far it is. Its parts hold the pages for some
    days (`retention.prints`), the line stays as the log of printing."""

    class Kind(models.TextChoices):
        POSTERS = "posters", _("áp phích")
        CARDS = "cards", _("thẻ giấy")

    class State(models.TextChoices):
        RUNNING = "running", _("đang in")
        STOPPED = "stopped", _("đã dừng")
        DONE = "done", _("xong")
        FAILED = "failed", _("lỗi")

    scope_roles = KEEPERS | {Role.CLERK}

    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    total = models.IntegerField(help_text="posters or cards")
    done = models.IntegerField(default=0)
    renew = models.BooleanField(default=False, help_text="new codes in place of those in use")
    failure = models.CharField(max_length=200, blank=True)
    made_at = models.DateTimeField()
    made_by = models.BigIntegerField(null=True, help_text="account")
    ended_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True, help_text="when the pages were removed")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(done__lte=F("total"), done__gte=0), name="print_run_done"),
        ]
        indexes: ClassVar = [models.Index(fields=["-made_at"], name="print_run_made")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class PrintPart(models.Model):
    """Some pages of a run: made in one transaction with what they say, so a crash leaves a whole part or none."""

    run = models.ForeignKey(PrintRun, models.CASCADE, related_name="parts")
    number = models.IntegerField(help_text="from 1")
    subjects = ArrayField(models.BigIntegerField(), help_text="places or people, in the order of printing")
    made_at = models.DateTimeField(null=True)
    left_out = models.IntegerField(default=0, help_text="subjects that were gone or closed meanwhile")
    content = models.BinaryField(null=True, help_text="PDF")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "number"], name="print_part_number"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["run"], condition=Q(made_at__isnull=True), name="print_part_open")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.number}"


class CardList(Counted, Scoped):
    """A list of people for whom paper cards were ordered: `received = stored + duplicate + held`, where stored rows go
    into `run`. Numbers of the list are not kept."""

    scope_roles = frozenset({Role.COMMUNE_OFFICER, Role.CLERK})

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    run = models.OneToOneField(PrintRun, models.SET_NULL, null=True, related_name="card_list")
    by = models.BigIntegerField(null=True, help_text="account")
    household = models.PositiveIntegerField(
        default=0, help_text="people added as members of the same household"
    )

    class Meta(Counted.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class CardRow(Waiting):
    """A row of a list for which no card was ordered, until an officer has dealt with it."""

    scope_roles = CardList.scope_roles

    intake = models.ForeignKey(CardList, models.CASCADE, related_name="held_rows")

    class Meta(Waiting.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.intake_id}/{self.line}"


class PlaceCoverage(Scoped):
    """Scans and stays of one place on one Vietnamese day: counts only, kept after the scans are forgotten."""

    scope_roles = KEEPERS | {Role.GUARD, Role.TRACER, Role.LEADER}

    place = models.ForeignKey(Place, models.PROTECT, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    day = models.DateField()
    scans = models.IntegerField(default=0)
    stays = models.IntegerField(default=0, help_text="from scans, begun on that day and over")
    exits = models.IntegerField(default=0, help_text="of these, with an exit that was scanned")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["day", "place"], name="place_coverage_once"),
            models.CheckConstraint(
                condition=Q(exits__lte=F("stays"), exits__gte=0, scans__gte=0), name="place_coverage_counts"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["place", "-day"], name="place_coverage_place")]

    def __str__(self) -> str:
        return f"{self.place_id} {self.day}"


class CommuneCoverage(Scoped):
    """How alive the scanning of a commune was on a Vietnamese day, in counts."""

    scope_roles = PlaceCoverage.scope_roles

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    day = models.DateField()
    open_places = models.IntegerField(help_text="homes left out")
    active_places = models.IntegerField(help_text="of these, with a scan")
    scans = models.IntegerField(default=0)
    stays = models.IntegerField(default=0)
    exits = models.IntegerField(default=0)
    devices = models.IntegerField(default=0, help_text="in use")
    silent_devices = models.IntegerField(default=0, help_text="of these, that sent nothing on that day")
    behind_devices = models.IntegerField(
        default=0, help_text="of these, that said they hold scans they have not sent"
    )
    counted_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["day", "unit"], name="commune_coverage_once"),
            models.CheckConstraint(
                condition=Q(active_places__lte=F("open_places")), name="commune_coverage_counts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.day}"


class SilentNotice(Scoped):
    """That the owner of a silent place was written to, by whose word; nobody twice within the days of the rule."""

    scope_unit = "place__unit"
    scope_roles = KEEPERS

    place = models.ForeignKey(Place, models.PROTECT, related_name="+")
    phone_hash = models.CharField(max_length=32, help_text="keyed; two places of one owner are one owner")
    silent_since = models.DateField(help_text="last day with a scan, or the day the place opened")
    asked_at = models.DateTimeField()
    asked_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["place", "-asked_at"], name="silent_notice_place"),
            models.Index(fields=["phone_hash", "-asked_at"], name="silent_notice_phone"),
        ]

    def __str__(self) -> str:
        return f"{self.place_id} {self.asked_at:%Y-%m-%d}"
