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
from khien.rooms.broadcasts.models.templates import BulletinTemplate, BulletinTemplateVersion, TestNumber

__all__ = [
    "APPROVERS",
    "READERS",
    "SENDERS",
    "WRITERS",
    "AfterReview",
    "Approval",
    "ApprovalSeen",
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
    "Carrier",
    "CarrierOrder",
    "CarrierPrefix",
    "Channel",
    "ChannelRun",
    "ChannelText",
    "Chunk",
    "DeadNumber",
    "HeldPorted",
    "LeftOut",
    "MessageTemplate",
    "OptOut",
    "PortedIntake",
    "PortedNumber",
    "Recipient",
    "RecipientPerson",
    "SendingSwitch",
    "TestNumber",
    "TestSend",
    "UnmatchedReceipt",
]
