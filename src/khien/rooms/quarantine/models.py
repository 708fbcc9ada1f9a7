"""Orders, why they were issued, what changed in them, the daily follow-ups and the alarms."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit


class OrderSeries(models.Model):
    """The last number given out in a year: one row a year, locked while orders are numbered."""

    year = models.SmallIntegerField(primary_key=True)
    last = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.year}: {self.last}"


class Order(Scoped):
    """One person told to stay at home, at a site or in isolation during [starts_at, ends_at).

    The rule of the day of issue is kept with it (`rule`), so that an old order explains itself. An order
    is never deleted while it counts: it ends, or it is cancelled with a reason.
    """

    scope_person = "person"
    scope_roles = frozenset({Role.TRACER, Role.COMMUNE_OFFICER})

    class Kind(models.TextChoices):
        HOME = "home", _("cách ly tại nhà")
        SITE = "site", _("cách ly tập trung")
        ISOLATION = "isolation", _("cách ly ca bệnh")
        WATCH = "watch", _("tự theo dõi sức khỏe")

    class State(models.TextChoices):
        PROPOSED = "proposed", _("chờ ký")
        ISSUED = "issued", _("đang thi hành")
        ENDED = "ended", _("đã kết thúc")
        CANCELLED = "cancelled", _("đã hủy")

    number = models.CharField(
        max_length=24, unique=True, null=True, help_text="given at signing, e.g. 17/2022/QĐ-CLYT"
    )
    person = models.ForeignKey(Person, models.PROTECT, related_name="orders")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    address = models.CharField(max_length=200, blank=True, help_text="where the person stays")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    degree = models.SmallIntegerField(help_text="0 for a case (F0), 1 for F1, 2 for F2 …")
    case_id = models.BigIntegerField(null=True, help_text="tracing.case for which it was issued first")
    counted_from = models.DateTimeField(help_text="last exposure, or the sample of a case")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    watch_until = models.DateField(null=True, help_text="last day of looking after one's own health")
    site = models.ForeignKey(Place, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices)
    rule = models.JSONField(help_text="key, decision, summary and value of the rule that gave the dates")
    legal_basis = ArrayField(models.CharField(max_length=400))
    created_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True)
    signed_by = models.BigIntegerField(null=True, help_text="account")
    signed_by_name = models.CharField(max_length=120, blank=True)
    closed_at = models.DateTimeField(null=True, help_text="when it ended or was cancelled")
    wrong_birth_years = models.SmallIntegerField(default=0, help_text="wrong answers on the link's page")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="order_ends_after_start"),
            models.CheckConstraint(
                condition=~Q(state__in=["issued", "ended"])
                | Q(number__isnull=False, signed_at__isnull=False),
                name="order_in_force_is_signed",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["ended", "cancelled"], closed_at__isnull=False)
                | (~Q(state__in=["ended", "cancelled"]) & Q(closed_at__isnull=True)),
                name="order_closed_at",
            ),
            # Two officers at once must not put one person under two orders.
            ExclusionConstraint(
                name="order_one_at_a_time",
                expressions=[
                    (
                        Func(F("person_id"), F("person_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func(F("starts_at"), F("ends_at"), function="tstzrange"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(state="issued"),
            ),
            models.UniqueConstraint(
                fields=["person"], condition=Q(state="proposed"), name="order_one_proposal_a_person"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["person"], name="order_person"),
            models.Index(fields=["unit", "state"], name="order_unit_state"),
            models.Index(fields=["case_id"], name="order_case"),
            models.Index(fields=["ends_at"], condition=Q(state="issued"), name="order_running_ends"),
        ]

    def __str__(self) -> str:
        return self.number or f"(dự thảo {self.pk})"

    @property
    def colour(self) -> str:
        """The card colour while the order holds; grey when it does not."""
        if self.state != self.State.ISSUED:
            return "grey"
        return {"home": "orange", "watch": "yellow"}.get(self.kind, "red")


class OrderGround(models.Model):
    """Why a person is (or is not) under order because of one case: each case and person stands once.

    A replayed list finds its own grounds and changes nothing.
    """

    class Outcome(models.TextChoices):
        ISSUED = "issued", _("ra quyết định mới")
        EXTENDED = "extended", _("gia hạn quyết định đang có")
        COVERED = "covered", _("quyết định đang có đã bao trùm")
        PAST = "past", _("đã quá thời hạn, không ra quyết định")
        PROPOSED = "proposed", _("dự thảo, chờ ký")
        HELD = "held", _("giữ lại, cần cán bộ xem")

    order = models.ForeignKey(Order, models.CASCADE, null=True, related_name="grounds")
    person = models.ForeignKey(Person, models.PROTECT, related_name="order_grounds")
    case_id = models.BigIntegerField(help_text="tracing.case")
    degree = models.SmallIntegerField()
    counted_from = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    explanation = models.CharField(max_length=300)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case_id", "person"], name="ground_case_person_once"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.outcome}"


class OrderChange(models.Model):
    """One change of an order: what the end was, what it became, why and by whom."""

    class Kind(models.TextChoices):
        SIGNED = "signed", _("ký ban hành")
        EXTENDED = "extended", _("gia hạn")
        ENDED_EARLY = "ended_early", _("kết thúc sớm")
        ENDED = "ended", _("hết thời hạn")
        REPLACED = "replaced", _("thay bằng quyết định khác")
        CANCELLED = "cancelled", _("hủy")
        MOVED = "moved", _("đổi nơi cách ly")

    order = models.ForeignKey(Order, models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    previous_end = models.DateTimeField()
    new_end = models.DateTimeField()
    reason = models.CharField(max_length=300)
    by = models.BigIntegerField(null=True, help_text="account; null for the system")
    by_name = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["order", "at"], name="order_change_order")]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.kind}"


class Symptom(models.TextChoices):
    """What a person under order is asked about each day."""

    FEVER = "fever", _("Sốt hoặc ớn lạnh")
    COUGH = "cough", _("Ho")
    SORE_THROAT = "sore_throat", _("Đau họng")
    BREATHLESS = "breathless", _("Khó thở")
    TIRED = "tired", _("Mệt mỏi, đau người")
    TASTE = "taste", _("Mất vị giác hoặc khứu giác")
    DIARRHOEA = "diarrhoea", _("Tiêu chảy")


class FollowUp(Scoped):
    """One day of one order: due, then answered by the person or by the commune officer."""

    scope_unit = "order__unit"
    scope_person = "order__person"
    scope_roles = frozenset({Role.TRACER, Role.COMMUNE_OFFICER})

    class State(models.TextChoices):
        DUE = "due", _("chưa báo")
        DONE = "done", _("đã báo")
        UNREACHABLE = "unreachable", _("không liên lạc được")
        MISSED = "missed", _("bỏ lỡ")
        NOT_NEEDED = "not_needed", _("không cần nữa")

    class Channel(models.TextChoices):
        PAGE = "page", _("trang của người dân")
        PHONE = "phone", _("gọi điện")
        VISIT = "visit", _("đến nhà")

    order = models.ForeignKey(Order, models.CASCADE, related_name="follow_ups")
    due_on = models.DateField(help_text="Vietnamese day")
    state = models.CharField(max_length=12, choices=State.choices, default=State.DUE)
    test_due = models.BooleanField(default=False, help_text="a sample is to be taken that day by the rule")
    temperature = models.DecimalField(max_digits=3, decimal_places=1, null=True, help_text="°C")
    symptoms = ArrayField(models.CharField(max_length=12, choices=Symptom.choices), default=list)
    notes = models.CharField(max_length=500, blank=True)
    channel = models.CharField(max_length=8, choices=Channel.choices, blank=True)
    recorded_at = models.DateTimeField(null=True)
    recorded_by = models.BigIntegerField(null=True, help_text="account; null when the person answered")
    recorded_by_name = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "due_on"], name="follow_up_once_a_day"),
            models.CheckConstraint(
                condition=Q(temperature__isnull=True) | Q(temperature__gte=34, temperature__lte=43),
                name="follow_up_temperature",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(recorded_at__isnull=False), name="follow_up_done_recorded"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_on", "order"], name="follow_up_day"),
            models.Index(fields=["due_on"], condition=Q(state="due"), name="follow_up_unanswered"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} · {self.due_on}"

    @property
    def symptom_labels(self) -> list[str]:
        """The reported symptoms in the reader's language."""
        return [str(Symptom(code).label) for code in self.symptoms]


class Alarm(Scoped):
    """Something about an order that a person must look at. It proposes; a named officer decides.

    One alarm of a kind is open at a time for an order: what happens again is added to its evidence.
    """

    scope_unit = "order__unit"
    scope_roles = frozenset({Role.TRACER, Role.COMMUNE_OFFICER})

    class Kind(models.TextChoices):
        SCANNED_OUTSIDE = "scanned_outside", _("quét mã ở nơi khác")
        SYMPTOMS = "symptoms", _("có triệu chứng")
        MISSED_FOLLOW_UP = "missed_follow_up", _("không báo sức khỏe")

    class Outcome(models.TextChoices):
        JUSTIFIED = "justified", _("có lý do chính đáng")
        MISTAKE = "mistake", _("nhầm người hoặc nhầm lượt quét")
        REMINDED = "reminded", _("đã nhắc nhở")
        CARE = "care", _("đã đưa đi khám, lấy mẫu")
        REFERRED = "referred", _("chuyển cơ quan có thẩm quyền xem xét")

    order = models.ForeignKey(Order, models.CASCADE, related_name="alarms")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    evidence = models.JSONField(default=list, help_text="what was seen, oldest first: ids and times")
    times = models.IntegerField(default=1, help_text="how often it happened, also beyond the evidence kept")
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True)
    outcome_note = models.CharField(max_length=500, blank=True)
    handled_at = models.DateTimeField(null=True)
    handled_by = models.BigIntegerField(null=True, help_text="account")
    handled_by_name = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order", "kind"], condition=Q(handled_at__isnull=True), name="alarm_one_open"
            ),
            models.CheckConstraint(
                condition=Q(handled_at__isnull=True, outcome="")
                | (Q(handled_at__isnull=False) & ~Q(outcome="") & ~Q(handled_by_name="")),
                name="alarm_handled_by_somebody",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["handled_at", "raised_at"], name="alarm_open")]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.kind}"
