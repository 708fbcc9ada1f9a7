"""Commune loudspeakers: the stations, what each is to play, and what it says that it played."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models.bulletins import READERS, BulletinVersion

KEEPERS = frozenset({Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR})
"""Who enters stations and gives out their tokens."""
OPERATORS = frozenset({Role.COMMUNE_OFFICER, Role.COMMUNICATION_OFFICER})
"""Who chooses the slots of a station and says what was read out at one without a network."""
REPORT_FAULTS = {
    "unknown_play": _("Không có bản tin này cho đài."),
    "bad_state": _("state phải là played hoặc not_played."),
    "bad_time": _("at không phải giờ ISO 8601."),
    "bad_times": _("times phải từ 1 đến 99."),
    "future_time": _("Giờ phát ở tương lai."),
    "before_it_had_it": _("Giờ phát trước khi đài nhận bản tin."),
    "cancelled": _("Bản tin đã hủy."),
    "played_after_cancel": _("Đài phát sau khi đã được báo hủy."),
    "contradiction": _("Đài đã báo phát, nay báo không phát."),
    "too_late": _("Phát sau khi bản tin hết hiệu lực."),
    "too_early": _("Phát trước giờ đã định."),
    "too_soon": _("Chưa đủ thời gian để phát hết bản tin."),
}
"""Why a report cannot be so."""


class Station(Scoped):
    """One commune loudspeaker system. Its token follows from a key outside the database (`token_key`) and
    `token_serial`."""

    scope_roles = READERS | OPERATORS

    class Kind(models.TextChoices):
        IP = "ip", _("Ứng dụng CNTT (IP)")
        FM = "fm", _("FM hoặc có dây: đọc hoặc mở tệp tại đài")

    class Way(models.TextChoices):
        PULL = "pull", _("Đài tự hỏi và lấy về")
        PUSH = "push", _("Gửi đến địa chỉ của đài")
        PAPER = "paper", _("Kịch bản in và tệp MP3")

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=2, choices=Kind.choices, default=Kind.IP)
    way = models.CharField(max_length=5, choices=Way.choices, default=Way.PULL)
    address = models.URLField(max_length=300, blank=True, help_text="where bulletins are pushed to")
    slots = models.JSONField(default=list, help_text='["05:30", "17:00"] on a Vietnamese clock')
    token_key = models.CharField(max_length=20, blank=True)
    token_serial = models.IntegerField(default=0)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, help_text="when it last asked or answered")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "name"], name="station_name_once"),
            models.CheckConstraint(condition=~Q(way="push") | ~Q(address=""), name="station_push_address"),
            models.CheckConstraint(condition=Q(kind="ip") | Q(way="paper"), name="station_fm_paper"),
        ]

    def __str__(self) -> str:
        return self.name


class Play(Scoped):
    """That a station is to play a version. `SENT` says that it has the bulletin, `PLAYED` only its own report that it
    was heard; nothing else does."""

    scope_unit = "station__unit"
    scope_roles = READERS | OPERATORS

    class Priority(models.IntegerChoices):
        EMERGENCY = 0, _("Khẩn cấp: phát ngay")
        PRIORITY = 1, _("Ưu tiên")
        NORMAL = 2, _("Thường")

    class State(models.TextChoices):
        WAITING = "waiting", _("Chờ gửi đến đài")
        SENDING = "sending", _("Đang gửi")
        SENT = "sent", _("Đài đã nhận")
        PLAYED = "played", _("Đã phát")
        NOT_PLAYED = "not_played", _("Không phát")
        CANCELLED = "cancelled", _("Đã hủy")

    station = models.ForeignKey(Station, models.PROTECT, related_name="plays")
    version = models.ForeignKey(BulletinVersion, models.PROTECT, related_name="plays")
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    rank = models.SmallIntegerField(default=0, help_text="order within a slot, the lower first")
    repeat = models.SmallIntegerField(default=1)
    due_at = models.DateTimeField(help_text="not played before")
    until = models.DateTimeField(help_text="not played after")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    code = models.CharField(max_length=40, blank=True, help_text="why not played, or why not sent so far")
    note = models.CharField(max_length=200, blank=True)
    attempts = models.SmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, help_text="real time")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, help_text="when the station had it first")
    played_at = models.DateTimeField(null=True)
    times = models.SmallIntegerField(default=0, help_text="how often, by its report")
    cancel_told_at = models.DateTimeField(null=True, help_text="when the station had heard of the cancelling")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["station", "version"], name="play_once"),
            models.CheckConstraint(condition=Q(repeat__gte=1, repeat__lte=10), name="play_repeat"),
            models.CheckConstraint(
                condition=~Q(state="played") | Q(played_at__isnull=False), name="play_played_at"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["station", "priority", "due_at"],
                condition=Q(state__in=["waiting", "sending", "sent"]),
                name="play_open",
            ),
            models.Index(fields=["version", "state"], name="play_version"),
        ]

    def __str__(self) -> str:
        return f"{self.station_id}/{self.version_id}: {self.state}"


class StationReport(Scoped):
    """What a station said, kept as it came. `code` says why it was held: it cannot be so, or contradicts what was
    said."""

    scope_unit = "station__unit"
    scope_roles = READERS | OPERATORS

    station = models.ForeignKey(Station, models.CASCADE, related_name="reports")
    play = models.ForeignKey(Play, models.CASCADE, null=True, related_name="reports")
    said = models.JSONField(help_text="the known fields of the row, shortened")
    digest = models.CharField(max_length=64)
    code = models.CharField(max_length=40, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["station", "digest"], name="station_report_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["received_at"], name="station_report_at")]

    def __str__(self) -> str:
        return f"{self.station_id}: {self.code or 'stored'}"

    @property
    def reason(self) -> str:
        """Why it was held, in words."""
        return str(REPORT_FAULTS.get(self.code, self.code))
