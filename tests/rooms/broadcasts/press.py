"""A press office for the tests of bulletins: who writes, who approves, channels that only note what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from khien.gateways.sms import sending
from khien.gateways.sms.models import SimulatorBehaviour
from khien.gateways.speech.interface import Recording
from khien.kernel import clock
from khien.kernel.errors import Conflict
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Actor, Role, system_actor
from khien.kernel.staff.models import Account
from khien.kernel.staff.reads import actor_of_account
from khien.rooms.broadcasts import channels, confirming, models
from khien.rooms.broadcasts.channels.sms import SmsChannel
from khien.rooms.broadcasts.models import Audience, BulletinVersion, Channel
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.sender import send_broadcast
from khien.rooms.broadcasts.verbs import approving, bulletins
from khien.rooms.broadcasts.verbs import campaigns as sending_campaigns
from khien.rooms.broadcasts.verbs.bulletins import Draft
from tests.factories import NOON, make_account, make_province, make_unit

PASSWORD = "mat-khau-thu-nghiem"
BODY = (
    "Ngày 12/1, trạm y tế phường tiêm vắc-xin mũi 3 cho người từ 18 tuổi.\n\n"
    "Mang theo căn cước công dân. Ai đang sốt thì chưa đến tiêm."
)


class Noted:
    """A channel that notes what it is told and can be made to refuse."""

    def __init__(self, key: str, heard: list[tuple[str, str, int]]) -> None:
        self.key, self.heard = key, heard
        self.refuses = ""

    def start(self, version: BulletinVersion) -> None:
        self._hear("start", version)

    def cancel(self, version: BulletinVersion) -> None:
        self._hear("cancel", version)

    def state(self, version: BulletinVersion) -> channels.ChannelState:
        return channels.ChannelState("Đã phát", (channels.Count("Trạm", 3),), url=f"/noted/{version.pk}/")

    def _hear(self, act: str, version: BulletinVersion) -> None:
        if self.refuses:
            raise Conflict(self.refuses)
        self.heard.append((act, self.key, version.number))


class Press(SimpleNamespace):
    """A commune with an author and two leaders of its province; now is noon."""

    def actor(self, account: Account) -> Actor:
        return actor_of_account(account)

    def draft(self, **more: Any) -> Draft:
        given: dict[str, Any] = {
            "title": "Tiêm vắc-xin ngày 12/1",
            "body": BODY,
            "channels": ("sms", "article"),
            "expires_at": clock.now() + timedelta(days=3),
            **more,
        }
        return Draft(**given)

    def write(self, **more: Any) -> BulletinVersion:
        return bulletins.create_bulletin(self.author, unit=self.commune, draft=self.draft(**more))

    def audience(self, people: int = 3, *, values: str = "null", **more: Any) -> Audience:
        """An audience that will have so many members when it is frozen."""
        row = Audience.objects.create(
            unit=more.pop("unit", self.commune),
            register="test",
            units=[self.commune.pk],
            created_at=clock.now(),
            **more,
        )
        self.sizes[row.pk] = (people, values)
        return row

    def choose(self, version: BulletinVersion, audience: Audience | None = None) -> BulletinVersion:
        return bulletins.choose_audience(
            self.author, version=version, edits=version.edits, audience=audience or self.audience()
        )

    def test(self, version: BulletinVersion) -> None:
        """Send the test and have the gateway take it."""
        sent = bulletins.send_test(self.author, version=version)
        send_broadcast(sent.broadcast_id, sending.gateway())

    def ready(self, **more: Any) -> BulletinVersion:
        """A draft that lacks nothing."""
        version = self.write(**more)
        if Channel.SMS in version.channels:
            version = self.choose(version)
        if reads.sms_row(version) is not None:
            self.test(version)
        return version

    def submitted(self, **more: Any) -> BulletinVersion:
        version = self.ready(**more)
        return bulletins.submit_bulletin(self.author, version=version, edits=version.edits)

    def see(self, version: BulletinVersion, account: Account) -> None:
        for what in reads.to_see(version):
            approving.note_seen(self.actor(account), version=version, what=what)

    def approve(self, version: BulletinVersion, account: Account, **more: Any) -> models.Approval:
        audience = reads.audience(version)
        actor = self.actor(account)
        given = {
            "content_hash": version.content_hash,
            "audience_hash": audience.hash if audience else "",
            "has_listened": True,
            "at_night": False,
            "proof": confirming.prove(actor, PASSWORD),
            **more,
        }
        return approving.approve_bulletin(actor, version=version, **given)

    def approved(self, **more: Any) -> BulletinVersion:
        version = self.submitted(**more)
        self.see(version, self.leader)
        self.approve(version, self.leader)
        version.refresh_from_db()
        return version

    def freeze(self, actor: Actor, audience: Audience, names: set[str]) -> Audience:
        """As the audience's own verb fixes it, without a register behind it."""
        people, values = self.sizes[audience.pk]
        part = f"broadcasts_audiencemember_{audience.pk}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE {part} PARTITION OF broadcasts_audiencemember FOR VALUES IN ({audience.pk})"
            )
            cursor.execute(
                f"INSERT INTO {part} (audience_id, seq, phone, carrier_id, unit_id, values)"
                " SELECT %s, n, '+8491200' || (1000 + n), 1, %s, %s::jsonb FROM generate_series(1, %s) AS n",
                [audience.pk, self.commune.pk, values, people],
            )
        audience.frozen_at, audience.count, audience.hash = clock.now(), people, f"{audience.pk:064d}"
        audience.save()
        return audience

    def client(self, account: Account) -> Client:
        client = Client()
        client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client


class NotedCampaigns:
    """What the SMS channel asks the campaigns for."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []

    def create(self, actor: Actor, **given: Any) -> None:
        self.made.append(given)


def furnish(monkeypatch: pytest.MonkeyPatch) -> Iterator[Press]:
    with clock.reads.frozen_at(NOON):
        rules.load_seed(system_actor("test"))
        province, _district, commune = make_province()
        heard: list[tuple[str, str, int]] = []
        campaigns = NotedCampaigns()
        monkeypatch.setattr(sending_campaigns, "create_campaign", campaigns.create)
        noted = {key: Noted(key, heard) for key in ("article", "cap", "loudspeaker", "push", "carrier_order")}
        monkeypatch.setattr(channels, "_channels", {**noted, "sms": SmsChannel()})
        monkeypatch.setattr(channels, "_correcting", {"cap"})
        SimulatorBehaviour.objects.update_or_create(pk=1, defaults={"receipt_delay_s": 0})
        author = make_account(Role.COMMUNICATION_OFFICER, commune)
        house = Press(
            province=province,
            commune=commune,
            elsewhere=make_unit("Châu Sơn", province),
            author_account=author,
            author=actor_of_account(author),
            leader=make_account(Role.LEADER, province),
            second=make_account(Role.LEADER, province),
            third=make_account(Role.LEADER, province),
            heard=heard,
            noted=noted,
            campaigns=campaigns,
            sizes={},
        )
        monkeypatch.setattr(bulletins, "_freeze", house.freeze)
        monkeypatch.setattr(reads, "estimate", lambda version: None)
        models.TestNumber.objects.create(number="+84912345001", holder="Phòng thử", added_at=clock.now())
        models.TestNumber.objects.create(number="+84912345002", holder="Trực ban", added_at=clock.now())
        yield house


class Engine:
    """An engine that says nothing but is there: the tests of speech have the real one."""

    name = "silent"

    def speak(self, text: str, **more: Any) -> Recording:
        return Recording(b"ID3" + text.encode()[:40], 4.0, -20.0, words=text.lower())
