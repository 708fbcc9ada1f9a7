"""Cases, whom they met and who may have infected them, with the evidence and the rules of the day."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.intakes.models import Counted
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.rules.models import Rule
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

TRACERS = frozenset({Role.TRACER, Role.COMMUNE_OFFICER})
"""Who sees cases and contacts of their units. A leader sees counts only."""


class Outbreak(Scoped):
    """Cases that belong together: a cluster in the field, or a line list taken in."""

    scope_roles = TRACERS

    name = models.CharField(max_length=120)
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    note = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "name"], name="outbreak_name_once_a_unit")
        ]

    def __str__(self) -> str:
        return self.name


class Case(Scoped):
    """One illness of one person (F0 when confirmed). `unit` is the commune that follows it up.

    The infectious window is [`infectious_from`, `infectious_until`), by `window_rule`; without a rule for
    the day of the case all three are null.
    """

    class Classification(models.TextChoices):
        CONFIRMED = "confirmed", _("Xác định (F0)")
        PROBABLE = "probable", _("Có thể")
        SUSPECTED = "suspected", _("Nghi ngờ")
        NOT_A_CASE = "not_a_case", _("Không phải ca bệnh")

    class Status(models.TextChoices):
        OPEN = "open", _("Đang xử lý")
        CLOSED = "closed", _("Đã đóng")

    scope_person = "person"
    scope_roles = TRACERS

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    outbreak = models.ForeignKey(Outbreak, models.PROTECT, null=True, related_name="cases")
    registered_number = models.CharField(
        max_length=40, blank=True, help_text="number of the case in the line list"
    )
    classification = models.CharField(
        max_length=12, choices=Classification.choices, default=Classification.CONFIRMED
    )
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    onset_on = models.DateField(null=True, help_text="first symptom, Vietnamese day; null: none or unknown")
    symptoms = models.CharField(max_length=300, blank=True)
    sampled_at = models.DateTimeField(null=True)
    resulted_at = models.DateTimeField(null=True)
    isolated_at = models.DateTimeField(null=True)
    infectious_from = models.DateTimeField(null=True)
    infectious_until = models.DateTimeField(null=True)
    window_rule = models.ForeignKey(Rule, models.PROTECT, null=True, related_name="+")
    source_case = models.ForeignKey("self", models.SET_NULL, null=True, related_name="infected")
    result_id = models.BigIntegerField(
        null=True, unique=True, help_text="testing.Result that opened the case"
    )
    age = models.SmallIntegerField(null=True, help_text="years, as in a line list; else by the person")
    details = models.JSONField(default=dict, help_text="further columns of a line list, as they came")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closing_note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False)
                | Q(status="open", closed_at__isnull=True),
                name="case_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(infectious_from__isnull=True) | Q(infectious_until__gt=F("infectious_from")),
                name="case_window_in_order",
            ),
            models.CheckConstraint(
                condition=Q(source_case__isnull=True) | ~Q(source_case=F("pk")), name="case_not_of_itself"
            ),
            models.UniqueConstraint(
                fields=["person"], condition=Q(status="open"), name="case_open_once_a_person"
            ),
            models.UniqueConstraint(
                fields=["outbreak", "registered_number"],
                condition=~Q(registered_number=""),
                name="case_number_once_an_outbreak",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["unit", "-opened_at"], name="case_unit"),
            models.Index(fields=["person"], name="case_person"),
            models.Index(fields=["-opened_at"], name="case_opened"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """How people call the case: its number in the line list, else ours."""
        return self.registered_number or f"BN{self.pk}"


class Landmark(models.Model):
    """A mốc dịch tễ: where the case was, by interview. One with a `place` counts as a stay there."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="landmarks")
    place = models.ForeignKey(Place, models.PROTECT, null=True, related_name="+")
    text = models.CharField(max_length=200, blank=True)
    start = models.DateTimeField()
    end = models.DateTimeField()
    masked = models.BooleanField(null=True, help_text="the case wore a mask there; null when not known")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="landmark_in_order"),
            models.CheckConstraint(
                condition=Q(place__isnull=False) | ~Q(text=""), name="landmark_says_where"
            ),
        ]
        ordering: ClassVar = ["start", "id"]

    def __str__(self) -> str:
        return self.text or str(self.place)


class HandContact(models.Model):
    """Somebody whom the case named in the interview."""

    class Kind(models.TextChoices):
        BODY = "body", _("Tiếp xúc cơ thể trực tiếp")
        CARE = "care", _("Chăm sóc, khám, điều trị")
        NEAR = "near", _("Trong vòng 2 m hoặc cùng phòng kín")

    case = models.ForeignKey(Case, models.CASCADE, related_name="hand_contacts")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    relation = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    day = models.DateField()
    minutes = models.PositiveSmallIntegerField()
    closed_space = models.BooleanField(null=True)
    masked = models.BooleanField(null=True, help_text="both wore masks; null when not known")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "person", "day", "kind"], name="hand_contact_once"),
            models.CheckConstraint(condition=Q(minutes__lte=1440), name="hand_contact_within_a_day"),
        ]
        ordering: ClassVar = ["day", "id"]

    def __str__(self) -> str:
        return f"{self.person_id} · {self.day}"


class ContactList(models.Model):
    """One run of the search for contacts: by which rules, which engine, over what data. Never changed."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="lists")
    version = models.PositiveSmallIntegerField()
    listed_at = models.DateTimeField()
    listed_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    window_from = models.DateTimeField()
    window_until = models.DateTimeField(help_text="end of the presence looked at: the window's, or now")
    rules = models.JSONField(
        help_text="{key: {id, decision, summary, to_confirm}} in force on the case's day"
    )
    engine_version = models.CharField(max_length=40)
    coverage = models.JSONField(help_text="numbers by name, see `finding.coverage`")
    counts = models.JSONField(help_text="f1, f2, f2_found, other, other_found, sources")
    took_ms = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "version"], name="contact_list_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.case_id} · {self.version}"


class TracedContact(Scoped):
    """Somebody who may have been infected by the case. `clause` names the legal ground (F1 or F2); without
    one the row is an exposure that the law does not name, ranked by expected risk alone.

    A relisting renews what is still proposed; what was decided keeps the evidence it was decided on.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", _("Chờ duyệt")
        APPROVED = "approved", _("Đã duyệt")
        REJECTED = "rejected", _("Đã loại")
        WITHDRAWN = "withdrawn", _("Không còn trong danh sách")

    scope_unit = "case__unit"
    scope_roles = TRACERS

    case = models.ForeignKey(Case, models.CASCADE, related_name="contacts")
    contact_list = models.ForeignKey(ContactList, models.PROTECT, related_name="contacts")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    degree = models.PositiveSmallIntegerField()
    clause = models.CharField(max_length=20, blank=True, help_text="code in the rule; empty: no legal ground")
    clause_text = models.CharField(max_length=300, blank=True)
    score = models.FloatField(help_text="expected probability of infection, 0 to 1")
    minutes = models.FloatField(help_text="together, summed over the encounters that count")
    longest_minutes = models.FloatField()
    encounters = models.PositiveIntegerField()
    first_exposure = models.DateTimeField()
    last_exposure = models.DateTimeField()
    from_person = models.ForeignKey(Person, models.PROTECT, related_name="+", help_text="whom they met")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.BigIntegerField(null=True, help_text="account")
    reason = models.CharField(max_length=300, blank=True, help_text="why rejected")
    converted_case = models.ForeignKey(Case, models.SET_NULL, null=True, related_name="was_contact")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "person"], name="contact_once_a_case"),
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=1), name="contact_score"),
            models.CheckConstraint(
                condition=~Q(state="rejected", degree=1) | Q(clause="") | ~Q(reason=""),
                name="legal_contact_dropped_with_reason",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["case", "degree", "-score"], name="contact_of_case"),
            models.Index(fields=["person"], name="contact_person"),
        ]

    def __str__(self) -> str:
        return f"F{self.degree} {self.person_id} ← {self.case_id}"

    @property
    def is_legal_f1(self) -> bool:
        """Named by the law as a close contact: may not be left out without a reason."""
        return self.degree == 1 and bool(self.clause)


class Exposure(models.Model):
    """Why a contact is on the list: one meeting, with where, when, how long and by which clause."""

    class Kind(models.TextChoices):
        PRESENCE = "presence", _("Lượt vào/ra")
        HAND = "hand", _("Phỏng vấn")
        HOUSEHOLD = "household", _("Cùng nhà")
        PAIR = "pair", _("Ở gần nhau")

    contact = models.ForeignKey(TracedContact, models.CASCADE, related_name="exposures")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    place = models.ForeignKey(Place, models.PROTECT, null=True, related_name="+")
    start = models.DateTimeField()
    end = models.DateTimeField()
    minutes = models.FloatField()
    clause = models.CharField(max_length=20, blank=True)
    mask = models.CharField(max_length=8, blank=True, help_text="masked, unmasked, or empty: not known")
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["contact"], name="exposure_contact")]

    def __str__(self) -> str:
        return f"{self.kind} {self.minutes:.0f}"


class SourceProposal(models.Model):
    """Somebody who may have infected the case: found backward, named in a line list, or linked by a tracer."""

    class State(models.TextChoices):
        PROPOSED = "proposed", _("Đề xuất")
        LINKED = "linked", _("Nguồn lây")
        REJECTED = "rejected", _("Đã loại")

    class How(models.TextChoices):
        PRESENCE = "presence", _("Cùng nơi trong thời gian ủ bệnh")
        CONTACT = "contact", _("Là người tiếp xúc của ca trước")
        IMPORT = "import", _("Theo danh sách ca nhập vào")
        TRACER = "tracer", _("Cán bộ truy vết xác định")

    case = models.ForeignKey(Case, models.CASCADE, related_name="sources")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    source_case = models.ForeignKey(Case, models.CASCADE, null=True, related_name="source_of")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PROPOSED)
    how = models.CharField(max_length=8, choices=How.choices)
    minutes = models.FloatField(null=True)
    encounters = models.PositiveIntegerField(null=True)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    place = models.ForeignKey(Place, models.PROTECT, null=True, related_name="+")
    exposure = models.CharField(max_length=120, blank=True)
    proposed_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "person"], name="source_once_a_case"),
            models.CheckConstraint(
                condition=Q(source_case__isnull=True) | ~Q(source_case=F("case")), name="source_not_itself"
            ),
            models.CheckConstraint(
                condition=~Q(state="linked") | Q(source_case__isnull=False), name="linked_source_is_a_case"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} → {self.case_id}"


class CaseStep(models.Model):
    """When a step of the case was done: the clock of the case."""

    class Step(models.TextChoices):
        SAMPLED = "sampled", _("Lấy mẫu")
        RESULT = "result", _("Có kết quả")
        OPENED = "opened", _("Mở hồ sơ")
        LISTED = "listed", _("Lập danh sách")
        APPROVED = "approved", _("Duyệt danh sách")
        ORDERED = "ordered", _("Ra quyết định")
        TOLD = "told", _("Báo cho người dân")
        FOLLOWED = "followed", _("Theo dõi")

    case = models.ForeignKey(Case, models.CASCADE, related_name="steps")
    step = models.CharField(max_length=8, choices=Step.choices)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["case", "step"], name="step_once_a_case")]
        indexes: ClassVar = [models.Index(fields=["step", "at"], name="step_at")]

    def __str__(self) -> str:
        return f"{self.case_id} {self.step}"


class HeldResult(Scoped):
    """A positive result that opened no case because the person's case is closed: somebody has to look."""

    scope_person = "person"
    scope_roles = TRACERS

    result_id = models.BigIntegerField(unique=True, help_text="testing.Result")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    case = models.ForeignKey(Case, models.CASCADE, related_name="held_results")
    sampled_at = models.DateTimeField()
    resulted_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    held_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.BigIntegerField(null=True, help_text="account")

    def __str__(self) -> str:
        return f"{self.result_id}: {self.reason}"


class LineListImport(Counted, Scoped):
    """One line list taken in: received = stored + duplicate + held, for its cases and for its links."""

    scope_roles = TRACERS

    outbreak = models.ForeignKey(Outbreak, models.PROTECT, related_name="imports")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    encoding = models.CharField(max_length=20)
    mapping = models.JSONField(help_text="{field: column}")
    sha256 = models.CharField(max_length=64, help_text="of the line list")
    links_received = models.PositiveIntegerField()
    links_stored = models.PositiveIntegerField()
    links_duplicate = models.PositiveIntegerField()
    links_held = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            *Counted.Meta.constraints,
            models.CheckConstraint(
                condition=Q(links_received=F("links_stored") + F("links_duplicate") + F("links_held")),
                name="line_list_loses_no_link",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outbreak} · {self.at:%Y-%m-%d}"


class HeldLine(models.Model):
    """A row of a line list that was not taken, with its reason."""

    class Sheet(models.TextChoices):
        CASES = "cases", _("Ca bệnh")
        LINKS = "links", _("Quan hệ lây")

    intake = models.ForeignKey(LineListImport, models.CASCADE, related_name="held_lines")
    sheet = models.CharField(max_length=5, choices=Sheet.choices)
    line = models.PositiveIntegerField(help_text="line of the file, the header is 1")
    row = models.JSONField()
    reason = models.CharField(max_length=300)

    class Meta:
        ordering: ClassVar = ["sheet", "line"]

    def __str__(self) -> str:
        return f"{self.sheet}:{self.line}"


class PairLogImport(Counted, Scoped):
    """One portion of a log of pair contacts taken in: received = stored + duplicate + held. The contacts themselves lie
    in presence."""

    scope_roles = TRACERS

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, blank=True, help_text="of the whole file")
    first_line = models.PositiveIntegerField(help_text="line of the file, the header is 1")
    last_line = models.PositiveIntegerField()

    class Meta(Counted.Meta):
        indexes: ClassVar = [models.Index(fields=["-at", "-id"], name="pair_log_at")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d}: {self.first_line}-{self.last_line}"


class HeldPair(models.Model):
    """A row of such a log that was not taken, with its reason; gone once it has been."""

    intake = models.ForeignKey(PairLogImport, models.CASCADE, related_name="held_rows")
    digest = models.CharField(max_length=32, unique=True, help_text="keyed hash of the row: held once")
    line = models.PositiveIntegerField(help_text="line of the file, the header is 1")
    field = models.CharField(max_length=10)
    row = models.JSONField(help_text="{field: cell}, long numbers masked")
    reason = models.CharField(max_length=300)

    class Meta:
        ordering: ClassVar = ["-intake", "line"]

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"
