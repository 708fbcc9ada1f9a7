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
    "CarrierPrefix",
    "Channel",
    "ChannelText",
    "Chunk",
    "DeadNumber",
    "MessageTemplate",
    "OptOut",
    "PortedNumber",
    "Recipient",
    "RecipientPerson",
    "SendingSwitch",
    "UnmatchedReceipt",
]
