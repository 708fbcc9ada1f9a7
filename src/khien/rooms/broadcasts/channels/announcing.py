"""What the channels tell the rest of the house when it starts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import Holding, Tick, holdings, menu, retention, ticks
from khien.kernel.registries.registry import MenuEntry, RetentionRule
from khien.rooms.broadcasts.channels import jobs, loudspeakers, publishing, push, register
from khien.rooms.broadcasts.models import OPERATORS, READERS, TRIAGE, Channel
from khien.rooms.broadcasts.verbs import forgetting


def announce() -> None:
    """Fill the registries; called once by the app."""
    register(Channel.ARTICLE, publishing.ArticleChannel(), corrects=True)
    register(Channel.CAP, publishing.CapChannel(), corrects=True)
    register(Channel.LOUDSPEAKER, loudspeakers.LoudspeakerChannel())
    register(Channel.PUSH, push.PushChannel())
    menu.add("broadcasts.inbound", MenuEntry(_("Tin dân nhắn đến"), "broadcasts:inbound", TRIAGE, 62))
    menu.add(
        "broadcasts.stations",
        MenuEntry(_("Loa truyền thanh"), "broadcasts:stations", READERS | OPERATORS, 63),
    )
    menu.add("broadcasts.outlets", MenuEntry(_("Đã công bố"), "broadcasts:articles", READERS, 64))
    ticks.add("broadcasts.replies", Tick(jobs.fetch_replies, 1.0, "texts from phones that came over SMPP"))
    rule = "retention.messages"
    retention.add("broadcasts.inbound", RetentionRule(_("Tin dân nhắn đến"), rule, forgetting.forget_inbound))
    retention.add("broadcasts.plays", RetentionRule(_("Lịch phát loa"), rule, forgetting.forget_plays))
    retention.add("broadcasts.push", RetentionRule(_("Đăng ký thông báo"), rule, forgetting.forget_push))
    holdings.add(
        "broadcasts.inbound", Holding("broadcasts.inbound", "broadcasts_inboundmessage", "received_at")
    )
    holdings.add("broadcasts.reports", Holding("broadcasts.plays", "broadcasts_stationreport", "received_at"))
    holdings.add("broadcasts.plays", Holding("broadcasts.plays", "broadcasts_play", "until"))
    holdings.add(
        "broadcasts.push",
        Holding("broadcasts.push", "broadcasts_pushrun", "started_at", "state <> 'running'"),
    )
    holdings.add(
        "broadcasts.subscriptions", Holding("broadcasts.push", "broadcasts_pushsubscription", "since")
    )
