"""All addresses: one prefix a room, the public pages at the root, one API."""

from __future__ import annotations

from django.conf import settings
from django.urls import include, path

from khien.site.api import api

handler404 = "khien.site.errors.not_found"

rooms = [
    path(f"{app.rsplit('.', 1)[1]}/", include(f"{app}.pages", namespace=app.rsplit(".", 1)[1]))
    for app in settings.ROOMS
]

urlpatterns = [
    path("", include("khien.desk.pages", namespace="desk")),
    path("", include("khien.rooms.broadcasts.pages.public", namespace="public")),
    path("desk/administration/", include("khien.desk.administration.pages", namespace="administration")),
    path("accounts/", include("allauth.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("api/v1/", api.urls),
    path("gateways/sms/", include("khien.gateways.sms.pages", namespace="sms")),
    *rooms,
]
