"""Machine doors: tokens of devices, sessions of staff, one shape for every error."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer, SessionAuth

from khien.kernel.errors import Problem
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.reads import actor_of_account, actor_of_device_token


class ProblemOut(Schema):
    """What is wrong, where, and the way out, in the language of `Accept-Language` (vi or en)."""

    code: str
    field: str
    message: str
    way_out: str


PROBLEMS: dict[int, Any] = {
    401: ProblemOut,
    403: ProblemOut,
    404: ProblemOut,
    409: ProblemOut,
    422: ProblemOut,
}
"""Declare as `response={200: Answer, **PROBLEMS}` on every operation."""


class DeviceAuth(HttpBearer):
    """`Authorization: Bearer <device token>`; the request's actor becomes the device."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        actor = actor_of_device_token(token)
        if actor is not None:
            request.actor = actor  # type: ignore[attr-defined]
        return actor


class StaffAuth(SessionAuth):
    """The session of a signed-in member of staff, with CSRF protection."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        if not request.user.is_authenticated:
            return None
        actor = actor_of_account(request.user)
        request.actor = actor  # type: ignore[attr-defined]
        return actor


def answer_problems(api: NinjaAPI) -> None:
    """Give every error of `api` the shape of `ProblemOut`."""

    @api.exception_handler(Problem)
    def problem(request: HttpRequest, fault: Problem) -> HttpResponse:
        return api.create_response(request, fault.as_dict(), status=fault.status)

    @api.exception_handler(ValidationError)
    def malformed(request: HttpRequest, fault: ValidationError) -> HttpResponse:
        first = fault.errors[0] if fault.errors else {"loc": (), "msg": ""}
        body = {
            "code": "malformed",
            "field": ".".join(str(part) for part in first["loc"]),
            "message": _("Dữ liệu gửi lên không đúng mẫu: %(reason)s") % {"reason": first["msg"]},
            "way_out": _("Xem mô tả của cửa này trong /api/v1/openapi.json."),
        }
        return api.create_response(request, body, status=422)

    @api.exception_handler(HttpError)
    def refused(request: HttpRequest, fault: HttpError) -> HttpResponse:
        # Ninja's own refusals: above all a session that comes without its CSRF token.
        body = {
            "code": "refused",
            "field": "",
            "message": _("Yêu cầu bị từ chối: %(reason)s.") % {"reason": fault.message},
            "way_out": _("Gửi kèm cookie csrftoken và đầu mục X-CSRFToken, hoặc dùng mã của thiết bị."),
        }
        return api.create_response(request, body, status=fault.status_code)

    @api.exception_handler(AuthenticationError)
    def unknown(request: HttpRequest, fault: AuthenticationError) -> HttpResponse:
        body = {
            "code": "not_signed_in",
            "field": "Authorization",
            "message": _("Chưa đăng nhập, hoặc thiết bị đã bị thu hồi."),
            "way_out": _("Đăng nhập lại, hoặc ghi danh lại thiết bị bằng mã một lần."),
        }
        return api.create_response(request, body, status=401)
