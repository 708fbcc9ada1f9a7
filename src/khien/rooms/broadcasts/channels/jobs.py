"""Background work of the channels, and of what people write to us."""

from __future__ import annotations

from django.db import transaction
from procrastinate.contrib.django import app

from khien.gateways.sms.smpp import store
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts import public_files
from khien.rooms.broadcasts.channels import loudspeakers, push
from khien.rooms.broadcasts.models import PushRun
from khien.rooms.broadcasts.verbs.replies import InboundSms, take_inbound

AT_ONCE = 200


def fetch_replies() -> int:
    """Take in what has come over SMPP; returns how many texts. In one transaction with their handing out, so that none
    is lost and none is taken twice."""
    taken = 0
    while True:
        with transaction.atomic():
            replies = store.hand_out_replies(AT_ONCE)
            if replies:
                texts = [
                    InboundSms("smpp", reply.id, reply.number, reply.text, reply.address, reply.at)
                    for reply in replies
                ]
                take_inbound(system_actor("sms gateway"), messages=texts)
        taken += len(replies)
        if not replies:
            return taken


@app.task(name="broadcasts.push_to_stations", queue="messages", queueing_lock="broadcasts.stations")
def push_to_stations() -> None:
    """Push bulletins to stations; comes back for what they did not take."""
    again_s = loudspeakers.push_due()
    if again_s is not None:
        # The minute's own run may be waiting already: then it is that one which comes back.
        later(push_to_stations, again_s)


@app.task(name="broadcasts.push_to_browsers", queue="messages")
def push_to_browsers(run_id: int) -> None:
    """Tell browsers of one version; comes back for those whose push service was busy."""
    again_s = push.send_run(run_id)
    if again_s is not None:
        later(push_to_browsers, again_s, run_id=run_id)


@app.periodic(cron="* * * * *")
@app.task(name="broadcasts.sweep_channels", queue="messages")
def sweep_channels(timestamp: int) -> None:
    """Every minute: stations whose hour has come, runs whose job has died, files that were not written."""
    public_files.write_due()
    loudspeakers.push_due()
    for run_id in PushRun.objects.filter(state=PushRun.State.RUNNING).values_list("pk", flat=True):
        push.send_run(run_id)


def later(task: object, seconds: float, **arguments: int) -> None:
    """Queue a task again after some seconds, unless it waits already."""
    from procrastinate.exceptions import AlreadyEnqueued

    try:
        with transaction.atomic():
            task.configure(schedule_in={"seconds": max(1, round(seconds))}).defer(**arguments)  # type: ignore[attr-defined]
    except AlreadyEnqueued:
        return


def at_once(task: object, **arguments: int) -> None:
    """Queue a task, unless it waits already."""
    from procrastinate.exceptions import AlreadyEnqueued

    try:
        with transaction.atomic():
            task.defer(**arguments)  # type: ignore[attr-defined]
    except AlreadyEnqueued:
        return
