"""Problems that people and programs meet: each names the field, the reason and the way out.

A door (page or API) catches `Problem` and nothing wider: whatever else is raised is a fault of ours.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Problem(Exception):
    """An act or a question refused, with what is wrong and how to mend it, in the reader's language.

    `code` is stable and documented for programs; `message` and `way_out` are translatable texts.
    """

    status = 422
    default_code = "invalid"

    def __init__(
        self,
        message: Text,
        *,
        field: str = "",
        way_out: Text = "",
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.way_out = way_out
        self.code = code or self.default_code

    def as_dict(self) -> dict[str, str]:
        """The same problem as plain texts, in the language that is active now."""
        return {
            "code": self.code,
            "field": self.field,
            "message": str(self.message),
            "way_out": str(self.way_out),
        }

    def __str__(self) -> str:
        return f"{self.message} {self.way_out}".strip()


class Invalid(Problem):
    """The input cannot be taken as it is."""


class Conflict(Problem):
    """The input is fine, but what is stored already forbids it."""

    status = 409
    default_code = "conflict"


class NotFound(Problem):
    """There is no such thing, or none that the actor may know of: the two are never told apart."""

    status = 404
    default_code = "not_found"

    def __init__(self, message: Text = _("Không tìm thấy."), **more: str) -> None:
        super().__init__(message, **more)


class NotAllowed(Problem):
    """The actor has not the role, or not in that unit."""

    status = 403
    default_code = "not_allowed"

    def __init__(
        self,
        message: Text = _("Tài khoản này không được làm việc đó."),
        *,
        way_out: Text = _("Nhờ quản trị viên của đơn vị cấp quyền nếu công việc cần."),
        **more: str,
    ) -> None:
        super().__init__(message, way_out=way_out, **more)
