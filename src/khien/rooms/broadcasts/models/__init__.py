"""Messages to named people; bulletins to many: carriers, bulletins, audiences, campaigns."""

from khien.rooms.broadcasts.models.audiences import Audience, AudienceMember
from khien.rooms.broadcasts.models.bulletins import (
    APPROVERS,
    READERS,
    WRITERS,
    Approval,
    Bulletin,
    BulletinVersion,
    Channel,
    ChannelText,
)
from khien.rooms.broadcasts.models.campaigns import Campaign, CampaignResult, Chunk, SendingSwitch
from khien.rooms.broadcasts.models.carriers import Carrier, CarrierPrefix, DeadNumber, OptOut, PortedNumber
from khien.rooms.broadcasts.models.messages import (
    SENDERS,
    Broadcast,
    MessageTemplate,
    Recipient,
    RecipientPerson,
    UnmatchedReceipt,
)
from khien.rooms.broadcasts.models.outlets import Article, CapMessage, PushRetry, PushRun, PushSubscription
from khien.rooms.broadcasts.models.replies import TRIAGE, InboundMessage
from khien.rooms.broadcasts.models.stations import KEEPERS, OPERATORS, Play, Station, StationReport

__all__ = [
    "APPROVERS",
    "KEEPERS",
    "OPERATORS",
    "READERS",
    "SENDERS",
    "TRIAGE",
    "WRITERS",
    "Approval",
    "Article",
    "Audience",
    "AudienceMember",
    "Broadcast",
    "Bulletin",
    "BulletinVersion",
    "Campaign",
    "CampaignResult",
    "CapMessage",
    "Carrier",
    "CarrierPrefix",
    "Channel",
    "ChannelText",
    "Chunk",
    "DeadNumber",
    "InboundMessage",
    "MessageTemplate",
    "OptOut",
    "Play",
    "PortedNumber",
    "PushRetry",
    "PushRun",
    "PushSubscription",
    "Recipient",
    "RecipientPerson",
    "SendingSwitch",
    "Station",
    "StationReport",
    "UnmatchedReceipt",
]
