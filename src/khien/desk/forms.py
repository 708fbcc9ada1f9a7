from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class PhoneForm(forms.Form):
    phone = forms.CharField(
        label=_("Số điện thoại di động"),
        max_length=30,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        help_text=_("Số đã đăng ký với trạm y tế, ví dụ 0912 345 678."),
    )


class CodeForm(forms.Form):
    code = forms.RegexField(
        r"^\s*(?:\d{6}|[A-Za-z2-9](?:[\s-]*[A-Za-z2-9]){9})\s*$",
        label=_("Mã trong tin nhắn"),
        error_messages={"invalid": _("Mã là sáu chữ số, hoặc mười chữ và số.")},
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters"}),
        help_text=_("Thường là sáu chữ số; có lúc là mười chữ và số."),
    )
    shared = forms.BooleanField(
        label=_("Máy này nhiều người dùng chung"),
        required=False,
        help_text=_("Tự thoát sau ít phút không dùng, và không nhớ máy."),
    )


class HelpForm(forms.Form):
    """What a member of staff says before they act for somebody."""

    task = forms.ChoiceField(label=_("Việc làm giúp"), widget=forms.RadioSelect)
    number = forms.CharField(
        label=_("Số trên giấy tờ người đó đưa xem"),
        required=False,
        max_length=30,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Chỉ để so với hồ sơ, không lưu lại."),
    )
    known = forms.BooleanField(
        label=_("Không có giấy tờ; tôi biết mặt hoặc có người làm chứng"), required=False
    )
    purpose = forms.CharField(
        label=_("Vì sao nhờ làm giúp"),
        max_length=120,
        help_text=_("Người đó đọc được dòng này, ví dụ: không có điện thoại."),
    )

    def __init__(self, *args: object, tasks: list[tuple[str, object]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["task"].choices = tasks  # type: ignore[attr-defined]
