from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.staff import Actor, Role
from khien.kernel.staff.scope import within
from khien.kernel.units.models import AdminUnit


class AccountForm(forms.Form):
    """A new account."""

    username = forms.CharField(label=_("Tên đăng nhập"), max_length=60)
    full_name = forms.CharField(label=_("Họ tên"), max_length=120)
    phone = forms.CharField(label=_("Điện thoại"), max_length=16, required=False)
    password = forms.CharField(
        label=_("Mật khẩu lần đầu"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Ít nhất 10 ký tự; người dùng đổi ở lần đăng nhập đầu."),
    )


class GrantForm(forms.Form):
    """A role within one of the administrator's units."""

    role = forms.ChoiceField(label=_("Vai trò"), choices=Role.choices)
    unit = forms.ModelChoiceField(label=_("Đơn vị"), queryset=AdminUnit.objects.none(), empty_label="–")

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        units = AdminUnit.objects.filter(within(actor, "path", Role.ADMINISTRATOR))
        field = self.fields["unit"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = units.filter(during__contains=clock.today()).order_by("tier", "sort_key")


class ReasonForm(forms.Form):
    """Why a person decides so."""

    reason = forms.CharField(label=_("Lý do"), max_length=200)
