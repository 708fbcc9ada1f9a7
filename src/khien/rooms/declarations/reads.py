"""Questions: forms in use, declarations and tasks in scope, what a code shows, counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.clock.reads import ZONE
from khien.kernel.errors import NotFound
from khien.kernel.language import fold
from khien.kernel.people.models import Person
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.scope import within
from khien.kernel.standing import colours
from khien.kernel.standing.colours import CardColour
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.declarations import codes
from khien.rooms.declarations.models import Company, Declaration, Form, HeldRow, Intake, RiskArea, Task

COUNTERS = frozenset({"leader"})


def form_in_force(key: str) -> Form:
    """The newest version of a form in use today. Raises `NotFound`."""
    form = Form.objects.filter(key=key, during__contains=clock.today()).order_by("-version").first()
    if form is None:
        raise NotFound(
            _("Chưa có mẫu tờ khai này."), way_out=_("Quản trị viên nạp mẫu bằng lệnh chuẩn bị của hệ thống.")
        )
    return form


def form_of(key: str, version: int | None) -> Form:
    """The version under which somebody began to fill in: one that is, or last week was, in use; else today's."""
    day = clock.today()
    if version is not None:
        found = Form.objects.filter(key=key, version=version).first()
        if found is not None and (found.during.upper is None or found.during.upper > day - timedelta(days=7)):
            return found
    return form_in_force(key)


def forms_in_force() -> list[Form]:
    """Today's forms, one a key."""
    found: dict[str, Form] = {}
    for form in Form.objects.filter(during__contains=clock.today()).order_by("key", "version"):
        found[form.key] = form
    return list(found.values())


def home_province() -> AdminUnit | None:
    """The province of this installation."""
    return units.on(clock.today()).filter(code=settings.KHIEN_PROVINCE, tier=Tier.PROVINCE).first()


def declarations(
    actor: Actor,
    *,
    unit_path: str = "",
    start: date | None = None,
    end: date | None = None,
    kind: str = "",
    channel: str = "",
    match: str = "",
    attention: bool = False,
    text: str = "",
) -> QuerySet[Declaration]:
    """Declarations in scope, newest first; days are Vietnamese and both included."""
    rows = Declaration.objects.seen_by(actor).select_related("unit", "person", "form")
    if unit_path:
        rows = rows.filter(unit__path__startswith=unit_path)
    if start is not None:
        rows = rows.filter(declared_at__gte=clock.start_of_day(start))
    if end is not None:
        rows = rows.filter(declared_at__lt=clock.start_of_day(end + timedelta(days=1)))
    if kind:
        rows = rows.filter(kind=kind)
    if channel:
        rows = rows.filter(channel=channel)
    if match:
        rows = rows.filter(match=match)
    if attention:
        rows = rows.exclude(attention=[])
    if text.strip():
        code = codes.parsed(text)
        rows = rows.filter(
            Q(code=code) if code is not None else Q(person__name_folded__startswith=fold(text))
        )
    found: QuerySet[Declaration] = rows.order_by("-declared_at", "-pk")
    return found


def declaration(actor: Actor, pk: int) -> Declaration:
    """One declaration in scope. Raises `NotFound`."""
    row: Declaration | None = (
        Declaration.objects.seen_by(actor)
        .select_related("unit", "person", "form", "parent", "declared_by")
        .filter(pk=pk)
        .first()
    )
    if row is None:
        raise NotFound()
    return row


def held(actor: Actor) -> QuerySet[Declaration]:
    """Declarations of which nobody has said yet whose they are."""
    found: QuerySet[Declaration] = (
        Declaration.objects.seen_by(actor)
        .filter(match=Declaration.Match.HELD)
        .select_related("unit", "form")
        .order_by("received_at")
    )
    return found


def candidates(actor: Actor, row: Declaration) -> list[Person]:
    """People in scope whom a held declaration may mean: by its phone, or by its folded name."""
    from khien.kernel.people.models import Phone

    by_phone = Phone.objects.filter(number=row.phone).values("person_id")
    seen = Person.objects.seen_by(actor).filter(merged_into__isnull=True).select_related("unit")
    return list(
        seen.filter(Q(pk__in=by_phone) | Q(name_folded=fold(row.full_name))).order_by("name_sort", "pk")[:20]
    )


def tasks(
    actor: Actor, *, state: str = Task.State.OPEN, unit_path: str = "", reason: str = ""
) -> QuerySet[Task]:
    """Tasks in scope, the oldest first."""
    rows = Task.objects.seen_by(actor).select_related("declaration", "unit", "person")
    if state:
        rows = rows.filter(state=state)
    if unit_path:
        rows = rows.filter(unit__path__startswith=unit_path)
    if reason:
        rows = rows.filter(reasons__contains=[reason])
    found: QuerySet[Task] = rows.order_by("opened_at", "pk")
    return found


def task(actor: Actor, pk: int) -> Task:
    """One task in scope. Raises `NotFound`."""
    row: Task | None = tasks(actor, state="").filter(pk=pk).first()
    if row is None:
        raise NotFound()
    return row


def open_task_count(actor: Actor) -> int:
    return Task.objects.seen_by(actor).filter(state=Task.State.OPEN).count()


def of_person(actor: Actor, person_id: int, limit: int = 10) -> list[Declaration]:
    """A person's declarations that the actor may see, newest first."""
    return list(
        Declaration.objects.seen_by(actor)
        .filter(person_id=person_id)
        .select_related("unit", "form", "task")
        .order_by("-declared_at")[:limit]
    )


def last_content(person_id: int, kind: str) -> tuple[dict[str, Any], Form | None]:
    """What a person answered last: to pre-fill their own next declaration."""
    row = (
        Declaration.objects.filter(person_id=person_id, kind=kind, parent=None)
        .select_related("form")
        .order_by("-declared_at")
        .first()
    )
    return (row.content, row.form) if row is not None else ({}, None)


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """What a code shows whoever reads it at a gate: nothing of what was answered."""

    colour: CardColour
    name: str
    declared_at: datetime
    valid_until: datetime
    is_valid: bool
    kind: str


def by_code(text: str) -> Declaration | None:
    """The declaration of a code as scanned or typed; for doors that show no more than `shown`."""
    code = codes.parsed(text)
    return (
        None
        if code is None
        else Declaration.objects.select_related("unit", "form", "person").filter(code=code).first()
    )


def person_of_code(text: str) -> int | None:
    """Whom a code names at a gate; None while nobody has said whose the declaration is."""
    row = by_code(text)
    return None if row is None else row.person_id


def shown(row: Declaration, at: datetime) -> CodeAnswer:
    """The colour of the person's card (of the declaration alone while nobody knows whose it is), name masked."""
    valid = row.declared_at <= at < row.valid_until
    if row.person_id is not None:
        colour = colours.of([row.person_id], at)[row.person_id]
    else:
        task = Task.objects.filter(declaration=row, state=Task.State.OPEN).first()
        if task is not None:
            colour = CardColour(
                task.colour, colours.word(task.colour), task.sentence, "declaration_attention"
            )
        elif valid:
            colour = CardColour("green", colours.word("green"), _("Tờ khai còn giá trị."), "")
        else:
            colour = CardColour("yellow", colours.word("yellow"), _("Tờ khai đã hết giá trị."), "declared")
    return CodeAnswer(
        colour, masked(row.full_name), row.declared_at, row.valid_until, valid, row.get_kind_display()
    )


def masked(name: str) -> str:
    """`Nguyễn Văn An` as `N. V. An`: enough to compare with the face, not to look somebody up."""
    words = name.split()
    return " ".join([*(f"{word[0]}." for word in words[:-1]), words[-1]]) if words else ""


@dataclass(frozen=True, slots=True)
class DayCount:
    day: date
    unit: str
    declarations: int
    attention: int
    held: int


def _counted(actor: Actor) -> QuerySet[Declaration]:
    """What may be counted: by leaders too."""
    rows: QuerySet[Declaration] = Declaration.objects.filter(
        within(actor, "unit__path", *Declaration.scope_roles, *COUNTERS)
    )
    return rows


def counts(actor: Actor, *, start: date, end: date) -> list[DayCount]:
    """Declarations by Vietnamese day and commune; for leaders too: it names nobody."""
    rows = _counted(actor)
    found = (
        rows.filter(
            declared_at__gte=clock.start_of_day(start),
            declared_at__lt=clock.start_of_day(end + timedelta(days=1)),
        )
        .annotate(day=TruncDate("declared_at", tzinfo=ZONE))
        .values("day", "unit__kind", "unit__name", "unit__sort_key")
        .annotate(
            all=Count("pk"),
            attention=Count("pk", filter=~Q(attention=[])),
            held=Count("pk", filter=Q(match="held")),
        )
        .order_by("day", "unit__sort_key")
    )
    return [
        DayCount(
            row["day"],
            f"{row['unit__kind']} {row['unit__name']}".strip(),
            row["all"],
            row["attention"],
            row["held"],
        )
        for row in found
    ]


def today_count(actor: Actor) -> int:
    """Declarations made today in the actor's units; counted for leaders too."""
    return int(_counted(actor).filter(declared_at__gte=clock.start_of_day(clock.today())).count())


def risk_areas(*, on: date | None = None) -> QuerySet[RiskArea]:
    """Areas at risk, in force on a day or all; public."""
    rows = RiskArea.objects.select_related("unit__parent").order_by("-during", "unit__sort_key")
    found: QuerySet[RiskArea] = rows if on is None else rows.filter(during__contains=on)
    return found


def risk_area(pk: int) -> RiskArea:
    row: RiskArea | None = RiskArea.objects.select_related("unit").filter(pk=pk).first()
    if row is None:
        raise NotFound()
    return row


def intakes(actor: Actor) -> QuerySet[Intake]:
    found: QuerySet[Intake] = Intake.objects.seen_by(actor).select_related("company", "unit").order_by("-at")
    return found


def held_rows(actor: Actor) -> QuerySet[HeldRow]:
    found: QuerySet[HeldRow] = (
        HeldRow.objects.seen_by(actor)
        .filter(state=HeldRow.State.OPEN)
        .select_related("intake__company")
        .order_by("intake", "line")
    )
    return found


def companies(actor: Actor) -> QuerySet[Company]:
    found: QuerySet[Company] = Company.objects.seen_by(actor).select_related("unit").order_by("name", "pk")
    return found


def company_of(token_hash: str) -> Company:
    """The company of a secret address that is open. Raises `NotFound`."""
    row: Company | None = (
        Company.objects.select_related("unit").filter(token_hash=token_hash, closed_at=None).first()
    )
    if row is None:
        raise NotFound(_("Địa chỉ gửi này không còn dùng."), way_out=_("Liên hệ y tế xã để xin địa chỉ mới."))
    return row
