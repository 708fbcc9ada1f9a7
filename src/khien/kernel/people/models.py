"""People, their documents, phones, homes and households; merges that can be undone."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q, Value

from khien.kernel.language import fold, sort_key
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit


class Sex(models.TextChoices):
    MALE = "m", "Nam"
    FEMALE = "f", "Nữ"
    UNKNOWN = "", "Chưa rõ"


class Household(Scoped):
    """People who live behind one door."""

    scope_roles = frozenset({Role.TRACER, Role.COMMUNE_OFFICER, Role.SAMPLER, Role.VACCINATOR, Role.CLERK})

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    address = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.address or f"#{self.pk}"


class Person(Scoped):
    """A human being in the ledger. `unit` is the commune of residence now; history is in `Residence`.

    A merged person stays as a signpost (`merged_into`) so that old references can be followed and
    the merge undone.
    """

    scope_person = ""
    scope_roles = frozenset(
        {
            Role.TRACER,
            Role.COMMUNE_OFFICER,
            Role.SAMPLER,
            Role.LABORATORY,
            Role.VACCINATOR,
            Role.CLERK,
        }
    )

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    full_name = models.CharField(max_length=120)
    name_folded = models.CharField(max_length=120, editable=False)
    name_sort = models.CharField(max_length=260, editable=False)
    sex = models.CharField(max_length=1, choices=Sex.choices, default=Sex.UNKNOWN, blank=True)
    birth_date = models.DateField(null=True, help_text="null when only the year is known")
    birth_year = models.SmallIntegerField(null=True)
    nationality = models.CharField(max_length=2, default="VN", help_text="ISO 3166-1 alpha-2")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="residents")
    address = models.CharField(max_length=200, blank=True)
    household = models.ForeignKey(Household, models.SET_NULL, null=True, related_name="members")
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="merged_from")
    source = models.CharField(
        max_length=40, blank=True, help_text="how the record came: desk, import, scan …"
    )
    created_at = models.DateTimeField()
    search_tokens = ArrayField(
        models.CharField(max_length=40),
        default=list,
        editable=False,
        help_text="folded words of the name, y<birth year>, u<each unit up to the country>; empty once merged",
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(birth_date__isnull=True) | Q(birth_year=F("birth_date__year")),
                name="person_birth_year",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("pk")), name="person_not_into_itself"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["unit"], name="person_unit"),
            models.Index(
                fields=["name_folded"], opclasses=["varchar_pattern_ops"], name="person_name_prefix"
            ),
            GinIndex(fields=["search_tokens"], name="person_tokens", fastupdate=False),
            models.Index(fields=["household"], name="person_household"),
        ]

    def __str__(self) -> str:
        return self.full_name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.prepare()
        super().save(*args, **kwargs)
        remember_words(self.name_folded.split())

    def prepare(self) -> Person:
        """Set what follows from the other columns; bulk loads call it themselves."""
        self.full_name = " ".join(unicodedata.normalize("NFC", self.full_name).split())
        self.name_folded = fold(self.full_name)
        self.name_sort = sort_key(self.full_name)
        if self.birth_date is not None:
            self.birth_year = self.birth_date.year
        self.search_tokens = []
        if self.merged_into_id is None:
            path = self.unit.path if self.unit is not None else ""
            self.search_tokens = [
                *dict.fromkeys(self.name_folded.split()),
                *([f"y{self.birth_year}"] if self.birth_year else []),
                *(f"u{pk}" for pk in path.split(".") if pk),
            ]
        return self


class NameWord(models.Model):
    """Every folded word that stands in some name: what an unfinished word may become (a few thousand rows)."""

    word = models.CharField(max_length=40, primary_key=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["word"], opclasses=["varchar_pattern_ops"], name="name_word_prefix")
        ]

    def __str__(self) -> str:
        return self.word


def remember_words(words: Iterable[str]) -> None:
    """Add the words of names that are new to the vocabulary."""
    wanted = set(words)
    known = set(NameWord.objects.filter(word__in=wanted).values_list("word", flat=True))
    NameWord.objects.bulk_create([NameWord(word=w) for w in sorted(wanted - known)], ignore_conflicts=True)


class DocumentKind(models.TextChoices):
    CCCD = "cccd", "Căn cước công dân"
    CMND = "cmnd", "CMND cũ"
    PASSPORT = "passport", "Hộ chiếu"
    INSURANCE = "insurance", "Thẻ bảo hiểm y tế"


class IdentityDocument(models.Model):
    """A number by which a person is known: keyed hash to find it, ciphertext to show it to who may see it.

    `last4` lets a clerk compare with the card in front of them without opening the number.
    """

    person = models.ForeignKey(Person, models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=10, choices=DocumentKind.choices)
    number_hash = models.CharField(max_length=64, help_text="HMAC-SHA-256 of the normalised number, hex")
    hash_key_id = models.CharField(max_length=16)
    ciphertext = models.BinaryField()
    cipher_key_id = models.CharField(max_length=16)
    last4 = models.CharField(max_length=4)
    issued_on = models.DateField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "number_hash"], name="document_number_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["person"], name="document_person"),
            models.Index(fields=["number_hash"], name="document_hash"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} …{self.last4}"


class Phone(models.Model):
    """A number in E.164; several people may share one phone."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="phones")
    number = models.CharField(max_length=16)
    is_main = models.BooleanField(default=True)
    verified_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person", "number"], name="phone_once_a_person"),
        ]
        indexes: ClassVar = [models.Index(fields=["number"], name="phone_number")]

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"


class Residence(models.Model):
    """Where a person lived from one day to another."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="residences")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    address = models.CharField(max_length=200, blank=True)
    during = DateRangeField()

    class Meta:
        constraints: ClassVar = [
            ExclusionConstraint(
                name="residence_one_a_day",
                expressions=[
                    (
                        Func(F("person_id"), F("person_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    ("during", RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id}: {self.unit}"


class DuplicateProposal(models.Model):
    """Two records that look like one person: software proposes, a named person decides."""

    class State(models.TextChoices):
        OPEN = "open", "chờ xem"
        MERGED = "merged", "đã gộp"
        DIFFERENT = "different", "hai người khác nhau"

    first = models.ForeignKey(Person, models.CASCADE, related_name="+")
    second = models.ForeignKey(Person, models.CASCADE, related_name="+")
    score = models.FloatField(help_text="0 to 1")
    reasons = ArrayField(models.CharField(max_length=60))
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    proposed_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["first", "second"], name="duplicate_pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="duplicate_pair_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} ~ {self.second_id}"

    @property
    def pair(self) -> tuple[Person, Person]:
        return self.first, self.second


class Merge(models.Model):
    """That `gone` was merged into `kept`, and what moved, so that it can be undone."""

    kept = models.ForeignKey(Person, models.PROTECT, related_name="+")
    gone = models.ForeignKey(Person, models.PROTECT, related_name="+")
    moved = models.JSONField(help_text='{"app.model.field": [row ids]} of what moved from gone to kept')
    merged_at = models.DateTimeField()
    merged_by = models.BigIntegerField(null=True, help_text="account")
    undone_at = models.DateTimeField(null=True)
    undone_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gone"], condition=Q(undone_at__isnull=True), name="merge_standing_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gone_id} → {self.kept_id}"
