"""The carriers of this installation and the way to each: from the file that `KHIEN_SMS_CARRIERS` names, else all by the
one gateway of `KHIEN_SMS_GATEWAY`.

The file is TOML, a table for each carrier under its code:

    default = "viettel"     # for numbers whose carrier nobody knows; without it the first one

    [viettel]
    kind = "smpp"
    address = "smpp.example:2775"
    system_id = "khien"
    password_file = "/etc/khien/viettel.password"
    window = 50

`KINDS` lists what each kind may say; `README.md` shows all of it.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from khien.gateways.sms.http_json import DEFAULT_FIELDS, HttpJson
from khien.gateways.sms.interface import CarrierLink, GatewayNotSet, Outcome, OutgoingSms, Receipt, SmsGateway
from khien.gateways.sms.kannel import Kannel
from khien.gateways.sms.smpp import chosen
from khien.gateways.sms.smpp.coding import DEFAULT_ALPHABETS
from khien.gateways.sms.smpp.gateway import SmppSettings
from khien.gateways.sms.smpp.reports import RECEIPT_IDS
from khien.gateways.sms.smpp.session import BindSettings


class CarriersFileFault(GatewayNotSet):
    """The file of carriers cannot be used; the text names the file, the table and the key to mend."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a key of a table may say. `default` None: it must be there; its type is the type of the value."""

    default: Any
    kind: type = str
    low: float = 0
    high: float = 0
    among: tuple[str, ...] = ()
    secret: bool = False
    """May be given as `<key>_file` instead: a file that holds it."""


def _between(default: float, low: float, high: float) -> Key:
    return Key(default, type(default), low, high)


_HTTP = {
    "url": Key(None),
    "sender": Key(""),
    "timeout_s": _between(10.0, 0.1, 300),
    "window": _between(8, 1, 1_000),
}
KINDS: Mapping[str, Mapping[str, Key]] = {
    "smpp": {
        "address": Key(None),
        "system_id": Key(""),
        "password": Key("", secret=True),
        "system_type": Key(""),
        "bind": Key("transceiver", among=tuple(chosen.KINDS)),
        "binds": _between(1, 1, 50),
        "window": _between(10, 1, 10_000),
        "rate": _between(0.0, 0, 1_000_000),
        "tls": Key(False, bool),
        "ca": Key(""),
        "sender": Key(""),
        "source_ton": _between(5, 0, 6),
        "source_npi": _between(0, 0, 18),
        "alphabet": Key("gsm-7", among=DEFAULT_ALPHABETS),
        "receipt_ids": Key("same", among=RECEIPT_IDS),
        "timeout_s": _between(10.0, 0.1, 300),
        "patience_s": _between(30.0, 1, 3600),
    },
    "http_json": {
        **_HTTP,
        "token": Key("", secret=True),
        "fields": Key({}, dict),
        "idempotent": Key(False, bool),
        "again": _between(2, 0, 10),
    },
    "kannel": {
        **_HTTP,
        "username": Key(None),
        "password": Key(None, secret=True),
        "smsc": Key(""),
        "receipts_url": Key(""),
    },
    "simulator": {},
}
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,19}")
_TYPES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


@dataclass(frozen=True, slots=True)
class Table:
    """One carrier of the file: its kind, and its keys with their values or defaults."""

    code: str
    kind: str
    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CarriersFile:
    tables: Mapping[str, Table]
    default: str
    """The code of the carrier for numbers whose own nobody knows."""


_routes: list[Callable[[str], str]] = []


def route_by(route: Callable[[str], str]) -> None:
    """From now on ask this for the code of a number's carrier (E.164); it may answer "" or a code that is not here. Who
    knows that is a room: the gateway knows no tables of rooms."""
    _routes[:] = [route]


def configured() -> list[str]:
    """The codes in the file, in its order; none without a file. Raises `CarriersFileFault`."""
    found = chosen_file()
    return list(found.tables) if found else []


def link(code: str) -> CarrierLink:
    """A new way to that carrier, for one loop. Without a file it is the installation's one gateway, whatever the code:
    all of them then share its connections.
    Raises `GatewayNotSet` (`CarriersFileFault`) where it is not set or its code is not in the file."""
    found = chosen_file()
    if found is None:
        from khien.gateways.sms.links import Shared

        made = _only()
        return Shared(code, lambda: _link("only", made))
    return _link(code, _gateway(_table(found, code)))


def gateway(code: str) -> SmsGateway:
    """The same for callers without a loop. Raises as `link`."""
    found = chosen_file()
    if found is None:
        from khien.gateways.sms import sending

        return sending.gateway()
    made = _gateway(_table(found, code))
    return chosen.running(made) if isinstance(made, SmppSettings) else made


class ByCarrier:
    """An `SmsGateway` that hands each message to the gateway of its number's carrier."""

    name = "carriers"

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        """See `SmsGateway.submit`. Raises `CarriersFileFault` before anything is sent."""
        groups: dict[str, list[OutgoingSms]] = {}
        for message in messages:
            groups.setdefault(code_for(message.number), []).append(message)
        ways = {code: gateway(code) for code in groups}
        told: dict[str, Outcome] = {}
        for code, group in groups.items():
            told |= {outcome.client_id: outcome for outcome in ways[code].submit(group)}
        return [told[message.client_id] for message in messages]

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """See `SmsGateway.receipts`; those of all carriers."""
        found = chosen_file()
        seen: set[str] = set()
        receipts: list[Receipt] = []
        for code, table in found.tables.items() if found else ():
            way = gateway(code)
            if table.kind == "smpp":
                way.receipts(0)  # keeps its binds up, over which they come
            if table.kind not in seen:
                seen.add(table.kind)
                receipts += way.receipts(limit)
        return receipts


def code_for(number: str) -> str:
    """The code in the file under which a number's messages leave. Raises `CarriersFileFault`."""
    found = chosen_file()
    if found is None:
        return ""
    code = _routes[0](number) if _routes else ""
    return code if code in found.tables else found.default


def chosen_file() -> CarriersFile | None:
    """What the installation's file says; None when it has none. Read anew when the file has changed."""
    name = settings.KHIEN_SMS_CARRIERS
    if not name:
        return None
    path = Path(name)
    try:
        at = path.stat()
        key = (name, at.st_mtime_ns, at.st_size, at.st_mode)
    except OSError as fault:
        raise CarriersFileFault(f"KHIEN_SMS_CARRIERS={name} cannot be read: {fault.strerror}") from fault
    if key not in _read_files:
        _read_files.clear()
        _read_files[key] = read(path)
    return _read_files[key]


_read_files: dict[tuple[str, int, int, int], CarriersFile] = {}


def read(path: Path) -> CarriersFile:
    """The carriers of a file. Raises `CarriersFileFault` at the first mistake."""
    try:
        told = tomllib.loads(_private(path, f"KHIEN_SMS_CARRIERS={path}").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise CarriersFileFault(f"KHIEN_SMS_CARRIERS={path} is not TOML: {fault}") from fault
    default = told.pop("default", "")
    for name, value in told.items():
        if not isinstance(value, dict):
            raise CarriersFileFault(
                f"{path}: {name!r} stands outside of a carrier's table, where only `default` may"
            )
        if not _CODE.fullmatch(name):
            raise CarriersFileFault(f"{path}: [{name}] is no carrier's code: at most 20 of a-z, 0-9, _ and -")
    if not told:
        raise CarriersFileFault(f"{path} names no carrier: it needs a table such as [viettel]")
    tables = {code: _read_table(path, code, dict(values)) for code, values in told.items()}
    if default and default not in tables:
        raise CarriersFileFault(f"{path}: default = {default!r} is none of {', '.join(tables)}")
    return CarriersFile(tables, default or next(iter(tables)))


def _read_table(path: Path, code: str, told: dict[str, Any]) -> Table:
    def fault(key: str, what: str) -> CarriersFileFault:
        return CarriersFileFault(f"{path}: [{code}] {key} {what}")

    kind = told.pop("kind", None)
    if kind not in KINDS:
        raise fault("kind", f"is none of {', '.join(KINDS)}")
    values: dict[str, Any] = {}
    for name, key in KINDS[kind].items():
        other = f"{name}_file"
        if key.secret and other in told:
            if name in told:
                raise fault(other, f"and {name} are both there: keep one")
            where = told.pop(other)
            if not isinstance(where, str):
                raise fault(other, "is not the name of a file")
            try:
                octets = _private(path.parent / where, f"{path}: [{code}] {other} = {where!r}")
                told[name] = octets.decode().strip("\r\n")
            except UnicodeDecodeError as wrong:
                raise fault(other, "holds no text") from wrong
        if name not in told:
            if key.default is None:
                raise fault(name, "is missing" + (f", or {other}" if key.secret else ""))
            values[name] = key.default
            continue
        value = told.pop(name)
        if key.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not key.kind:
            raise fault(name, f"is not {_TYPES[key.kind]}")
        if key.kind is str and key.default is None and not value:
            raise fault(name, "is empty")
        if key.among and value not in key.among:
            raise fault(name, f"is none of {', '.join(key.among)}")
        if isinstance(value, int | float) and key.high and not key.low <= value <= key.high:
            raise fault(name, f"is not between {key.low:g} and {key.high:g}")
        values[name] = value
    if told:
        known = ", ".join(["kind", *KINDS[kind]])
        raise fault(next(iter(told)), f"is not known for kind {kind}: {known}")
    table = Table(code, kind, values)
    try:
        _gateway(table)
    except CarriersFileFault:
        raise
    except (GatewayNotSet, ValueError) as wrong:
        raise CarriersFileFault(f"{path}: [{code}] {wrong}") from wrong
    return table


def _private(path: Path, called: str) -> bytes:
    """The octets of a file that holds secrets."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise CarriersFileFault(f"{called} is not a plain file")
            if mode & stat.S_IRWXO:
                raise CarriersFileFault(
                    f"{called} may be read or changed by everybody on this machine: `chmod 600 {path}`"
                )
            return file.read()
    except OSError as fault:
        raise CarriersFileFault(f"{called} cannot be read: {fault.strerror}") from fault


def _table(found: CarriersFile, code: str) -> Table:
    if code not in found.tables:
        raise CarriersFileFault(
            f"KHIEN_SMS_CARRIERS has no table [{code}]: it names {', '.join(found.tables)}"
        )
    return found.tables[code]


def _only() -> SmppSettings | SmsGateway:
    """The one gateway of `KHIEN_SMS_GATEWAY`."""
    if settings.KHIEN_SMS_GATEWAY == "smpp":
        return chosen.from_settings()
    from khien.gateways.sms import sending

    return sending.gateway()


def _gateway(table: Table) -> SmppSettings | SmsGateway:
    told = dict(table.values)
    if table.kind == "smpp":
        return _smpp(table.code, told)
    if table.kind == "http_json":
        _must_be_http(told["url"])
        unknown = sorted(set(told["fields"]) - set(DEFAULT_FIELDS))
        if unknown:
            raise ValueError(
                f"fields names {', '.join(unknown)}: only {', '.join(DEFAULT_FIELDS)} can be renamed"
            )
        if not all(isinstance(name, str) and name for name in told["fields"].values()):
            raise ValueError("fields gives names that are no texts")
        return HttpJson(name=table.code, **told)
    if table.kind == "kannel":
        _must_be_http(told["url"])
        if told["receipts_url"]:
            _must_be_http(told["receipts_url"], "receipts_url")
            if not settings.KHIEN_SMS_TOKEN:
                raise ValueError("receipts_url needs KHIEN_SMS_TOKEN, by which our door knows Kannel")
        return Kannel(name=table.code, secret=settings.KHIEN_SMS_TOKEN, **told)
    from khien.gateways.sms.simulator import Simulator

    return Simulator()


def _smpp(code: str, told: dict[str, Any]) -> SmppSettings:
    host, _colon, port = told["address"].rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"address = {told['address']!r} is not host:port")
    if len(told["system_id"].encode()) > 15:
        raise ValueError("system_id is longer than 15 letters")
    tls: ssl.SSLContext | None = chosen.tls(told["ca"], f"ca = {told['ca']!r}") if told["tls"] else None
    return SmppSettings(
        bind=BindSettings(
            host=host.strip("[]"),
            port=int(port),
            system_id=told["system_id"],
            password=told["password"],
            system_type=told["system_type"],
            kind=chosen.KINDS[told["bind"]],
            tls=tls,
            window=told["window"],
            rate=told["rate"],
            answer_timeout_s=told["timeout_s"],
        ),
        binds=told["binds"],
        sender=told["sender"],
        sender_ton=told["source_ton"],
        sender_npi=told["source_npi"],
        alphabet=told["alphabet"],
        receipt_ids=told["receipt_ids"],
        patience_s=told["patience_s"],
        mark=f"{code}:",
    )


def _must_be_http(url: str, name: str = "url") -> None:
    if not re.fullmatch(r"https?://[^\s/]+.*", url):
        raise ValueError(f"{name} = {url!r} is no http or https address")


def _link(code: str, made: SmppSettings | SmsGateway) -> CarrierLink:
    from khien.gateways.sms import links

    if isinstance(made, SmppSettings):
        from khien.gateways.sms.smpp.link import SmppLink

        return SmppLink(code, replace(made, idle_s=0.0))
    if isinstance(made, HttpJson | Kannel):
        return links.HttpLink(code, made)
    return links.SimulatorLink(code)
