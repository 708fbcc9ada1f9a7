"""What a resident sees: signing in, their own page, where they were, and who opened their record."""

from __future__ import annotations

import secrets
import time

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from khien.desk import codes, own, reads
from khien.desk.forms import CodeForm, PhoneForm
from khien.gateways.identity import choosing
from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors import Request, public_page, resident_page
from khien.kernel.doors.address import block_of
from khien.kernel.errors import Problem
from khien.kernel.people.models import Person
from khien.kernel.people.phones import display, to_e164
from khien.kernel.registries import resident_menu
from khien.kernel.residents import allowed, verbs
from khien.kernel.residents.reads import people_with_phone
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY, RESIDENT_SHARED_KEY, RESIDENT_UNTIL_KEY

BROWSER_COOKIE = "khien_browser"
_NUMBER = "sign_in_number"
_ASKED = "sign_in_asked"
_NEXT = "sign_in_next"
_CHOICES = "sign_in_choices"
_SHARED = "sign_in_shared"
_PROVED_BY = "sign_in_proved_by"
_HOW = "resident_how"
_OURS = (
    RESIDENT_SESSION_KEY,
    RESIDENT_UNTIL_KEY,
    RESIDENT_SHARED_KEY,
    _NUMBER,
    _ASKED,
    _NEXT,
    _CHOICES,
    _SHARED,
    _PROVED_BY,
    _HOW,
)


@public_page
def sign_in(request: Request) -> HttpResponse:
    """Step 1: the phone number. The answer is the same whether or not the ledger knows it."""
    if request.method == "GET":
        wanted = request.GET.get("next", "")
        if _is_ours(request, wanted):
            request.session[_NEXT] = wanted
        if request.actor.person_id is not None:
            return _go_on(request)
    form = PhoneForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            number = to_e164(form.cleaned_data["phone"])
            asked = verbs.request_code(
                request.actor, number=number, block=block_of(request), browser=_browser(request)
            )
        except Problem as problem:
            form.add_error("phone", str(problem))
        else:
            if asked.fresh:
                codes.soon(get_language() or "vi")
            request.session[_NUMBER] = number
            request.session[_ASKED] = [asked.fresh, asked.expires_at.timestamp()]
            return HttpResponseRedirect(reverse("desk:resident_code"))
    return render(request, "desk/sign_in.html", {"form": form, "provider": choosing.name()})


@public_page
def sign_in_code(request: Request) -> HttpResponse:
    """Step 2: the code from the message."""
    number = request.session.get(_NUMBER)
    if number is None:
        return HttpResponseRedirect(reverse("desk:resident_sign_in"))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            right = verbs.use_code(
                request.actor,
                number=number,
                code=form.cleaned_data["code"],
                block=block_of(request),
                browser=_browser(request),
            )
        except Problem as problem:
            form.add_error("code", str(problem))
        else:
            if right:
                return _proved(request, number, shared=form.cleaned_data["shared"])
            form.add_error("code", _("Mã không đúng. Xem lại tin nhắn mới nhất."))
    fresh, until = request.session.get(_ASKED, [True, time.time()])
    return render(
        request,
        "desk/sign_in_code.html",
        {
            "form": form,
            "number": display(number),
            "fresh": fresh,
            "minutes": max(1, round((until - time.time()) / 60)),
            "provider": choosing.name(),
        },
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
            shared = bool(request.session.get(_SHARED))
            return come_in(
                request, chosen, how="phone", shared=shared, number=request.session.get(_PROVED_BY, "")
            )
    return render(request, "desk/sign_in_who.html", {"people": people})


@public_page
def sign_out(request: Request) -> HttpResponse:
    """Forget the resident on this phone, and offer to leave the identity provider too."""
    if request.method == "POST":
        how = request.session.get(_HOW, "")
        if request.user.is_authenticated:
            for key in _OURS:
                request.session.pop(key, None)
            request.session.cycle_key()
        else:
            request.session.flush()
        return HttpResponseRedirect(
            reverse("desk:resident_sign_out") + ("?by=identity" if how == "identity" else "")
        )
    provider = choosing.provider() if request.GET.get("by") == "identity" else None
    leave = provider.leave(settings.KHIEN_URL + reverse("desk:home")) if provider is not None else None
    return render(
        request, "desk/signed_out.html", {"leave": leave, "provider": choosing.name() if leave else ""}
    )


@resident_page
@require_POST
def share(request: Request) -> HttpResponse:
    """Say, when already in, that others use this phone too: the session becomes a short one."""
    if request.actor.kind == "resident":
        _hold(request, shared=True)
        answer = HttpResponseRedirect(reverse("desk:me"))
        answer.delete_cookie(BROWSER_COOKIE)
        return answer
    return HttpResponseRedirect(reverse("desk:me"))


@resident_page
def me(request: Request) -> HttpResponse:
    """A resident's own page: what is known of them and what they can do."""
    assert request.actor.person_id is not None
    person = Person.objects.seen_by(request.actor).select_related("unit").get(pk=request.actor.person_id)
    if person.merged_into_id is not None:
        request.session.pop(RESIDENT_SESSION_KEY, None)
        return HttpResponseRedirect(reverse("desk:resident_sign_in"))
    context = {
        "person": person,
        "file": reads.person_file(request.actor, person, clock.now(), panels=False),
        "links": sorted(resident_menu, key=lambda entry: entry.order),
        "shared": bool(request.session.get(RESIDENT_SHARED_KEY)),
        "minutes": round(allowed.today().shared_session.total_seconds() / 60),
    }
    return render(request, "desk/me.html", context)


@resident_page
def my_places(request: Request) -> HttpResponse:
    """Where the ledger says that the resident was, how it knows, and when each line will be deleted."""
    assert request.actor.person_id is not None
    kept = own.stays(request.actor)
    read(request.actor, "desk.my_places", persons=[request.actor.person_id], shown=len(kept.rows))
    return render(request, "desk/my_places.html", {"kept": kept, "rules": own.kept_how_long()})


@resident_page
def my_reads(request: Request) -> HttpResponse:
    """Who opened or changed the resident's record, newest first."""
    assert request.actor.person_id is not None
    page = Paginator(reads.lines_about(request.actor.person_id), 50).get_page(request.GET.get("page"))
    context = {"page": page, "lines": reads.as_reads(page.object_list), "kept": own.days_kept("audit.lines")}
    return render(request, "desk/my_reads.html", context)


def come_in(request: Request, person: Person, *, how: str, shared: bool, number: str = "") -> HttpResponse:
    """The visitor has proved to be this person: a session of their own begins, and they go where they wanted to."""
    wanted = request.session.get(_NEXT, "")
    browser = "" if shared or not number else (_browser(request) or secrets.token_urlsafe(24))
    for key in _OURS:
        request.session.pop(key, None)
    request.session.cycle_key()
    request.session[RESIDENT_SESSION_KEY] = person.pk
    request.session[_HOW] = how
    _hold(request, shared=shared)
    verbs.enter(request.actor, person=person, how=how, number=number, browser=browser)
    answer = HttpResponseRedirect(wanted or reverse("desk:me"))
    if browser:
        answer.set_cookie(
            BROWSER_COOKIE,
            browser,
            max_age=allowed.today().browser_kept,
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return answer


def _hold(request: Request, *, shared: bool) -> None:
    """How long the session holds: hours on one's own phone, minutes after the last page on a shared one."""
    held = allowed.today()
    if shared:
        request.session[RESIDENT_SHARED_KEY] = round(held.shared_session.total_seconds())
        request.session.set_expiry(0)  # and no longer than the browser is open
    length = held.shared_session if shared else held.own_session
    request.session[RESIDENT_UNTIL_KEY] = time.time() + length.total_seconds()


def _proved(request: Request, number: str, *, shared: bool) -> HttpResponse:
    """The phone is in the visitor's hand."""
    request.session.pop(_NUMBER, None)
    people = people_with_phone(number)
    if len(people) == 1:
        return come_in(request, people[0], how="phone", shared=shared, number=number)
    request.session.cycle_key()
    request.session[_CHOICES] = [person.pk for person in people]
    request.session[_SHARED] = shared
    request.session[_PROVED_BY] = number
    return HttpResponseRedirect(reverse("desk:resident_who"))


def _browser(request: Request) -> str:
    return request.COOKIES.get(BROWSER_COOKIE, "")[:64]


def _is_ours(request: Request, wanted: str) -> bool:
    """Whether one may be led there after signing in: a page of this house, and not the way in or out itself."""
    if not wanted.startswith("/") or not url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return False
    try:
        name = resolve(wanted.split("?", 1)[0].split("#", 1)[0]).view_name
    except Resolver404:
        return False
    return not name.startswith(("desk:resident_", "desk:identity", "account_"))


def _go_on(request: Request) -> HttpResponse:
    return HttpResponseRedirect(request.session.pop(_NEXT, None) or reverse("desk:me"))
