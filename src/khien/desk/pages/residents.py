"""What a resident sees: signing in by phone, their own page, and who opened their record."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from khien.desk import reads, verbs
from khien.desk.forms import CodeForm, PhoneForm
from khien.gateways.sms.interface import Answer
from khien.gateways.sms.sending import send_now
from khien.kernel import clock
from khien.kernel.doors import Request, public_page, resident_page
from khien.kernel.errors import Problem
from khien.kernel.people.models import Person
from khien.kernel.people.phones import display, to_e164
from khien.kernel.registries import resident_menu
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY

_NUMBER = "sign_in_number"
_NEXT = "sign_in_next"
_CHOICES = "sign_in_choices"


@public_page
def sign_in(request: Request) -> HttpResponse:
    """Step 1: the phone number. The answer is the same whether or not the ledger knows it."""
    if request.method == "GET":
        wanted = request.GET.get("next", "")
        if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}):
            request.session[_NEXT] = wanted
        if request.actor.person_id is not None:
            return _go_on(request)
    form = PhoneForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            number = to_e164(form.cleaned_data["phone"])
            code = verbs.make_code(request.actor, number=number)
        except Problem as problem:
            form.add_error("phone", str(problem))
        else:
            if code is None or _sent(number, code):
                request.session[_NUMBER] = number
                return HttpResponseRedirect(reverse("desk:resident_code"))
            form.add_error("phone", _("Chưa gửi được tin nhắn tới số này. Hãy thử lại sau ít phút."))
    return render(request, "desk/sign_in.html", {"form": form})


@public_page
def sign_in_code(request: Request) -> HttpResponse:
    """Step 2: the code from the message."""
    number = request.session.get(_NUMBER)
    if number is None:
        return HttpResponseRedirect(reverse("desk:resident_sign_in"))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            right = verbs.use_code(request.actor, number=number, code=form.cleaned_data["code"].strip())
        except Problem as problem:
            form.add_error("code", str(problem))
        else:
            if right:
                return _proved(request, number)
            form.add_error("code", _("Mã không đúng. Xem lại tin nhắn mới nhất."))
    return render(
        request,
        "desk/sign_in_code.html",
        {"form": form, "number": display(number), "minutes": verbs.CODE_MINUTES},
    )


@public_page
def sign_in_who(request: Request) -> HttpResponse:
    """Step 3, when several people share the phone: which of them is here."""
    ids = request.session.get(_CHOICES, [])
    people = list(Person.objects.filter(pk__in=ids, merged_into__isnull=True).order_by("name_sort", "pk"))
    if not people:
        return HttpResponseRedirect(reverse("desk:resident_sign_in"))
    if request.method == "POST":
        chosen = next((p for p in people if str(p.public_id) == request.POST.get("person")), None)
        if chosen is not None:
            return _enter(request, chosen)
    return render(request, "desk/sign_in_who.html", {"people": people})


@public_page
@require_POST
def sign_out(request: Request) -> HttpResponse:
    """Forget the resident on this phone."""
    for key in (RESIDENT_SESSION_KEY, _NUMBER, _NEXT, _CHOICES):
        request.session.pop(key, None)
    request.session.cycle_key()
    return HttpResponseRedirect(reverse("desk:home"))


@resident_page
def me(request: Request) -> HttpResponse:
    """A resident's own page: what is known of them and what they can do."""
    assert request.actor.person_id is not None
    person = Person.objects.seen_by(request.actor).select_related("unit").get(pk=request.actor.person_id)
    if person.merged_into_id is not None:
        del request.session[RESIDENT_SESSION_KEY]
        return HttpResponseRedirect(reverse("desk:resident_sign_in"))
    context = {
        "person": person,
        "file": reads.person_file(request.actor, person, clock.now(), panels=False),
        "links": sorted(resident_menu, key=lambda entry: entry.order),
    }
    return render(request, "desk/me.html", context)


@resident_page
def my_reads(request: Request) -> HttpResponse:
    """Who opened or changed the resident's record, newest first."""
    assert request.actor.person_id is not None
    page = Paginator(reads.lines_about(request.actor.person_id), 50).get_page(request.GET.get("page"))
    return render(request, "desk/my_reads.html", {"page": page, "lines": reads.as_reads(page.object_list)})


def _sent(number: str, code: str) -> bool:
    text = _("Khiên: mã đăng nhập của bạn là %(code)s, có hiệu lực %(minutes)s phút. Không đưa mã cho ai.")
    outcome = send_now(number, text % {"code": code, "minutes": verbs.CODE_MINUTES}, purpose="one_time_code")
    # A gateway that gave no answer may have taken the message: the resident waits for it and asks again.
    return outcome.answer in {Answer.ACCEPTED, Answer.UNKNOWN}


def _proved(request: Request, number: str) -> HttpResponse:
    """The phone is in the visitor's hand."""
    request.session.pop(_NUMBER, None)
    people = reads.people_with_phone(number)
    if len(people) == 1:
        return _enter(request, people[0])
    request.session[_CHOICES] = [person.pk for person in people]
    return HttpResponseRedirect(reverse("desk:resident_who"))


def _enter(request: Request, person: Person) -> HttpResponse:
    request.session.cycle_key()
    request.session.pop(_CHOICES, None)
    request.session[RESIDENT_SESSION_KEY] = person.pk
    return _go_on(request)


def _go_on(request: Request) -> HttpResponse:
    return HttpResponseRedirect(request.session.pop(_NEXT, None) or reverse("desk:me"))
