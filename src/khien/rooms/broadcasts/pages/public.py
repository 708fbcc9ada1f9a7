"""What everybody may read: articles, alerts and their feeds, from files that were rendered once; and the page where a
browser asks to be told. Mounted at the root, because these addresses are printed and quoted."""

from __future__ import annotations

import json
import re
from typing import Any

from django.contrib.staticfiles import finders
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import path
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from khien.kernel import clock, limits
from khien.kernel.doors import Request, public_page, same_for_all
from khien.kernel.doors.address import block_of
from khien.kernel.errors import NotFound
from khien.kernel.limits import Limit, TooMany
from khien.kernel.staff.reads import NOBODY
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.broadcasts import public_files
from khien.rooms.broadcasts.channels import push
from khien.rooms.broadcasts.verbs import subscribing

HTML, ATOM = "text/html; charset=utf-8", "application/atom+xml"
RSS, CAP = "application/rss+xml", "application/cap+xml"
FROM_AN_ADDRESS = Limit("push_subscribe", 60, 60)
_CODE = re.compile(r"[0-9a-f]{64}")


@require_safe
@same_for_all
def news(request: Request, language: str = "") -> HttpResponse:
    """The latest articles."""
    return _file(request, f"news/{language}index.html", HTML)


@require_safe
@same_for_all
def article(request: Request, pk: int, language: str = "") -> HttpResponse:
    """One article, for ever at this address."""
    return _file(request, f"news/{pk}/{language}index.html", HTML)


@require_safe
@same_for_all
def news_feed(request: Request) -> HttpResponse:
    """The articles as Atom."""
    return _file(request, "news/atom.xml", ATOM)


@require_safe
@same_for_all
def alerts(request: Request, language: str = "") -> HttpResponse:
    """The alerts, for people."""
    return _file(request, f"alerts/{language}index.html", HTML)


@require_safe
@same_for_all
def alert_feed(request: Request, kind: str) -> HttpResponse:
    """The alerts as Atom or RSS."""
    return _file(request, f"alerts/{kind}.xml", ATOM if kind == "atom" else RSS)


@require_safe
@same_for_all
def alert(request: Request, name: str) -> HttpResponse:
    """One CAP document; it never changes."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._%-]{0,200}", name):
        raise NotFound()
    return _file(request, f"alerts/{name}.cap.xml", CAP)


@require_safe
@same_for_all
def audio(request: Request, digest: str) -> HttpResponse:
    """What loudspeakers play, by the hash of it."""
    if not _CODE.fullmatch(digest):
        raise NotFound()
    return _file(request, f"alerts/audio/{digest}.mp3", "audio/mpeg", seconds=31_536_000)


def _file(request: Request, where: str, kind: str, seconds: int = 60) -> HttpResponse:
    """One file of the public folder with what lets a reader ask whether it has changed."""
    file = public_files.folder() / where
    if not file.exists():
        public_files.write_again(where)
    try:
        stat, content = file.stat(), file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise NotFound() from fault
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    answer = HttpResponse(content, content_type=kind)
    answer["ETag"], answer["Last-Modified"] = etag, http_date(int(stat.st_mtime))
    answer["Cache-Control"] = f"public, max-age={seconds}"
    if kind == HTML:
        answer["Content-Language"] = "en" if where.endswith("en/index.html") else "vi"
    found = get_conditional_response(request, etag=etag, last_modified=int(stat.st_mtime), response=answer)
    assert isinstance(found, HttpResponse)
    return found


# Notifications ------------------------------------------------------------------------------------


@require_GET
@public_page
def push_page(request: Request) -> HttpResponse:
    """Where a browser asks to be told, or no longer."""
    language = "en" if get_language() == "en" else "vi"
    context = {
        "language": language,
        "other": "vi" if language == "en" else "en",
        "other_url": "/news/" if language == "en" else "/news/en/",
        "tail": "en/" if language == "en" else "",
        "authority": public_files.authority(),
        "units": units.on(clock.today())
        .filter(tier=Tier.COMMUNE, path__startswith=_home())
        .order_by("sort_key"),
        "key": push.public_key()[0],
        "words": json.dumps(_words(), ensure_ascii=False),
    }
    return render(request, "broadcasts/public/push.html", context)


def _home() -> str:
    home = public_files.home()
    return home.path if home is not None else "-"


def _words() -> dict[str, str]:
    return {
        "on": _("Máy này nhận thông báo."),
        "off": _("Máy này không nhận thông báo nữa."),
        "unable": _("Trình duyệt này không nhận được thông báo. Xem bản tin tại trang này hoặc qua Atom."),
        "ios": _("Trên iPhone: chạm Chia sẻ, chọn “Thêm vào MH chính”, rồi mở từ màn hình chính."),
        "denied": _("Trình duyệt đang chặn thông báo của trang này. Mở lại trong cài đặt của trình duyệt."),
        "failed": _("Chưa bật được. Kiểm tra mạng rồi thử lại."),
    }


@require_POST
@public_page
def subscribe(request: Request) -> HttpResponse:
    """A browser asks to be told: its subscription as JSON."""
    if not limits.take(FROM_AN_ADDRESS, block_of(request), timezone.now()).allowed:
        return _problem(TooMany(_("Quá nhiều lần đăng ký từ mạng này."), way_out=_("Thử lại sau vài phút.")))
    told = _json(request)
    given = told.get("subscription")
    given = given if isinstance(given, dict) else {}
    pair = given.get("keys")
    secrets = pair if isinstance(pair, dict) else {}
    number = told.get("unit")
    unit = AdminUnit.objects.filter(pk=number).first() if type(number) is int and 0 < number < 2**63 else None
    try:
        # Not as who is signed in: nothing says whose browser it is.
        subscribing.subscribe(
            NOBODY,
            endpoint=given.get("endpoint"),
            p256dh=secrets.get("p256dh"),
            auth=secrets.get("auth"),
            language=str(told.get("language", "")),
            unit=unit,
        )
    except push.Invalid as wrong:
        return _problem(wrong)
    return JsonResponse({"state": "on"})


@require_POST
@public_page
def unsubscribe(request: Request) -> HttpResponse:
    """A browser asks not to be told any more."""
    subscribing.unsubscribe(NOBODY, endpoint=_json(request).get("endpoint"))
    return JsonResponse({"state": "off"})


def _json(request: Request) -> dict[str, Any]:
    try:
        told = json.loads(request.body[:8000])
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _problem(wrong: Any) -> HttpResponse:
    return JsonResponse(wrong.as_dict(), status=wrong.status)


@require_GET
@same_for_all
def worker(request: Request) -> HttpResponse:
    """The service worker that shows what was pushed."""
    found = finders.find("broadcasts/news/worker.js")
    assert isinstance(found, str)
    with open(found, encoding="utf-8") as file:  # noqa: PTH123 - found by the finder as text
        text = file.read()
    return HttpResponse(
        text, content_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"}
    )


@require_GET
@same_for_all
def manifest(request: Request) -> HttpResponse:
    """What a phone needs to put the news on its first screen, without which some show no notifications."""
    body = {
        "name": _("Bản tin của %(authority)s") % {"authority": public_files.authority()},
        "short_name": _("Bản tin"),
        "lang": "vi",
        "id": "/news/",
        "start_url": "/news/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#0b4a52",
        "icons": [
            {"src": static("khien/mark.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
        ],
    }
    return HttpResponse(
        json.dumps(body, ensure_ascii=False),
        content_type="application/manifest+json",
        headers={"Cache-Control": "public, max-age=3600"},
    )


app_name = "public"
urlpatterns = [
    path("news/", news, name="news"),
    path("news/en/", news, {"language": "en/"}, name="news_en"),
    path("news/atom.xml", news_feed, name="news_feed"),
    path("news/manifest.webmanifest", manifest, name="manifest"),
    path("news/<int:pk>/", article, name="article"),
    path("news/<int:pk>/en/", article, {"language": "en/"}, name="article_en"),
    path("alerts/", alerts, name="alerts"),
    path("alerts/en/", alerts, {"language": "en/"}, name="alerts_en"),
    path("alerts/atom.xml", alert_feed, {"kind": "atom"}, name="alerts_atom"),
    path("alerts/rss.xml", alert_feed, {"kind": "rss"}, name="alerts_rss"),
    path("alerts/<str:name>.cap.xml", alert, name="alert"),
    path("alerts/audio/<str:digest>.mp3", audio, name="audio"),
    path("push/", push_page, name="push"),
    path("push/subscribe/", subscribe, name="push_subscribe"),
    path("push/unsubscribe/", unsubscribe, name="push_unsubscribe"),
    path("push/sw.js", worker, name="push_worker"),
]
