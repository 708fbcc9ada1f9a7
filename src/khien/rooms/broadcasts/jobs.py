"""Background work: sending, receipts, and the sweep that picks up what a dead worker left."""

from __future__ import annotations

from django.db import transaction
from procrastinate.contrib.django import app

from khien.gateways.sms import sending
from khien.gateways.sms.interface import SmsGateway
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts import verbs
from khien.rooms.broadcasts.channels import jobs as _of_channels  # noqa: F401 - a worker finds their tasks here
from khien.rooms.broadcasts.models import Broadcast, BulletinVersion, Recipient
from khien.rooms.broadcasts.reads import campaigns
from khien.rooms.broadcasts.sender import send_broadcast
from khien.rooms.broadcasts.verbs import dispatch as dispatching

RECEIPTS_AFTER_S = 5


@app.task(name="broadcasts.send", queue="messages")
def send(broadcast_id: int) -> None:
    """Send what is due of one broadcast; comes back for what the gateway put off."""
    if campaigns.is_stopped():
        return  # the sweep takes it up when the switch is back
    progress = send_broadcast(broadcast_id, sending.gateway())
    if progress.again_in_s is not None:
        send.configure(schedule_in={"seconds": max(1, round(progress.again_in_s))}).defer(
            broadcast_id=broadcast_id
        )
    if progress.sent:
        collect_receipts.configure(schedule_in={"seconds": RECEIPTS_AFTER_S}).defer()


@app.task(name="broadcasts.collect_receipts", queue="messages")
def collect_receipts() -> None:
    """Fetch receipts from a gateway that keeps them for us."""
    gateway = sending.gateway()
    while _collect_some(gateway):
        pass


def _collect_some(gateway: SmsGateway) -> bool:
    """In one transaction, so that what is handed out and what is applied are the same whatever happens between."""
    with transaction.atomic():
        receipts = gateway.receipts()
        if receipts:
            verbs.take_receipts(system_actor("broadcasts"), receipts=receipts)
    return bool(receipts)


@app.periodic(cron="* * * * *")
@app.task(name="broadcasts.sweep", queue="messages")
def sweep(timestamp: int) -> None:
    """Every minute: broadcasts with rows that wait or were left under way, receipts, bulletins whose time has come."""
    send_waiting()
    collect_receipts()
    verbs.rematch_receipts(system_actor("broadcasts"))
    dispatching.dispatch_waiting()


@app.task(name="broadcasts.dispatch", queue="messages")
def dispatch(version_id: int) -> None:
    """Start the channels of an approved bulletin."""
    dispatching.dispatch_version(BulletinVersion.objects.get(pk=version_id))


def send_waiting() -> None:
    """Send what is due of every broadcast that has rows waiting or left under way."""
    if campaigns.is_stopped():
        return
    left = Recipient.objects.filter(state__in=[Recipient.State.QUEUED, Recipient.State.SUBMITTING])
    for broadcast_id in Broadcast.objects.filter(pk__in=left.values("broadcast")).values_list(
        "pk", flat=True
    ):
        send_broadcast(broadcast_id, sending.gateway())
