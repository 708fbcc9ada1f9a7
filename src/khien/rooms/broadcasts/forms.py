from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from khien.rooms.broadcasts.composing import MAX_LENGTH
from khien.rooms.broadcasts.models import Recipient


class BroadcastFilter(forms.Form):
    """Which broadcasts are shown; it stands in the address."""

    purpose = forms.ChoiceField(required=False)
    state = forms.ChoiceField(
        label=_("Trạng thái"),
        required=False,
        choices=[("", _("Tất cả")), ("open", _("Đang gửi")), ("settled", _("Xong"))],
    )

    def __init__(self, *args: Any, purposes: dict[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        choices = [("", _("Tất cả")), *purposes.items()]
        self.fields["purpose"] = forms.ChoiceField(label=_("Mục đích"), required=False, choices=choices)


class RowFilter(forms.Form):
    """Which rows of one broadcast are shown."""

    state = forms.ChoiceField(
        label=_("Trạng thái"), required=False, choices=[("", _("Tất cả")), *Recipient.State.choices]
    )


class TemplateForm(forms.Form):
    text = forms.CharField(
        label=_("Nội dung"), max_length=MAX_LENGTH, widget=forms.Textarea(attrs={"rows": 5})
    )
