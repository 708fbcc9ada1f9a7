"""The sampler: a tube, a person, a look at the name, saved."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.codes.cards import CardCode, CardIncomplete, read_card
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.people import identity
from khien.kernel.people import reads as people
from khien.kernel.people import verbs as people_verbs
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.staff.reads import communes_of
from khien.rooms.testing import reads, verbs
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.forms import RegisterForm, SamplingForm, TubeForm
from khien.rooms.testing.models import SamplingRequest
from khien.rooms.testing.verbs.specimens import COLLECTORS

_CARD = "testing_card"


@staff_page(*COLLECTORS)
def sampling(request: Request) -> HttpResponse:
    """Scan the tube, then the person; who it is gets asked on the next screen."""
    form = SamplingForm(request.POST or None)
    problem: Problem | None = None
    if request.method == "POST" and form.is_valid():
        try:
            barcode = normalise(form.cleaned_data["barcode"])
        except Problem as wrong:
            form.add_error("barcode", str(wrong))
        else:
            try:
                return _who(request, barcode, form.cleaned_data["swab"], form.cleaned_data["who"])
            except CardIncomplete:
                form.add_error("who", _("Mã trên thẻ bị đọc thiếu. Quét lại, hoặc nhập số in trên thẻ."))
    context = {
        "form": form,
        "problem": problem,
        "due": reads.open_requests(request.actor, until=clock.today()).count(),
    }
    return render(request, "testing/sampling.html", context, status=422 if form.errors else 200)


def _who(request: Request, barcode: str, swab: str, text: str) -> HttpResponse:
    """The people whom the text may mean; nobody: a form to register them, filled from the card."""
    # A number alone may be a phone's as well: the search tells them apart.
    card = read_card(text) if "|" in text else None
    found = (
        people.find_by_number(request.actor, card.number)
        if card
        else people.search(request.actor, text, limit=10).people
    )
    if found:
        read(request.actor, "testing.sampling", persons=[person.pk for person in found])
        context = {"barcode": barcode, "swab": swab, "people": found, "text": "" if card else text}
        return render(request, "testing/sampling_who.html", context)
    # The number waits sealed in the server's session: it goes neither into the page nor into an address.
    request.session[_CARD] = [card.kind, identity.sealed_text(card.kind, card.number)] if card else None
    return _register_page(request, _register_form(request, initial=_initial(card, text)), barcode, swab)


@staff_page(*COLLECTORS)
def save(request: Request) -> HttpResponse:
    """The sampler has looked at the person: store."""
    if request.method != "POST":
        return redirect("testing:sampling")
    person = people.get(request.actor, request.POST.get("person", ""))
    return _collect(request, person, request.POST.get("barcode", ""), request.POST.get("swab", ""))


@staff_page(*COLLECTORS)
def register(request: Request) -> HttpResponse:
    """Register somebody and store their specimen."""
    if request.method != "POST":
        return redirect("testing:sampling")
    barcode, swab = request.POST.get("barcode", ""), request.POST.get("swab", "")
    form = _register_form(request, data=request.POST)
    if form.is_valid():
        given = dict(form.cleaned_data)
        waiting = request.session.get(_CARD)
        documents = [NewDocument(waiting[0], identity.opened_text(*waiting))] if waiting else []
        try:
            person = people_verbs.register_person(
                request.actor, phones=[given.pop("phone")], documents=documents, source="sampling", **given
            )
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            request.session.pop(_CARD, None)
            return _collect(request, person, barcode, swab)
    return _register_page(request, form, barcode, swab, status=422)


@staff_page(*COLLECTORS)
def tube(request: Request, pk: int) -> HttpResponse:
    """Somebody from the list of requests: only the tube is to be scanned."""
    asked = get_object_or_404(
        SamplingRequest.objects.seen_by(request.actor).select_related("person__unit"), pk=pk
    )
    form = TubeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            specimen = verbs.collect_specimen(request.actor, person=asked.person, **form.cleaned_data)
        except Problem as wrong:
            form.add_error(wrong.field if wrong.field in form.fields else None, str(wrong))
        else:
            _said(request, specimen.barcode, asked.person)
            return redirect("testing:requests")
    read(request.actor, "testing.sampling", persons=[asked.person_id])
    context = {"form": form, "asked": asked}
    return render(request, "testing/tube.html", context, status=422 if form.errors else 200)


def _collect(request: Request, person: Person, barcode: str, swab: str) -> HttpResponse:
    try:
        specimen = verbs.collect_specimen(request.actor, barcode=barcode, person=person, swab=swab)
    except Problem as wrong:
        form = SamplingForm(initial={"swab": swab})
        context = {"form": form, "problem": wrong, "due": 0}
        return render(request, "testing/sampling.html", context, status=wrong.status)
    _said(request, specimen.barcode, person)
    return redirect("testing:sampling")


def _said(request: Request, barcode: str, person: Person) -> None:
    messages.success(
        request,
        _("Đã nhận ống %(barcode)s của %(name)s.") % {"barcode": barcode, "name": person.full_name},
    )


def _register_form(request: Request, **more: Any) -> RegisterForm:
    return RegisterForm(units=communes_of(request.actor, *COLLECTORS), **more)


def _register_page(
    request: Request, form: RegisterForm, barcode: str, swab: str, status: int = 200
) -> HttpResponse:
    context = {"form": form, "barcode": barcode, "swab": swab, "by_card": bool(request.session.get(_CARD))}
    return render(request, "testing/sampling_register.html", context, status=status)


def _initial(card: CardCode | None, text: str) -> dict[str, Any]:
    if card is not None:
        return {
            "full_name": card.full_name,
            "birth_year": card.birth_date.year if card.birth_date else None,
            "sex": card.sex,
            "address": card.address,
        }
    digits = "".join(c for c in text if c.isdigit())
    if len(digits) in (10, 11) and digits.startswith(("0", "84")):
        return {"phone": text}
    return {} if digits else {"full_name": text}
