from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import deriving, wording
from khien.rooms.broadcasts.composing import MAX_LENGTH
from khien.rooms.broadcasts.deriving import Slot, Text
from khien.rooms.broadcasts.models import Audience, BulletinVersion, Channel, ChannelText, Recipient
from khien.rooms.broadcasts.verbs.bulletins import LONGEST_BODY, Draft


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


_MOMENT = "%Y-%m-%dT%H:%M"


def _moment(label: Any, *, required: bool, help_text: Any = "") -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        required=required,
        help_text=help_text,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT),
    )


class BulletinFilter(forms.Form):
    """Which bulletins are shown; it stands in the address."""

    state = forms.ChoiceField(
        label=_("Trạng thái"), required=False, choices=[("", _("Tất cả")), *BulletinVersion.State.choices]
    )


class WordsForm(forms.Form):
    """What every bulletin says, and on which channels."""

    title = forms.CharField(label=_("Tiêu đề"), max_length=160)
    body = forms.CharField(
        label=_("Nội dung"),
        max_length=LONGEST_BODY,
        help_text=_("Cách đoạn bằng một dòng trống. Đoạn cuối: người dân cần làm gì."),
        widget=forms.Textarea(attrs={"rows": 9}),
    )
    channels = forms.MultipleChoiceField(label=_("Kênh"), required=False, widget=forms.CheckboxSelectMultiple)
    expires_at = _moment(_("Hết hiệu lực lúc"), required=True)

    def __init__(self, *args: Any, offered: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["channels"].choices = [(key, label) for key, label in Channel.choices if key in offered]  # type: ignore[attr-defined]


class NewBulletinForm(WordsForm):
    """The beginning of a bulletin; with a template its gaps instead of title and body. `emergency`: the short form."""

    unit = forms.ModelChoiceField(label=_("Cho người dân ở"), queryset=AdminUnit.objects.none())
    field_order = ("unit", "title", "body", "channels", "expires_at")

    def __init__(
        self, *args: Any, units: Any, names: Sequence[str] = (), emergency: bool = False, **more: Any
    ) -> None:
        offered = more["offered"]
        chosen = offered if emergency else [Channel.SMS, Channel.ARTICLE]
        hours = 24 if emergency else 24 * 7
        more["initial"] = {
            "channels": [key for key in chosen if key in offered],
            "expires_at": clock.now() + timedelta(hours=hours),
            **(more.get("initial") or {}),
        }
        super().__init__(*args, **more)
        self.fields["unit"].queryset = units  # type: ignore[attr-defined]
        self.fields["unit"].label_from_instance = lambda unit: unit.full_name  # type: ignore[attr-defined]
        self.emergency = emergency
        self.names = list(names)
        if names:
            del self.fields["title"], self.fields["body"]
            for name in names:
                self.fields[f"value-{name}"] = forms.CharField(
                    label=f"{{{name}}}", required=False, max_length=300
                )
            self.order_fields(["unit", *(f"value-{name}" for name in names), "channels", "expires_at"])

    def draft(self) -> Draft:
        given = self.cleaned_data
        return Draft(
            title=given.get("title", ""),
            body=given.get("body", ""),
            channels=tuple(given["channels"]),
            expires_at=given["expires_at"],
            is_emergency=self.emergency,
            urgency="Immediate" if self.emergency else "Expected",
            severity="Severe" if self.emergency else "Moderate",
        )

    def values(self) -> dict[str, str]:
        return {name: self.cleaned_data.get(f"value-{name}", "") for name in self.names}


class DraftForm(WordsForm):
    """All of a draft but the texts of its channels. `edits` is how often it had been saved when it was opened."""

    edits = forms.IntegerField(widget=forms.HiddenInput)
    contact = forms.CharField(
        label=_("Liên hệ"), max_length=160, required=False, help_text=_("Ví dụ: Đường dây nóng 1900 9095.")
    )
    languages = forms.MultipleChoiceField(
        label=_("Ngôn ngữ"), choices=list(wording.LANGUAGES.items()), widget=forms.CheckboxSelectMultiple
    )
    effective_at = _moment(_("Có hiệu lực từ"), required=False, help_text=_("Để trống: ngay khi được duyệt."))
    plain_sms = forms.BooleanField(label=_("Tôi đồng ý gửi SMS không dấu"), required=False)
    category = forms.ChoiceField(label=_("Loại tin"), choices=list(wording.CATEGORIES.items()))
    urgency = forms.ChoiceField(label=_("Mức gấp"), choices=list(wording.URGENCIES.items()))
    severity = forms.ChoiceField(label=_("Mức nghiêm trọng"), choices=list(wording.SEVERITIES.items()))
    certainty = forms.ChoiceField(label=_("Mức chắc chắn"), choices=list(wording.CERTAINTIES.items()))
    policy = forms.ChoiceField(
        label=_("Tin không rõ đã gửi hay chưa"), choices=BulletinVersion.Policy.choices
    )
    is_emergency = forms.BooleanField(
        label=_("Tin khẩn cấp: hai người duyệt, gửi cả ban đêm và cả người đã từ chối nhận tin"),
        required=False,
    )

    def draft(self) -> Draft:
        given = {name: value for name, value in self.cleaned_data.items() if name != "edits"}
        return Draft(
            **{**given, "channels": tuple(given["channels"]), "languages": tuple(given["languages"])}
        )

    @staticmethod
    def initial_of(version: BulletinVersion) -> dict[str, Any]:
        """What stands in a version, as the form takes it."""
        names = [*DraftForm.base_fields]
        return {name: getattr(version, name) for name in names}


class ChannelTextForm(forms.Form):
    """What a draft says in one channel and language; `anew` takes it back to what is made from the bulletin."""

    title = forms.CharField(label=_("Tiêu đề"), max_length=160, required=False)
    text = forms.CharField(
        label=_("Nội dung"), max_length=LONGEST_BODY, required=False, widget=forms.Textarea(attrs={"rows": 6})
    )
    instruction = forms.CharField(
        label=_("Hướng dẫn người dân"),
        max_length=LONGEST_BODY,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    anew = forms.BooleanField(label=_("Bỏ bản sửa riêng, lấy lại từ bản tin"), required=False)

    def __init__(self, *args: Any, row: ChannelText, **more: Any) -> None:
        self.row = row
        self.slot = Slot(row.channel, row.language)
        more["prefix"] = f"text-{row.channel}-{row.language}"
        more["initial"] = {"title": row.title, "text": row.text, "instruction": row.instruction}
        super().__init__(*args, **more)
        if row.channel not in (Channel.ARTICLE, Channel.CAP, Channel.PUSH):
            del self.fields["title"]
        if row.channel != Channel.CAP:
            del self.fields["instruction"]
        if not row.is_edited:
            del self.fields["anew"]
        if row.channel in deriving.SMS_CHANNELS:
            self.fields["text"].widget.attrs["data-sms"] = "yes"

    def given(self) -> Text | None:
        """None: made anew from the bulletin."""
        if self.cleaned_data.get("anew"):
            return None
        return Text(
            self.cleaned_data.get("title", ""),
            self.cleaned_data["text"],
            self.cleaned_data.get("instruction", ""),
        )


class AudienceChoice(forms.Form):
    """Which of the described audiences gets the SMS."""

    audience = forms.ModelChoiceField(
        label=_("Danh sách nhận"),
        queryset=Audience.objects.none(),
        required=False,
        empty_label=_("Chưa chọn"),
    )
    edits = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, offered: Sequence[Audience], **more: Any) -> None:
        super().__init__(*args, **more)
        field: Any = self.fields["audience"]
        field.queryset = Audience.objects.filter(pk__in=[row.pk for row in offered])
        field.label_from_instance = audience_name


def audience_name(row: Audience) -> str:
    """What an audience is called in a choice."""
    from khien.kernel import registries

    known = getattr(registries, "registers", None)
    label: Any = row.register
    if known is not None:
        label = dict(known.items()).get(row.register)
        label = getattr(label, "label", row.register)
    return f"{label} · {row.unit.full_name} · #{row.pk}"


class RecordingForm(forms.Form):
    sound = forms.FileField(
        label=_("Tệp MP3 hoặc WAV"), widget=forms.ClearableFileInput(attrs={"accept": "audio/*"})
    )


class ApproveForm(forms.Form):
    """The approver's word, bound to what the page showed."""

    content_hash = forms.CharField(widget=forms.HiddenInput)
    audience_hash = forms.CharField(widget=forms.HiddenInput, required=False)
    has_listened = forms.BooleanField(label=_("Tôi đã nghe hết bản phát thanh"), required=False)
    at_night = forms.BooleanField(
        label=_("Gấp: gửi SMS và phát loa cả trong giờ yên tĩnh ban đêm"), required=False
    )
    password = forms.CharField(
        label=_("Mật khẩu của bạn"), widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Lý do"), max_length=400, widget=forms.Textarea(attrs={"rows": 3}))


class AfterReviewForm(forms.Form):
    was_right = forms.TypedChoiceField(
        label=_("Dùng đường khẩn cấp có đúng không?"),
        choices=[("yes", _("Đúng")), ("no", _("Không đúng"))],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    finding = forms.CharField(label=_("Nhận xét"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))


class BulletinTemplateForm(forms.Form):
    code = forms.SlugField(
        label=_("Mã"), max_length=40, help_text=_("Chữ thường không dấu, số và gạch dưới.")
    )
    name = forms.CharField(label=_("Tên"), max_length=120)
    title = forms.CharField(label=_("Tiêu đề"), max_length=160)
    body = forms.CharField(
        label=_("Nội dung"), max_length=LONGEST_BODY, widget=forms.Textarea(attrs={"rows": 8})
    )
    sms = forms.CharField(
        label=_("Tin SMS"),
        required=False,
        max_length=MAX_LENGTH,
        help_text=_("Để trống: rút từ tiêu đề và nội dung."),
        widget=forms.Textarea(attrs={"rows": 4, "data-sms": "yes"}),
    )
    number = forms.IntegerField(widget=forms.HiddenInput, initial=0)


class TestNumberForm(forms.Form):
    number = forms.CharField(
        label=_("Số điện thoại"), max_length=20, widget=forms.TextInput(attrs={"inputmode": "tel"})
    )
    holder = forms.CharField(label=_("Của ai"), max_length=80)
