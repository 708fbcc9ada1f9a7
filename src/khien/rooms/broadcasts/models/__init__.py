"""Messages to named people; bulletins to many: carriers, bulletins, audiences, campaigns."""

from khien.rooms.broadcasts.models.audiences import Audience, AudienceMember, LeftOut
from khien.rooms.broadcasts.models.audio import BulletinAudio
from khien.rooms.broadcasts.models.bulletins import (
    APPROVERS,
    READERS,
    WRITERS,
    AfterReview,
    Approval,
    ApprovalSeen,
    Bulletin,
    BulletinVersion,
    Channel,
    ChannelRun,
    ChannelText,
    TestSend,
)
from khien.rooms.broadcasts.models.campaigns import Campaign, CampaignResult, Chunk, SendingSwitch
from khien.rooms.broadcasts.models.carriers import (
    Carrier,
    CarrierPrefix,
    DeadNumber,
    HeldPorted,
    OptOut,
    PortedIntake,
    PortedNumber,
)
from khien.rooms.broadcasts.models.messages import (
    SENDERS,
    Broadcast,
    MessageTemplate,
    Recipient,
    RecipientPerson,
    UnmatchedReceipt,
)
from khien.rooms.broadcasts.models.orders import CarrierOrder
from khien.rooms.broadcasts.models.outlets import Article, CapMessage, PushRetry, PushRun, PushSubscription
from khien.rooms.broadcasts.models.replies import TRIAGE, InboundMessage
from khien.rooms.broadcasts.models.stations import KEEPERS, OPERATORS, Play, Station, StationReport
from khien.rooms.broadcasts.models.templates import BulletinTemplate, BulletinTemplateVersion, TestNumber

__all__ = [
    "APPROVERS",
    "KEEPERS",
    "OPERATORS",
    "READERS",
    "SENDERS",
    "TRIAGE",
    "WRITERS",
    "AfterReview",
    "Approval",
    "ApprovalSeen",
    "Article",
    "Audience",
    "AudienceMember",
    "Broadcast",
    "Bulletin",
    "BulletinAudio",
    "BulletinTemplate",
    "BulletinTemplateVersion",
    "BulletinVersion",
    "Campaign",
    "CampaignResult",
    "CapMessage",
    "Carrier",
    "CarrierOrder",
    "CarrierPrefix",
    "Channel",
    "ChannelRun",
    "ChannelText",
    "Chunk",
    "DeadNumber",
    "HeldPorted",
    "InboundMessage",
    "LeftOut",
    "MessageTemplate",
    "OptOut",
    "Play",
    "PortedIntake",
    "PortedNumber",
    "PushRetry",
    "PushRun",
    "PushSubscription",
    "Recipient",
    "RecipientPerson",
    "SendingSwitch",
    "Station",
    "StationReport",
    "TestNumber",
    "TestSend",
    "UnmatchedReceipt",
]
