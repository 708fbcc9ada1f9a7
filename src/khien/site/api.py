"""One machine API with one OpenAPI document; each room adds its router."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from ninja import NinjaAPI

from khien.kernel.doors.api import answer_problems

api = NinjaAPI(
    title="Khiên",
    version="1",
    description="Máy nói với máy: thiết bị chốt, phòng xét nghiệm, hệ thống khác.",
    docs_url=None,
    urls_namespace="api",
)
answer_problems(api)
for _app in settings.ROOMS:
    _module = import_module(f"{_app}.api")
    api.add_router(f"/{_app.rsplit('.', 1)[1]}", _module.router)
