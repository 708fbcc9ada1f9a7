"""Forms by version, declarations made under them, what they ask of officers, risk areas, sheets of companies."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from khien.kernel.forms import spec
from khien.kernel.intakes.models import Counted, Waiting
from khien.kernel.people.models import Person
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

OFFICERS = frozenset({Role.COMMUNE_OFFICER, Role.TRACER})
"""Who reads declarations of their units and settles what they ask."""
HELPERS = frozenset({Role.COMMUNE_OFFICER, Role.TRACER, Role.CLERK, Role.SAMPLER})
"""Who fills a declaration in for somebody, from a paper or from a sheet."""
AREA_KEEPERS = frozenset({Role.COMMUNICATION_OFFICER, Role.COMMUNE_OFFICER, Role.ADMINISTRATOR})


class Kind(models.TextChoices):
    HEALTH = "health", _("Khai báo y tế")
    MOVEMENT = "movement", _("Khai báo di chuyển")


class Form(models.Model):
    """One version of a form. Once somebody has declared under it, a trigger of the database keeps its text as it is."""

    key = models.CharField(max_length=20, choices=Kind.choices)
    version = models.SmallIntegerField()
    title = models.CharField(max_length=120)
    title_en = models.CharField(max_length=120)
    document = models.TextField(help_text='JSON text {"schema": …, "ui": …}; see kernel/forms')
    during = DateRangeField(help_text="[in use from, no longer in use)")
    decision = models.CharField(max_length=120)
    source = models.CharField(max_length=300)
    to_confirm = models.BooleanField(default=True)
    frozen_at = models.DateTimeField(null=True, help_text="when it was first used")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "version"], name="declaration_form_version")
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.version}"

    @property
    def name(self) -> str:
        return self.title_en if (get_language() or "vi").startswith("en") else self.title

    @property
    def spec(self) -> spec.Spec:
        return spec.cached(self.pk, self.document)


class Company(Scoped):
    """An employer, a coach company … that sends sheets by a secret address of its own."""

    scope_roles = HELPERS

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    phone = models.CharField(max_length=16, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    made_by = models.BigIntegerField(null=True, help_text="account")
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Intake(Counted, Scoped):
    """One sheet that came in: `received = stored + duplicate + held`."""

    scope_roles = HELPERS

    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="+")
    company = models.ForeignKey(Company, models.SET_NULL, null=True, related_name="intakes")
    by = models.BigIntegerField(null=True, help_text="account; null for a company or the system")

    class Meta(Counted.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class Declaration(Scoped):
    """What one person declared at one moment. `unit` is the commune of the stay: its officers answer.

    `content` is the answer under `form` without the identity number, which is sealed. Of a family or a bus each person
    has a declaration; those of the others hang on the declarer's (`parent`) and repeat what is common.
    """

    class Channel(models.TextChoices):
        PUBLIC = "public", _("Tự khai, không tài khoản")
        RESIDENT = "resident", _("Tự khai, đã đăng nhập")
        FAMILY = "family", _("Người khác khai thay")
        HELPER = "helper", _("Cán bộ khai giúp")
        PAPER = "paper", _("Tờ giấy, nhập sau")
        SHEET = "sheet", _("Bảng của cơ quan")

    class Match(models.TextChoices):
        LINKED = "linked", _("Đã khớp với hồ sơ")
        REGISTERED = "registered", _("Lập hồ sơ mới")
        HELD = "held", _("Chờ cán bộ đối chiếu")

    scope_person = "person"
    scope_roles = OFFICERS

    client_id = models.UUIDField(unique=True, help_text="made where it was filled in: sent again it is one")
    code = models.CharField(max_length=12, unique=True)
    form = models.ForeignKey(Form, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    declared_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="companions")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    full_name = models.CharField(max_length=120)
    birth_year = models.SmallIntegerField()
    phone = models.CharField(max_length=16, help_text="E.164")
    number_kind = models.CharField(max_length=10, blank=True)
    number_last4 = models.CharField(max_length=4, blank=True)
    number_sealed = models.CharField(max_length=200, blank=True)
    content = models.JSONField()
    channel = models.CharField(max_length=10, choices=Channel.choices)
    helper_name = models.CharField(max_length=120, blank=True, help_text="who filled it in for somebody else")
    entered_by = models.BigIntegerField(
        null=True, help_text="account of the member of staff who filled it in"
    )
    declared_at = models.DateTimeField()
    received_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    match = models.CharField(max_length=10, choices=Match.choices)
    held_reason = models.CharField(max_length=30, blank=True)
    attention = ArrayField(models.CharField(max_length=20), default=list)
    intake = models.ForeignKey(Intake, models.SET_NULL, null=True, related_name="declarations")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(match="held", person__isnull=True) | (~Q(match="held") & Q(person__isnull=False)),
                name="declaration_held_or_linked",
            ),
            models.CheckConstraint(
                condition=Q(valid_until__gt=F("declared_at")), name="declaration_valid_for_a_while"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["person", "-declared_at"], name="declaration_person"),
            models.Index(fields=["unit", "-received_at"], name="declaration_unit"),
            models.Index(fields=["received_at"], name="declaration_received"),
            models.Index(fields=["unit"], condition=Q(match="held"), name="declaration_held"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Task(Scoped):
    """That an officer is to look at a declaration. Until it is settled the person's card says so (`colour`)."""

    class State(models.TextChoices):
        OPEN = "open", _("Chờ xử lý")
        SETTLED = "settled", _("Đã xử lý")

    class Outcome(models.TextChoices):
        WELL = "well", _("Đã hỏi, không có gì")
        SAMPLED = "sampled", _("Đã lấy mẫu hoặc hẹn lấy mẫu")
        WATCHED = "watched", _("Đã hướng dẫn tự theo dõi")
        REFERRED = "referred", _("Đã chuyển khám, cấp cứu")
        MISTAKE = "mistake", _("Khai nhầm")
        UNREACHED = "unreached", _("Không liên lạc được")

    scope_person = "person"
    scope_roles = OFFICERS

    declaration = models.OneToOneField(Declaration, models.CASCADE, related_name="task")
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    reasons = ArrayField(models.CharField(max_length=20))
    colour = models.CharField(max_length=8)
    sentence = models.CharField(max_length=200)
    sample = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    note = models.CharField(max_length=400, blank=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="open", settled_at__isnull=True, outcome="")
                | (Q(state="settled", settled_at__isnull=False) & ~Q(outcome="")),
                name="declaration_task_settled",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["unit", "opened_at"], condition=Q(state="open"), name="declaration_task_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.declaration_id}: {', '.join(self.reasons)}"


class RiskArea(Scoped):
    """That a unit, with everything in it, was at a level of risk from one day to another, by whose decision."""

    class Level(models.TextChoices):
        RED = "red", _("Đỏ")
        ORANGE = "orange", _("Cam")
        YELLOW = "yellow", _("Vàng")

    scope_roles = frozenset(Role.values)

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    level = models.CharField(max_length=8, choices=Level.choices)
    during = DateRangeField(help_text="[first day, first day after)")
    decision = models.CharField(max_length=120)
    note = models.CharField(max_length=300, blank=True)
    entered_at = models.DateTimeField()
    entered_by = models.BigIntegerField(null=True, help_text="account")
    ended_by = models.BigIntegerField(null=True, help_text="account")
    end_decision = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints: ClassVar = [
            ExclusionConstraint(
                name="risk_area_one_level_a_day",
                expressions=[
                    (
                        Func(F("unit_id"), F("unit_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    ("during", RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.unit}: {self.level}"


class HeldRow(Waiting):
    """A row of a sheet that could not be taken, until somebody mends or drops it. The identity number that the row also
    had is not kept."""

    scope_roles = HELPERS

    intake = models.ForeignKey(Intake, models.CASCADE, related_name="held_rows")

    class Meta(Waiting.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.intake_id}/{self.line}"


Content = dict[str, Any]
