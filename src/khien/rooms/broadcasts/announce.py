"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.gateways.sms import sending
from khien.kernel.registries import (
    Holding,
    RetentionCheck,
    holdings,
    menu,
    person_panels,
    retention,
    retention_checks,
)
from khien.kernel.registries.registry import MenuEntry, PersonPanel, RetentionRule
from khien.kernel.staff import Actor, Role
from khien.rooms.broadcasts import channels, events, questions, reads, verbs
from khien.rooms.broadcasts.channels import announcing
from khien.rooms.broadcasts.channels.carrier_order import CarrierOrders
from khien.rooms.broadcasts.channels.sms import SmsChannel
from khien.rooms.broadcasts.models import READERS, SENDERS, Broadcast, Channel
from khien.rooms.broadcasts.reads import campaigns
from khien.rooms.broadcasts.verbs import audiences, carriers


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.BROADCAST_SETTLED
    assert events.CAMPAIGN_FINISHED
    if campaigns.is_stopped not in sending.stops:
        sending.stops.append(campaigns.is_stopped)
    channels.register(Channel.SMS, SmsChannel())
    menu.add("broadcasts.bulletins", MenuEntry(_("Bản tin"), "broadcasts:bulletins", READERS, 58))
    menu.add(
        "broadcasts.test_numbers",
        MenuEntry(_("Số điện thoại thử"), "broadcasts:test_numbers", frozenset({Role.ADMINISTRATOR}), 62),
    )
    menu.add("broadcasts.index", MenuEntry(_("Tin nhắn"), "broadcasts:index", Broadcast.scope_roles, 60))
    menu.add("broadcasts.campaigns", MenuEntry(_("Đợt gửi"), "broadcasts:campaigns", READERS, 62))
    menu.add(
        "broadcasts.templates",
        MenuEntry(
            _("Mẫu tin"),
            "broadcasts:templates",
            frozenset({Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR}),
            61,
        ),
    )
    person_panels.add(
        "broadcasts.messages", PersonPanel(_("Tin nhắn đã gửi"), "broadcasts/panel.html", _panel, 60)
    )
    retention.add(
        "broadcasts.messages", RetentionRule(_("Tin nhắn"), "retention.messages", verbs.forget_messages)
    )
    holdings.add("broadcasts.messages", Holding("broadcasts.messages", "broadcasts_broadcast", "created_at"))
    holdings.add("broadcasts.campaigns", Holding("broadcasts.messages", "broadcasts_campaign", "created_at"))
    holdings.add(
        "broadcasts.receipts", Holding("broadcasts.messages", "broadcasts_unmatchedreceipt", "received_at")
    )
    _announce_audiences()
    questions.announce()
    announcing.announce()


def _announce_audiences() -> None:
    channels.register(Channel.CARRIER_ORDER, CarrierOrders())
    menu.add("broadcasts.audiences", MenuEntry(_("Danh sách nhận"), "broadcasts:audiences", READERS, 62))
    menu.add("broadcasts.orders", MenuEntry(_("Lệnh cho nhà mạng"), "broadcasts:orders", READERS, 63))
    menu.add("broadcasts.carriers", MenuEntry(_("Nhà mạng"), "broadcasts:carriers", READERS, 64))
    menu.add("broadcasts.numbers", MenuEntry(_("Từ chối nhận tin"), "broadcasts:numbers", carriers.DESKS, 65))
    retention.add(
        "broadcasts.audiences",
        RetentionRule(_("Danh sách nhận tin"), "retention.messages", audiences.forget_audiences),
    )
    holdings.add(
        "broadcasts.audiences",
        Holding("broadcasts.audiences", "broadcasts_audience", "created_at", "forgotten_at IS NULL"),
    )
    retention.add(
        "broadcasts.numbers",
        RetentionRule(_("Số bị giữ, số ngừng hoạt động"), "retention.messages", carriers.forget_numbers),
    )
    holdings.add("broadcasts.ported", Holding("broadcasts.numbers", "broadcasts_portedintake", "at"))
    holdings.add("broadcasts.dead", Holding("broadcasts.numbers", "broadcasts_deadnumber", "at"))
    retention_checks.add(
        "broadcasts.audience_members", RetentionCheck("retention.messages", audiences.members_beyond)
    )


def _panel(actor: Actor, person_id: int) -> dict[str, Any] | None:
    if not actor.has(*SENDERS):
        return None
    return {"sent_messages": reads.messages_of(actor, person_id)}
