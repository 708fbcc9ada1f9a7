"""The protocol data units of SMPP 3.4, bytes to values and back. Source: SMPP Protocol Specification v3.4, issue 1.2.

>>> decode(encode(Pdu(SUBMIT_SM_RESP, 7, body=Answered("abc")))).body.message_id
'abc'
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

GENERIC_NACK = 0x80000000
BIND_RECEIVER, BIND_RECEIVER_RESP = 0x00000001, 0x80000001
BIND_TRANSMITTER, BIND_TRANSMITTER_RESP = 0x00000002, 0x80000002
SUBMIT_SM, SUBMIT_SM_RESP = 0x00000004, 0x80000004
DELIVER_SM, DELIVER_SM_RESP = 0x00000005, 0x80000005
UNBIND, UNBIND_RESP = 0x00000006, 0x80000006
BIND_TRANSCEIVER, BIND_TRANSCEIVER_RESP = 0x00000009, 0x80000009
OUTBIND = 0x0000000B
ENQUIRE_LINK, ENQUIRE_LINK_RESP = 0x00000015, 0x80000015
ALERT_NOTIFICATION = 0x00000102
RESPONSE = 0x80000000
"""The bit that makes a command a response."""

OK = 0x00
INVALID_MESSAGE_LENGTH = 0x01
INVALID_COMMAND_LENGTH = 0x02
INVALID_COMMAND = 0x03
WRONG_BIND_STATE = 0x04
QUEUE_FULL = 0x14
THROTTLED = 0x58
TEMPORARY_FAULT = 0x64
INVALID_OPTIONAL_PART = 0xC0

TAG_RECEIPTED_MESSAGE_ID = 0x001E
TAG_MESSAGE_PAYLOAD = 0x0424
TAG_MESSAGE_STATE = 0x0427

LONGEST = 70_000
"""Octets of the longest PDU that is read: a message payload is at most 65,535."""
MAX_SEQUENCE = 0x7FFFFFFF

_HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
_BINDS = frozenset({BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER})
_BIND_ANSWERS = frozenset({BIND_RECEIVER_RESP, BIND_TRANSMITTER_RESP, BIND_TRANSCEIVER_RESP})
_MESSAGES = frozenset({SUBMIT_SM, DELIVER_SM})
_ANSWERS = frozenset({SUBMIT_SM_RESP, DELIVER_SM_RESP})
_BARE = frozenset({GENERIC_NACK, UNBIND, UNBIND_RESP, ENQUIRE_LINK, ENQUIRE_LINK_RESP})

# Octets of each field with its closing zero. A password may be 8 letters by the book; carriers give longer ones.
_SYSTEM_ID, _PASSWORD, _SYSTEM_TYPE, _RANGE = 16, 65, 13, 41
_SERVICE, _ADDRESS, _TIME, _MESSAGE_ID = 6, 21, 17, 65
_TEXT = 254

Tlvs = tuple[tuple[int, bytes], ...]


class PduFault(ValueError):
    """What cannot be read. `status` is what a `generic_nack` says of it; after a `fatal` one nobody can tell where the
    next PDU begins, so the connection must end."""

    def __init__(
        self, reason: str, *, status: int, command: int = 0, sequence: int = 0, fatal: bool = False
    ) -> None:
        super().__init__(reason)
        self.status, self.command, self.sequence, self.fatal = status, command, sequence, fatal


class CannotEncode(ValueError):
    """A value does not fit into its field; the text names the field."""


class Bind(NamedTuple):
    """Body of the three binds."""

    system_id: str
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    address_ton: int = 0
    address_npi: int = 0
    address_range: str = ""


class Bound(NamedTuple):
    """Body of the answer to a bind."""

    system_id: str = ""
    tlvs: Tlvs = ()


class Message(NamedTuple):
    """Body of `submit_sm` and `deliver_sm`. Texts of fields are Latin-1 without a zero; `short_message` is octets,
    at most 254, with its user data header in front where `esm_class` has bit 0x40."""

    source: str = ""
    destination: str = ""
    short_message: bytes = b""
    data_coding: int = 0
    esm_class: int = 0
    registered_delivery: int = 0
    source_ton: int = 0
    source_npi: int = 0
    destination_ton: int = 0
    destination_npi: int = 0
    service_type: str = ""
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    validity: str = ""
    replace_if_present: int = 0
    default_message: int = 0
    tlvs: Tlvs = ()

    def tlv(self, tag: int) -> bytes | None:
        """The first optional part with that tag."""
        return next((value for found, value in self.tlvs if found == tag), None)


class Answered(NamedTuple):
    """Body of `submit_sm_resp` and `deliver_sm_resp`; a refusal may come without any."""

    message_id: str = ""
    tlvs: Tlvs = ()


class Outbind(NamedTuple):
    """Body of `outbind`."""

    system_id: str = ""
    password: str = ""


class Raw(NamedTuple):
    """A body that is let through unread: of commands that need no answer and that nobody here uses."""

    octets: bytes = b""


Body = Bind | Bound | Message | Answered | Outbind | Raw | None


class Pdu(NamedTuple):
    """One unit: command, sequence number, status, and a body as the command wants it."""

    command: int
    sequence: int
    status: int = OK
    body: Body = None


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU. Raises `CannotEncode` for a value that does not fit."""
    body = encode_body(pdu.body)
    return _HEADER.pack(16 + len(body), pdu.command, pdu.status, pdu.sequence) + body


def with_header(command: int, sequence: int, body: bytes, status: int = OK) -> bytes:
    """A body that is encoded already, with its header."""
    return _HEADER.pack(16 + len(body), command, status, sequence) + body


def encode_body(body: Body) -> bytes:
    """The octets after the header. Raises `CannotEncode`."""
    if body is None:
        return b""
    if isinstance(body, Message):
        return _encode_message(body)
    if isinstance(body, Answered):
        return _text("message_id", body.message_id, _MESSAGE_ID) + _tlvs(body.tlvs)
    if isinstance(body, Bound):
        return _text("system_id", body.system_id, _SYSTEM_ID) + _tlvs(body.tlvs)
    if isinstance(body, Bind):
        return b"".join(
            (
                _text("system_id", body.system_id, _SYSTEM_ID),
                _text("password", body.password, _PASSWORD),
                _text("system_type", body.system_type, _SYSTEM_TYPE),
                _octets(body.interface_version, body.address_ton, body.address_npi),
                _text("address_range", body.address_range, _RANGE),
            )
        )
    if isinstance(body, Outbind):
        return _text("system_id", body.system_id, _SYSTEM_ID) + _text("password", body.password, _PASSWORD)
    return body.octets


def decode(raw: bytes) -> Pdu:
    """One whole PDU. Raises `PduFault` for any other octets than exactly one well-formed PDU."""
    if len(raw) < 16:
        raise PduFault("shorter than a header", status=INVALID_COMMAND_LENGTH, fatal=True)
    length, command, status, sequence = _HEADER.unpack_from(raw)
    if length != len(raw):
        raise PduFault(
            f"says {length} octets and has {len(raw)}", status=INVALID_COMMAND_LENGTH, sequence=sequence
        )
    return _read(raw, 0, length, command, status, sequence)


class Stream:
    """Cuts what arrives on a connection into PDUs; `feed` what came, in whatever pieces."""

    __slots__ = ("_broken", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._broken = False

    @property
    def unfinished(self) -> int:
        """Octets that wait for the rest of their PDU."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Pdu | PduFault]:
        """The PDUs that are whole now; what is wrong comes as a fault in its place. After a fatal fault nothing more
        is read."""
        if self._broken:
            return
        data = self._rest + data if self._rest else data
        position, end = 0, len(data)
        while end - position >= 16:
            length, command, status, sequence = _HEADER.unpack_from(data, position)
            if not 16 <= length <= LONGEST:
                self._broken, self._rest = True, b""
                yield PduFault(
                    f"a length of {length} octets cannot be",
                    status=INVALID_COMMAND_LENGTH,
                    command=command,
                    sequence=sequence,
                    fatal=True,
                )
                return
            if end - position < length:
                break
            begin, position = position, position + length
            # What is left is kept before each PDU is handed out: the caller may stop in the middle.
            try:
                yield _read(data, begin, position, command, status, sequence)
            except PduFault as fault:
                yield fault
        self._rest = data[position:]


def _read(data: bytes, begin: int, end: int, command: int, status: int, sequence: int) -> Pdu:
    # Most of what comes is plain and read at once; whatever is not, is read with care below.
    if command in _ANSWERS and begin + 17 <= end <= begin + 16 + _MESSAGE_ID:
        stop = end - 1
        if data.find(0, begin + 16, end) == stop:
            return Pdu(command, sequence, status, Answered(data[begin + 16 : stop].decode("latin-1")))
    elif command in _MESSAGES and (message := _plain_message(data, begin + 16, end)) is not None:
        return Pdu(command, sequence, status, message)
    reader = _Reader(data, begin + 16, end, command, sequence)
    body: Body = None
    if command in _MESSAGES:
        body = _read_message(reader)
    elif command in _ANSWERS:
        if begin + 16 == end and status != OK:
            return Pdu(command, sequence, status, Answered())
        body = Answered(reader.text("message_id", _MESSAGE_ID), reader.tlvs())
    elif command in _BIND_ANSWERS:
        if begin + 16 == end and status != OK:
            return Pdu(command, sequence, status, Bound())
        body = Bound(reader.text("system_id", _SYSTEM_ID), reader.tlvs())
    elif command in _BARE:
        reader.finish()
    elif command in _BINDS:
        body = _read_bind(reader)
    elif command == OUTBIND:
        body = Outbind(reader.text("system_id", _SYSTEM_ID), reader.text("password", _PASSWORD))
        reader.finish()
    elif command == ALERT_NOTIFICATION:
        body = Raw(data[begin + 16 : end])
    else:
        raise PduFault(
            f"command 0x{command:08x} is not known",
            status=INVALID_COMMAND,
            command=command,
            sequence=sequence,
        )
    return Pdu(command, sequence, status, body)


class _Reader:
    """A walk through one body, never past its end."""

    __slots__ = ("_at", "_command", "_data", "_end", "_sequence")

    def __init__(self, data: bytes, at: int, end: int, command: int, sequence: int) -> None:
        self._data, self._at, self._end = data, at, end
        self._command, self._sequence = command, sequence

    def text(self, field: str, size: int) -> str:
        """A text that ends with a zero, at most `size` octets with it."""
        at, limit = self._at, self._at + size
        stop = self._data.find(0, at, limit if limit < self._end else self._end)
        if stop < 0:
            raise self.fault(f"{field} does not end within {size} octets", INVALID_MESSAGE_LENGTH)
        self._at = stop + 1
        return self._data[at:stop].decode("latin-1") if stop > at else ""

    def octets(self, count: int) -> bytes:
        at = self._at
        if at + count > self._end:
            raise self.fault("ends within a field", INVALID_MESSAGE_LENGTH)
        self._at = at + count
        return self._data[at : at + count]

    def tlvs(self) -> Tlvs:
        """The optional parts, which must fill the rest."""
        if self._at == self._end:
            return ()
        found = []
        while self._at < self._end:
            if self._end - self._at < 4:
                raise self.fault("ends within the head of an optional part", INVALID_OPTIONAL_PART)
            tag, length = _TLV.unpack_from(self._data, self._at)
            self._at += 4
            if self._at + length > self._end:
                raise self.fault(f"optional part 0x{tag:04x} goes past the end", INVALID_OPTIONAL_PART)
            found.append((tag, self._data[self._at : self._at + length]))
            self._at += length
        return tuple(found)

    def finish(self) -> None:
        if self._at != self._end:
            raise self.fault("goes on after its last field", INVALID_MESSAGE_LENGTH)

    def fault(self, reason: str, status: int) -> PduFault:
        return PduFault(reason, status=status, command=self._command, sequence=self._sequence)


def _read_bind(reader: _Reader) -> Bind:
    system_id = reader.text("system_id", _SYSTEM_ID)
    password = reader.text("password", _PASSWORD)
    system_type = reader.text("system_type", _SYSTEM_TYPE)
    version, ton, npi = reader.octets(3)
    address_range = reader.text("address_range", _RANGE)
    reader.finish()
    return Bind(system_id, password, system_type, version, ton, npi, address_range)


def _plain_message(data: bytes, begin: int, end: int) -> Message | None:
    """A message without service type, times and optional parts that fills its body; else None."""
    if end - begin < 17 or data[begin]:
        return None
    source = begin + 3
    stop = data.find(0, source, min(end, source + _ADDRESS))
    if stop < 0:
        return None
    to = stop + 3
    last = data.find(0, to, min(end, to + _ADDRESS))
    if last < 0 or last + 11 > end:
        return None
    (
        _zero,
        esm_class,
        protocol_id,
        priority,
        schedule,
        validity,
        registered,
        replace,
        coding,
        default,
        size,
    ) = data[last : last + 11]
    if schedule or validity or size > _TEXT or last + 11 + size != end:
        return None
    return Message(
        data[source:stop].decode("latin-1"),
        data[to:last].decode("latin-1"),
        data[last + 11 : end],
        coding,
        esm_class,
        registered,
        data[begin + 1],
        data[begin + 2],
        data[stop + 1],
        data[stop + 2],
        "",
        protocol_id,
        priority,
        "",
        "",
        replace,
        default,
    )


def _read_message(reader: _Reader) -> Message:
    text, octets = reader.text, reader.octets
    service_type = text("service_type", _SERVICE)
    source_ton, source_npi = octets(2)
    source = text("source_addr", _ADDRESS)
    destination_ton, destination_npi = octets(2)
    to = text("destination_addr", _ADDRESS)
    esm_class, protocol_id, priority = octets(3)
    schedule = text("schedule_delivery_time", _TIME)
    validity = text("validity_period", _TIME)
    registered_delivery, replace_if_present, data_coding, default_message, size = octets(5)
    if size > _TEXT:
        raise reader.fault(f"short_message of {size} octets", INVALID_MESSAGE_LENGTH)
    return Message(
        source,
        to,
        octets(size),
        data_coding,
        esm_class,
        registered_delivery,
        source_ton,
        source_npi,
        destination_ton,
        destination_npi,
        service_type,
        protocol_id,
        priority,
        schedule,
        validity,
        replace_if_present,
        default_message,
        reader.tlvs(),
    )


def around_destination(message: Message) -> tuple[bytes, bytes]:
    """The octets of a message's body before and after the number to which it goes: with `destination` between them they
    are what `encode_body` gives. One text to many phones need not be written anew for each. Raises `CannotEncode`."""
    if len(message.short_message) > _TEXT:
        raise CannotEncode(f"short_message has {len(message.short_message)} octets, at most {_TEXT}")
    before = b"".join(
        (
            _text("service_type", message.service_type, _SERVICE),
            _octets(message.source_ton, message.source_npi),
            _text("source_addr", message.source, _ADDRESS),
            _octets(message.destination_ton, message.destination_npi),
        )
    )
    after = b"".join(
        (
            _octets(message.esm_class, message.protocol_id, message.priority),
            _text("schedule_delivery_time", message.schedule, _TIME),
            _text("validity_period", message.validity, _TIME),
            _octets(
                message.registered_delivery,
                message.replace_if_present,
                message.data_coding,
                message.default_message,
                len(message.short_message),
            ),
            message.short_message,
            _tlvs(message.tlvs),
        )
    )
    return before, after


def destination(number: str) -> bytes:
    """The octets of the number to which a message goes. Raises `CannotEncode`."""
    return _text("destination_addr", number, _ADDRESS)


def _encode_message(message: Message) -> bytes:
    before, after = around_destination(message)
    return before + destination(message.destination) + after


def _text(field: str, text: str, size: int) -> bytes:
    if not text:
        return b"\0"
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError as fault:
        raise CannotEncode(f"{field} has letters that SMPP cannot carry there") from fault
    if len(octets) >= size or 0 in octets:
        raise CannotEncode(f"{field} is longer than {size - 1} octets or has a zero in it")
    return octets + b"\0"


def _octets(*values: int) -> bytes:
    try:
        return bytes(values)
    except ValueError as fault:
        raise CannotEncode("a one-octet field is not between 0 and 255") from fault


def _tlvs(tlvs: Tlvs) -> bytes:
    if not tlvs:
        return b""
    try:
        return b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs)
    except struct.error as fault:
        raise CannotEncode("an optional part has a tag or a length above 65535") from fault
