"""Messages to named people; bulletins to many: carriers, bulletins, audiences, campaigns."""

from khien.rooms.broadcasts.models.audiences import Audience, AudienceMember, LeftOut
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

__all__ = [
    "APPROVERS",
    "READERS",
    "SENDERS",
    "WRITERS",
    "Approval",
    "Audience",
    "AudienceMember",
    "Broadcast",
    "Bulletin",
    "BulletinVersion",
    "Campaign",
    "CampaignResult",
    "Carrier",
    "CarrierOrder",
    "CarrierPrefix",
    "Channel",
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
    "UnmatchedReceipt",
]
