from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from khien.gateways.sms.models import SimulatorBehaviour
from khien.gateways.sms.verbs import SHARES, WHOLE

_LABELS = {
    "seed": _("Số gieo: cùng số thì lỗi xảy ra như nhau"),
    "refused": _("Tỷ lệ bị từ chối"),
    "throttled": _("Tỷ lệ bị hoãn vì gửi quá nhanh"),
    "throttled_times": _("Mỗi tin bị hoãn mấy lần"),
    "answer_lost": _("Tỷ lệ mất câu trả lời (tin đã đến máy)"),
    "request_lost": _("Tỷ lệ mất tin (không đến, không trả lời)"),
    "undelivered": _("Tỷ lệ máy không nhận được"),
    "receipt_missing": _("Tỷ lệ không có báo nhận"),
    "receipt_twice": _("Tỷ lệ báo nhận hai lần"),
    "receipt_late": _("Tỷ lệ báo nhận trễ"),
    "delay_ms": _("Mỗi tin chậm bao nhiêu mili giây"),
    "receipt_delay_s": _("Báo nhận sau bao nhiêu giây"),
    "receipt_late_s": _("Báo nhận trễ thêm bao nhiêu giây"),
}


class BehaviourForm(forms.ModelForm):
    class Meta:
        model = SimulatorBehaviour
        fields = [*SHARES, *WHOLE]
        labels = _LABELS

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for field in self.fields.values():
            field.help_text = ""
        for name in SHARES:
            self.fields[name].widget = forms.NumberInput(attrs={"min": 0, "max": 1, "step": "any"})
