"""Residents: filling in a form without an account or signed in; what they are given afterwards."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from khien.kernel import clock, limits
from khien.kernel.acts import read
from khien.kernel.documents import qr
from khien.kernel.doors import Request, public_page, resident_page
from khien.kernel.doors.address import block_of
from khien.kernel.errors import Problem
from khien.kernel.forms.sheet import Sheet
from khien.kernel.forms.spec import Rows
from khien.kernel.forms.units import Country
from khien.kernel.limits import Limit, TooMany
from khien.kernel.people.models import Person
from khien.rooms.declarations import codes, reads, verbs
from khien.rooms.declarations.models import Declaration, Form

_DONE = "declarations_done"
PREFILL = "declarations_prefill"


@public_page
def index(request: Request) -> HttpResponse:
    """Which form; or a declaration that was made."""
    return render(request, "declarations/index.html", {"forms": reads.forms_in_force()})


FROM_AN_ADDRESS = Limit("declaration_from", 300, 12)
"""Without a sign-in: a market or an office behind one address gets through, a flood does not."""


def _not_too_many(request: Request) -> None:
    if request.actor.person_id or request.actor.kind == "staff":
        return
    if not limits.take(FROM_AN_ADDRESS, block_of(request), timezone.now()).allowed:
        raise TooMany(
            _("Quá nhiều tờ khai từ mạng này trong một lúc."),
            field="",
            way_out=_("Đợi vài phút rồi gửi lại; tờ khai vẫn ở trên máy này. Hoặc khai tại trạm y tế xã."),
        )


@public_page
@never_cache
def new(request: Request, key: str) -> HttpResponse:
    """Fill in a form. A script may send it for later and ask for JSON; without one it is a page."""
    form = reads.form_of(key, _int(request.POST.get("version", "")))
    given, whose = _given(request, form)
    if request.method == "POST":
        sheet = sheet_of(form, data=request.POST)
        if sheet.is_valid():
            channel = (
                Declaration.Channel.FAMILY
                if sheet.value["filled_by"] == "other"
                else Declaration.Channel.HELPER
                if request.actor.acting_for
                else Declaration.Channel.RESIDENT
                if request.actor.person_id
                else Declaration.Channel.PUBLIC
            )
            own = sheet.value["filled_by"] == "self" and _same(whose, sheet.value)
            declared = declared_by(
                request, form, sheet, channel, made_at=made_at(request), person=whose if own else None
            )
            if declared is not None:
                remember(request, declared)
                if _wants_json(request):
                    return JsonResponse(
                        {
                            "state": "stored" if declared.is_new else "duplicate",
                            "code": codes.shown(declared.declaration.code),
                            "url": reverse("declarations:done"),
                        }
                    )
                return redirect("declarations:done")
        if _wants_json(request):
            told = [str(error) for errors in sheet.form.errors.values() for error in errors]
            return JsonResponse({"state": "refused", "problems": told}, status=422)
    else:
        sheet = sheet_of(form, value=given)
    return entry_page(request, "declarations/new.html", form, sheet, prefilled=bool(given))


def declared_by(
    request: Request, form: Form, sheet: Sheet, channel: str, **more: Any
) -> verbs.Declared | None:
    """The declaration that a valid sheet makes; None when it was refused, which the sheet then says."""
    try:
        _not_too_many(request)
        return verbs.declare(
            request.actor,
            form=form,
            value=sheet.value,
            client_id=client_id(request),
            channel=channel,
            **more,
        )
    except Problem as wrong:
        # A phone that sends a draft waits and tries again; what it is told to mend it would not send again.
        if isinstance(wrong, TooMany) and _wants_json(request):
            raise
        sheet.add_error(wrong.field, str(wrong))
        return None


def sheet_of(form: Form, *, data: Any = None, value: dict[str, Any] | None = None) -> Sheet:
    """The sheet of a form in this province."""
    home = reads.home_province()
    return Sheet(
        form.spec,
        data=data,
        value=value,
        home=home.pk if home is not None else None,
        units_url=reverse("declarations:communes"),
    )


def entry_page(request: Request, template: str, form: Form, sheet: Sheet, **more: Any) -> HttpResponse:
    """The page with the sheet on it; the id under which it will be stored is made with the page."""
    answer = render(
        request,
        template,
        {
            "form_version": form,
            "sheet": sheet,
            "client_id": request.POST.get("client_id") or uuid.uuid4(),
            "made_at": request.POST.get("made_at", ""),
            "leave": left_out(form),
            **more,
        },
        status=422 if sheet.form.is_bound and not sheet.action and sheet.form.errors else 200,
    )
    if request.method == "GET" and not more.get("prefilled") and request.actor.kind == "resident":
        # An empty form of nobody: the phone may keep the page for the time without network.
        answer["X-Khien-Keep"] = "1" if request.actor.person_id is None else "0"
    return answer


@public_page
@never_cache
def done(request: Request) -> HttpResponse:
    """The codes of what was just declared, each as text and as a QR code."""
    ids = request.session.get(_DONE, [])
    rows = list(Declaration.objects.filter(pk__in=ids).select_related("form").order_by("pk"))
    if not rows:
        return redirect("declarations:index")
    now = clock.now()
    return render(
        request,
        "declarations/done.html",
        {
            "rows": [(row, reads.shown(row, now), codes.shown(row.code), picture(row.code)) for row in rows],
            "client_id": rows[0].client_id,
        },
    )


@resident_page
def mine(request: Request) -> HttpResponse:
    """The signed-in resident's own declarations."""
    person_id = request.actor.person_id
    assert person_id is not None
    rows = reads.of_person(request.actor, person_id, limit=30)
    read(request.actor, "declarations.mine", persons=[person_id])
    now = clock.now()
    return render(
        request,
        "declarations/mine.html",
        {
            "rows": [(row, codes.shown(row.code), row.valid_until > now) for row in rows],
            "picture": picture(rows[0].code) if rows else "",
            "forms": reads.forms_in_force(),
        },
    )


@public_page
def communes(request: Request) -> HttpResponse:
    """The communes of a province, as the options of a list."""
    province = _int(request.GET.get("province", "")) or 0
    districts = [
        (district, [(str(pk), label) for pk, label in rows])
        for district, rows in Country().communes(province)
    ]
    return HttpResponse(render_to_string("forms/communes.html", {"districts": districts, "commune": ""}))


@public_page
def worker(request: Request) -> HttpResponse:
    """The service worker that keeps the empty forms for the time without network."""
    from django.contrib.staticfiles import finders

    path = finders.find("declarations/worker.js")
    assert isinstance(path, str)
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - found by the finder as text
        answer = HttpResponse(file.read(), content_type="text/javascript; charset=utf-8")
    answer["Cache-Control"] = "no-cache"
    return answer


def picture(code: str) -> str:
    """The code as an SVG."""
    return mark_safe(qr.svg(f"{codes.PREFIX}{code}", error="m"))  # noqa: S308 - our own SVG


def client_id(request: Request) -> uuid.UUID:
    """The id that the page or the phone made; a new one where it is none."""
    try:
        return uuid.UUID(request.POST.get("client_id", ""))
    except ValueError:
        return uuid.uuid4()


def made_at(request: Request) -> datetime | None:
    """When the phone says that it was filled in."""
    try:
        moment = parse_datetime(request.POST.get("made_at", "")[:40])
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def remember(request: Request, declared: verbs.Declared) -> None:
    """Let the next page show the codes to who declared."""
    request.session[_DONE] = [declared.declaration.pk, *(row.pk for row in declared.companions)]


def prefill(form: Form, content: dict[str, Any]) -> dict[str, Any]:
    """Of an earlier answer what may stand in the next one: not the health of that day, not the consent."""
    fields = {item.name: item for item in form.spec.items}
    kept: dict[str, Any] = {}
    for name, value in content.items():
        item = fields.get(name)
        if item is None or item.ui.get("prefill") is False:
            continue
        if isinstance(item, Rows):
            own = {q.name for q in item.questions if q.ui.get("prefill") is not False}
            kept[name] = [{n: one for n, one in row.items() if n in own} for row in value]
        else:
            kept[name] = value
    return kept


def left_out(form: Form) -> list[str]:
    """What a phone must not carry over into the next form: names of fields, of rows as `rows.field`."""
    names = []
    for item in form.spec.items:
        if item.ui.get("prefill") is False:
            names.append(item.name)
        elif isinstance(item, Rows):
            names += [f"{item.name}.{q.name}" for q in item.questions if q.ui.get("prefill") is False]
    return names


def _given(request: Request, form: Form) -> tuple[dict[str, Any], Person | None]:
    """What the empty form begins with, and who has signed in."""
    given: dict[str, Any] = {}
    whose: Person | None = None
    if request.actor.person_id is not None:
        whose = Person.objects.select_related("unit").get(pk=request.actor.person_id)
        for_other = request.GET.get("for") == "other"
        if not for_other:
            given = {"full_name": whose.full_name, "birth_year": whose.birth_year, "unit": whose.unit_id}
            phone = whose.phones.order_by("-is_main", "pk").first()
            if phone is not None:
                given["phone"] = phone.number
            if whose.sex:
                given["sex"] = whose.sex
            content, _version = reads.last_content(whose.pk, form.key)
            given |= prefill(form, content)
            given["filled_by"] = "self"
        else:
            given["filled_by"] = "other"
        given = {name: value for name, value in given.items() if value is not None}
    elif request.session.get(PREFILL, {}).get("key") == form.key and request.GET.get("again"):
        given = prefill(form, request.session[PREFILL]["content"])
    unit = _int(request.GET.get("u", ""))
    if unit is not None:
        given["unit"] = unit
    return given, whose


def _same(person: Person | None, value: dict[str, Any]) -> bool:
    """Whether the form still names the person who signed in, so that nobody declares for another by mistake."""
    from khien.kernel.language import fold

    return person is not None and (
        fold(value["full_name"]) == person.name_folded
        and (person.birth_year is None or person.birth_year == value["birth_year"])
    )


def _wants_json(request: Request) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _int(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
