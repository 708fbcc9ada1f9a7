"""Texts with placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _

from khien.gateways.sms.text import normalise
from khien.kernel.errors import Invalid

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAX_LENGTH = 1000


def placeholders(text: str) -> set[str]:
    """The names in braces. Raises `Invalid` for braces that name nothing."""
    names = set(_PLACEHOLDER.findall(text))
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest or not all(re.fullmatch(r"[a-z_]+", name) for name in names):
        raise Invalid(
            _("Dấu ngoặc nhọn trong tin không đúng."),
            field="text",
            code="bad_placeholder",
            way_out=_("Viết chỗ cần điền là {ten}: chữ thường không dấu, mở và đóng ngoặc đủ."),
        )
    return names


def checked(text: str) -> str:
    """The text in NFC. Raises `Invalid` when it is empty or too long to be sent."""
    text = normalise(text)
    if not text:
        raise Invalid(_("Tin chưa có nội dung."), field="text", way_out=_("Viết nội dung tin."))
    if len(text) > MAX_LENGTH:
        raise Invalid(
            _("Tin dài quá %(limit)d ký tự.") % {"limit": MAX_LENGTH},
            field="text",
            way_out=_("Rút ngắn tin."),
        )
    return text


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled once (a value that contains braces is left alone)."""
    return checked(_PLACEHOLDER.sub(lambda found: values[found[1]], text))
