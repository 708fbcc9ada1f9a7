"""Templates of bulletins, each change a version of its own, and the fixed list of phones for tests."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from khien.gateways.sms.text import normalise
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.people.phones import to_e164
from khien.kernel.staff import Actor, Role
from khien.rooms.broadcasts import composing
from khien.rooms.broadcasts.models import BulletinTemplate, BulletinTemplateVersion, TestNumber

KEEPERS = (Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR)


@verb(*KEEPERS)
def write_bulletin_template(
    actor: Actor, *, code: str, name: str, title: str, body: str, sms: str = "", number: int = 0
) -> BulletinTemplateVersion:
    """A new wording for the template of that code, which is made when there is none. `number` is the version that was
    open (0 for a new template): raises `Conflict` when another one has been written since."""
    name, title, body, sms = normalise(name), normalise(title), normalise(body), normalise(sms)
    if not re.fullmatch(r"[a-z0-9_]{2,40}", code):
        raise Invalid(
            _("Mã mẫu không đúng."), field="code", way_out=_("Chữ thường không dấu, số và gạch dưới.")
        )
    for field, text in (("name", name), ("title", title), ("body", body)):
        if not text:
            raise Invalid(_("Không được để trống."), field=field, way_out=_("Viết vào ô này."))
    for field, text, limit in (("name", name, 120), ("title", title, 160), ("body", body, 10_000)):
        if len(text) > limit:
            raise Invalid(
                _("Dài quá %(limit)d ký tự.") % {"limit": limit}, field=field, way_out=_("Rút ngắn.")
            )
    for field, text in (("title", title), ("body", body), ("sms", sms)):
        try:
            composing.placeholders(text)
            if field == "sms" and text:
                composing.checked(text)
        except Invalid as problem:
            raise Invalid(
                problem.message, field=field, code=problem.code, way_out=problem.way_out
            ) from problem
    template = BulletinTemplate.objects.select_for_update().filter(code=code).first()
    if template is None:
        template = BulletinTemplate.objects.create(code=code, name=name)
    newest = template.versions.order_by("-number").first()
    if (newest.number if newest else 0) != number:
        raise Conflict(
            _("Mẫu này vừa được người khác sửa, hoặc mã đã có."),
            way_out=_("Mở lại mẫu, xem bản mới rồi sửa tiếp."),
        )
    if newest is not None and (template.name, newest.title, newest.body, newest.sms) == (
        name,
        title,
        body,
        sms,
    ):
        unchanged()
        return newest
    template.name, template.is_retired = name, False
    template.save(update_fields=["name", "is_retired"])
    row = BulletinTemplateVersion.objects.create(
        template=template, number=number + 1, title=title, body=body, sms=sms, at=clock.now(), by=actor.id
    )
    record(actor, row, code=code, number=row.number)
    return row


@verb(*KEEPERS)
def retire_bulletin_template(actor: Actor, *, code: str) -> None:
    """Offer it no longer; bulletins that came from it keep saying so. Writing it anew brings it back."""
    template = BulletinTemplate.objects.select_for_update().filter(code=code).first()
    if template is None:
        raise NotFound(_("Không có mẫu này."))
    if template.is_retired:
        unchanged()
        return
    template.is_retired = True
    template.save(update_fields=["is_retired"])
    record(actor, template, code=code)


@verb(Role.ADMINISTRATOR)
def add_test_number(actor: Actor, *, number: str, holder: str) -> TestNumber:
    """Put a phone on the fixed list; `holder` says whose it is. Raises `Invalid` for what cannot receive messages."""
    holder = normalise(holder)
    if not holder or len(holder) > 80:
        raise Invalid(_("Ghi số này của ai."), field="holder", way_out=_("Tên phòng hoặc người giữ máy."))
    phone = to_e164(number, field="number")
    row, made = TestNumber.objects.get_or_create(
        number=phone, defaults={"holder": holder, "added_at": clock.now(), "added_by": actor.id}
    )
    if not made and row.holder == holder:
        unchanged()
        return row
    row.holder = holder
    row.save(update_fields=["holder"])
    record(actor, f"broadcasts.testnumber:{row.number[-3:]}", count=TestNumber.objects.count())
    return row


@verb(Role.ADMINISTRATOR)
def remove_test_number(actor: Actor, *, number: str) -> None:
    """Take a phone off the list."""
    gone, _rows = TestNumber.objects.filter(number=number).delete()
    if not gone:
        unchanged()
        return
    record(actor, f"broadcasts.testnumber:{number[-3:]}", count=TestNumber.objects.count())
