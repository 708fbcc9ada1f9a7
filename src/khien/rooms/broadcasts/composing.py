"""Texts with placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _

from khien.gateways.sms.text import normalise
from khien.kernel.errors import Invalid
from khien.rooms.broadcasts.models import BulletinTemplateVersion

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


def placeholder_list(text: str) -> list[str]:
    """The names in braces in the order in which they stand, each once."""
    placeholders(text)
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


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


def fill_template(template: BulletinTemplateVersion, values: Mapping[str, str]) -> tuple[str, str, str]:
    """Title, body and SMS of a template with its placeholders filled, each once.

    Raises `Invalid` (`missing_value`) for one in title or body without a value, and (`braces_in_value`) for a value
    with braces, which would be taken for a placeholder later. In the SMS a placeholder without a value stays.
    """
    given = {name: normalise(value) for name, value in values.items() if normalise(value)}
    needed = placeholders(template.title) | placeholders(template.body)
    missing = sorted(needed - set(given))
    if missing:
        raise Invalid(
            _("Chưa điền %(names)s.") % {"names": ", ".join(missing)},
            field=f"value-{missing[0]}",
            code="missing_value",
            way_out=_("Điền đủ các chỗ trống của mẫu."),
        )
    for name, value in given.items():
        if "{" in value or "}" in value:
            raise Invalid(
                _("Chỗ điền %(name)s không được có dấu ngoặc nhọn.") % {"name": name},
                field=f"value-{name}",
                code="braces_in_value",
                way_out=_("Viết bằng ngoặc tròn, hoặc viết thẳng điều muốn nói."),
            )

    def filled(text: str) -> str:
        return normalise(_PLACEHOLDER.sub(lambda found: given.get(found[1], found[0]), text))

    placeholders(template.sms)
    return filled(template.title), filled(template.body), filled(template.sms)


def sample(text: str) -> str:
    """A text whose placeholders are filled for each receiver, as it is shown and tested: names instead of values."""
    placeholders(text)
    return checked(_PLACEHOLDER.sub(lambda found: found[1].upper().replace("_", " "), text))
