"""Every setting that an installation may make, read from the environment.

`docs/operations.md` lists them all; a test compares the two.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


class SettingError(ValueError):
    """A setting has a value that cannot be used; the text names it, the reason and the way out."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, what holds without it, and what it is for."""

    name: str
    default: str
    help: str
    secret: bool = False

    def text(self) -> str:
        return os.environ.get(self.name, self.default)

    def flag(self) -> bool:
        value = self.text().lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"", "0", "false", "no", "off"}:
            return False
        raise SettingError(f"{self.name}={value!r} is neither yes nor no: use 1 or 0")

    def number(self) -> int:
        try:
            return int(self.text())
        except ValueError as fault:
            raise SettingError(f"{self.name}={self.text()!r} is not a whole number") from fault


DEVELOPMENT_SECRET = "development-only"  # noqa: S105 - refused in production

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("KHIEN_MODE", "development", "`production` refuses default secrets and plain HTTP cookies"),
        Setting("KHIEN_SECRET", DEVELOPMENT_SECRET, "master secret: sessions, signed links", secret=True),
        Setting(
            "KHIEN_KEYS",
            "",
            "folder of the key files (identity numbers, passes, seals); default `keys` in the data folder",
        ),
        Setting("KHIEN_DATA", "", "data folder; default `var` in the project"),
        Setting(
            "KHIEN_PG_USER",
            "",
            "who runs the embedded server when we are root; default `postgres`, else `nobody`",
        ),
        Setting("DATABASE_URL", "", "PostgreSQL of one's own; default the embedded server", secret=True),
        Setting("KHIEN_HOSTS", "localhost,127.0.0.1", "host names that the web server answers to"),
        Setting("KHIEN_URL", "http://127.0.0.1:8000", "public address, printed on posters and in messages"),
        Setting("KHIEN_PORT", "8000", "port of the web server"),
        Setting("KHIEN_BIND", "127.0.0.1", "address that the web server listens on"),
        Setting("KHIEN_WEB_WORKERS", "2", "processes of the web server"),
        Setting("KHIEN_WORKER_JOBS", "2", "jobs that the worker runs at the same time"),
        Setting("KHIEN_PROVINCE", "35", "code of the province that this installation serves"),
        Setting(
            "KHIEN_CLUSTER",
            "",
            "`host:port` of a Ray cluster that has the tracing engine's shards; default this machine alone",
        ),
        Setting(
            "KHIEN_TRUST_LIST",
            "",
            "file or folder of certificates (PEM, DER or JSON) whose HC1 health certificates are believed",
        ),
        Setting("KHIEN_SMS_GATEWAY", "simulator", "`simulator`, `http_json` or `smpp`"),
        Setting(
            "KHIEN_SMS_CARRIERS",
            "",
            "TOML file, a table for each mobile carrier (`gateways/sms/README.md`); replaces `KHIEN_SMS_GATEWAY`",
        ),
        Setting("KHIEN_SMS_URL", "", "address of the HTTP SMS gateway"),
        Setting("KHIEN_SMS_TOKEN", "", "token for the HTTP SMS gateway", secret=True),
        Setting("KHIEN_SMS_SENDER", "", "registered sender name (brandname), where the gateway wants one"),
        Setting("KHIEN_SMS_TIMEOUT_S", "10", "seconds after which an answer of the SMS gateway is unknown"),
        Setting(
            "KHIEN_SMS_FIELDS",
            "",
            "other names for the SMS gateway's JSON fields, e.g. `to=phone text=content message_id=id`",
        ),
        Setting("KHIEN_SMPP_ADDRESS", "", "`host:port` of the carrier's SMPP server"),
        Setting("KHIEN_SMPP_SYSTEM_ID", "", "our name for the bind, at most 15 letters"),
        Setting("KHIEN_SMPP_PASSWORD", "", "password for the bind", secret=True),
        Setting("KHIEN_SMPP_SYSTEM_TYPE", "", "system type, where the carrier wants one"),
        Setting(
            "KHIEN_SMPP_BIND",
            "transceiver",
            "`transceiver`, or `transmitter` for carriers that want a receiver beside it",
        ),
        Setting("KHIEN_SMPP_BINDS", "1", "connections that each process makes to the carrier"),
        Setting(
            "KHIEN_SMPP_WINDOW",
            "10",
            "messages under way on a connection without an answer, as the carrier allows",
        ),
        Setting(
            "KHIEN_SMPP_RATE",
            "0",
            "messages a second on each connection, as contracted; 0 for no limit",
        ),
        Setting("KHIEN_SMPP_TLS", "0", "TLS to the carrier, with its certificate checked"),
        Setting(
            "KHIEN_SMPP_CA",
            "",
            "file with the authority of the carrier's certificate; default those of the system",
        ),
        Setting(
            "KHIEN_SMPP_SOURCE_TON",
            "5",
            "type of the sender's number: 5 letters, 1 international, 3 short code",
        ),
        Setting("KHIEN_SMPP_SOURCE_NPI", "0", "numbering plan of the sender's number: 0 none, 1 telephone"),
        Setting(
            "KHIEN_SMPP_ALPHABET",
            "gsm-7",
            "what the carrier means by its default alphabet: `gsm-7`, `latin-1`, `ascii`, or `ucs-2` for all",
        ),
        Setting(
            "KHIEN_SMPP_RECEIPT_IDS",
            "same",
            "how receipts write the message id: `same`, `decimal` (the answer has hex), `hex` (decimal)",
        ),
        Setting(
            "KHIEN_SPEECH_COMMAND",
            "",
            "another speech engine than espeak-ng: a command that reads UTF-8 text and writes WAV; "
            "`{voice}` in it becomes north, central or south",
        ),
        Setting(
            "KHIEN_FEEDS_FOLDER",
            "",
            "folder of the public files (articles, alerts, feeds); default `public` in the data folder",
        ),
        Setting(
            "KHIEN_PUSH_SERVICES",
            "fcm.googleapis.com updates.push.services.mozilla.com *.push.apple.com *.notify.windows.com",
            "push services of browsers to which notifications may be sent, hosts separated by spaces",
        ),
        Setting(
            "KHIEN_PUSH_CONTACT",
            "",
            "`mailto:` or `https:` address that push services write to; default KHIEN_URL",
        ),
        Setting(
            "KHIEN_PROXIES",
            "",
            "how many proxies of one's own stand in front and set `X-Forwarded-For`; default 1 in production, else 0",
        ),
        Setting(
            "KHIEN_OIDC_ISSUER", "", "OpenID Connect provider that proves who residents are; default none"
        ),
        Setting("KHIEN_OIDC_CLIENT_ID", "", "name under which that provider knows this installation"),
        Setting(
            "KHIEN_OIDC_CLIENT_SECRET", "", "secret for that provider; empty for a public client", secret=True
        ),
        Setting("KHIEN_OIDC_SCOPES", "openid", "scopes asked of that provider, separated by spaces"),
        Setting("KHIEN_OIDC_NUMBER_CLAIM", "sub", "claim that holds the number of the person's document"),
        Setting(
            "KHIEN_OIDC_NUMBER_KIND", "cccd", "kind of that document: `cccd`, `cmnd`, `passport`, `insurance`"
        ),
        Setting("KHIEN_OIDC_NAME", "VNeID", "what people call that provider, shown on the button"),
        Setting("KHIEN_DEMO", "0", "demo data, demo accounts and the faster clock; never in production"),
        Setting("KHIEN_TEST_DATA", "", "data sets for tests that may not ship; default `../shared/data`"),
    )
}


def get(name: str) -> Setting:
    """The declared setting of that name; an undeclared one is a programming error."""
    return SETTINGS[name]


def data_folder() -> Path:
    """Where this installation keeps its files: `KHIEN_DATA`, by default `var` in the project.

    As root, when the unprivileged user of the embedded server cannot reach that place (a clone under /root,
    say), it is `/var/lib/khien/<name>-<hash of the place>`; no permission of anybody's folder is changed.
    With a `DATABASE_URL` nobody but ourselves needs to reach it.
    """
    wanted = Path(get("KHIEN_DATA").text() or PROJECT / "var").absolute()
    if os.geteuid() != 0 or get("DATABASE_URL").text():
        return wanted
    from khien.site.postgres import reachable, server_user

    if reachable(wanted, server_user(get("KHIEN_PG_USER").text())):
        return wanted
    name = wanted.parent.name if wanted.name == "var" else wanted.name
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:8]
    return Path("/var/lib/khien") / f"{name}-{digest}"
