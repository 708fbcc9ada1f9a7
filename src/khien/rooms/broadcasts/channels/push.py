"""Web push (RFC 8030, 8188, 8291, 8292) to the browsers that asked for it. What the push service knows is that we have
sent something; what it says it cannot read."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db.models import Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.kernel import clock, keys
from khien.kernel.errors import Invalid
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts.channels import ChannelState, Count
from khien.rooms.broadcasts.channels.texts import told
from khien.rooms.broadcasts.models import BulletinVersion, Channel, PushRun, PushSubscription

AT_ONCE = 16
TIMEOUT_S = 10.0
PATIENCE_S = 25.0
CHUNK = 200
LONGEST = 1200
"""Octets of a text: with its keys and padding a push message has at most 4,096."""
_TTL_S = 4 * 7 * 24 * 3600
_VALID_S = 12 * 3600


class PushChannel:
    """A notification on every browser that asked for news of the bulletin's units."""

    def start(self, version: BulletinVersion) -> None:
        """See `Channel.start`."""
        from khien.rooms.broadcasts.channels import jobs
        from khien.rooms.broadcasts.verbs import subscribing

        run = subscribing.start_push(system_actor("broadcasts"), version=version)
        if run.state == PushRun.State.RUNNING:
            jobs.at_once(jobs.push_to_browsers, run_id=run.pk)

    def cancel(self, version: BulletinVersion) -> None:
        """See `Channel.cancel`; what a browser has shown stays shown."""
        from khien.rooms.broadcasts.verbs import subscribing

        subscribing.cancel_push(system_actor("broadcasts"), version=version)

    def state(self, version: BulletinVersion) -> ChannelState | None:
        """See `Channel.state`."""
        run = PushRun.objects.filter(version=version).first()
        if run is None:
            return None
        counts = (
            Count(gettext_lazy("Dịch vụ đẩy đã nhận"), run.sent),
            Count(gettext_lazy("Đã bỏ đăng ký"), run.gone),
            Count(gettext_lazy("Không gửi được"), run.failed),
        )
        return ChannelState(
            run.get_state_display(), counts, at=run.ended_at or run.started_at, url="/broadcasts/push/"
        )


# Keys and subscriptions ---------------------------------------------------------------------------


def public_key() -> tuple[str, str]:
    """Our public key as a browser wants it (base64url of the point), and the id of its pair."""
    key = keys.current("web-push")
    return _point(key), key.id


def _point(key: keys.Key) -> str:
    point = key.es256().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _b64(point)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a browser is reached, and the two halves with which its messages are encrypted (base64url)."""

    endpoint: str
    p256dh: str
    auth: str


def checked(endpoint: Any, p256dh: Any, auth: Any) -> Address:
    """A subscription as a page sends it. Raises `Invalid`: only the push services that the settings name are spoken to,
    because the address comes from outside and this server would ask whatever it says."""
    if not all(isinstance(one, str) for one in (endpoint, p256dh, auth)):
        raise _refused()
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError as fault:
        raise _refused() from fault
    plain = not endpoint.isascii() or any(c.isspace() or ord(c) < 33 for c in endpoint)
    if plain or len(endpoint) > 1000 or parts.username is not None or not _allowed(parts.scheme, host, port):
        raise _refused()
    point, secret = _unb64(p256dh), _unb64(auth)
    if len(secret) != 16:
        raise _refused()
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as fault:
        raise _refused() from fault
    return Address(endpoint, p256dh, auth)


def _allowed(scheme: str, host: str, port: int | None) -> bool:
    """`host` as listed, or below `*.host`; `http://host:port` only where it is listed so, for tests."""
    for entry in settings.KHIEN_PUSH_SERVICES.split():
        if entry.startswith("http://"):
            if scheme == "http" and not settings.PRODUCTION and f"http://{host}:{port}" == entry:
                return True
        elif scheme != "https" or port not in (None, 443):
            continue
        elif host == entry or (entry.startswith("*.") and host.endswith(entry[1:])):
            return True
    return False


def seal(address: Address, endpoint_hash: str) -> tuple[bytes, str]:
    """The address sealed, and the id of the key."""
    key = keys.current("push-seal")
    nonce = secrets.token_bytes(12)
    text = json.dumps([address.endpoint, address.p256dh, address.auth]).encode()
    return nonce + AESGCM(key.secret).encrypt(nonce, text, endpoint_hash.encode()), key.id


def opened(row: PushSubscription) -> Address:
    """The address of a stored subscription. Raises `KeyMissing` or `InvalidTag`."""
    sealed = bytes(row.sealed)
    cipher = AESGCM(keys.get("push-seal", row.seal_key).secret)
    return Address(*json.loads(cipher.decrypt(sealed[:12], sealed[12:], row.endpoint_hash.encode())))


def _refused() -> Invalid:
    return Invalid(
        _("Trình duyệt này gửi một địa chỉ nhận thông báo không dùng được."),
        field="subscription",
        code="bad_subscription",
        way_out=_("Xem bản tin trên trang này, hoặc nhận bằng Atom."),
    )


# Sending ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What the push service said: sent, gone, later or failed; `wait_s` for later, where it named a time."""

    sort: str
    wait_s: float | None = None


def payload(version: BulletinVersion, language: str) -> bytes:
    """What the service worker shows: within the size of a push message, whatever the text."""
    texts = told(version, Channel.PUSH)
    said = next((one for one in texts if one.language == language), texts[0])
    page = f"/news/{version.bulletin_id}/" if Channel.ARTICLE in version.channels else "/news/"
    return json.dumps(
        {
            "title": _cut(said.title, 300),
            "body": _cut(" ".join(said.text.split()), LONGEST),
            "url": page + ("en/" if said.language == "en" else ""),
            "tag": f"bulletin-{version.bulletin_id}",
            "lang": said.language,
        },
        ensure_ascii=False,
    ).encode()


def _cut(text: str, octets: int) -> str:
    raw = text.encode("utf-8", "ignore")
    return text if len(raw) <= octets else raw[: octets - 3].decode("utf-8", "ignore").rstrip() + "…"


def push(rows: Iterable[PushSubscription], version: BulletinVersion) -> dict[int, Answer]:
    """Send one message to each subscription; what came of it by its id."""
    texts: dict[str, bytes] = {}
    left_s = max(0, int((version.expires_at - clock.now()).total_seconds()))
    headers = {
        "TTL": str(min(left_s, _TTL_S)),
        "Urgency": "high" if version.is_emergency else "normal",
        "Topic": f"bulletin-{version.bulletin_id}"[:32],
    }
    tokens: dict[tuple[str, str], str] = {}
    requests: list[tuple[int, str, dict[str, str], bytes]] = []
    answers: dict[int, Answer] = {}
    for row in rows:
        if row.language not in texts:
            texts[row.language] = payload(version, row.language)
        try:
            address = opened(row)
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(address.endpoint))
            if (origin, row.vapid_key) not in tokens:
                tokens[origin, row.vapid_key] = _authorization(origin, row.vapid_key)
            body = _encrypted(address, texts[row.language])
        except (InvalidTag, ValueError, keys.KeyMissing) as fault:
            # A key that was lost: nobody can reach this browser any more.
            logging.getLogger(__name__).warning("push subscription %s: %s", row.pk, type(fault).__name__)
            answers[row.pk] = Answer("gone")
            continue
        own = {**headers, "Authorization": tokens[origin, row.vapid_key]}
        requests.append((row.pk, address.endpoint, own, body))
    if not requests:
        return answers
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
        pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="push")
        running = {pool.submit(_post, client, to, own, body): pk for pk, to, own, body in requests}
        done, _late = wait(running, timeout=PATIENCE_S * -(-len(requests) // AT_ONCE))
        pool.shutdown(wait=False, cancel_futures=True)
        for future, pk in running.items():
            answers[pk] = future.result() if future in done else Answer("later")
    return answers


def _post(client: httpx.Client, endpoint: str, headers: dict[str, str], body: bytes) -> Answer:
    more = {"Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream"}
    try:
        with client.stream("POST", endpoint, content=body, headers={**headers, **more}) as response:
            status, told_wait = response.status_code, response.headers.get("Retry-After", "")
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError):
        return Answer("later")
    if 200 <= status < 300:
        return Answer("sent")
    if status in (404, 410):
        return Answer("gone")
    if status == 429 or status >= 500:
        wait_s = (
            float(told_wait) if told_wait.isascii() and told_wait.isdigit() and len(told_wait) < 6 else None
        )
        return Answer("later", wait_s)
    return Answer("failed")


def _encrypted(address: Address, text: bytes) -> bytes:
    # Here, not above: processes that push nothing need not load an HTTP client of another kind.
    from pywebpush import WebPusher

    info = {"endpoint": address.endpoint, "keys": {"p256dh": address.p256dh, "auth": address.auth}}
    return bytes(WebPusher(info).encode(text, content_encoding="aes128gcm")["body"])


def _authorization(origin: str, key_id: str) -> str:
    """Who we are, for one push service and half a day (RFC 8292). By the real clock: theirs runs so."""
    from py_vapid import Vapid02

    key = keys.get("web-push", key_id)
    claims = {"aud": origin, "exp": str(int(time.time()) + _VALID_S), "sub": contact()}
    return str(Vapid02(private_key=key.es256()).sign(claims)["Authorization"])


def contact() -> str:
    """Whom the push service writes to when something is wrong with what we send."""
    return settings.KHIEN_PUSH_CONTACT or (
        settings.KHIEN_URL if settings.KHIEN_URL.startswith("https://") else "mailto:nobody@localhost"
    )


def send_run(run_id: int) -> float | None:
    """Go on with one run until nothing is due; seconds until something is to be tried again, None when it has ended."""
    from khien.rooms.broadcasts.verbs import subscribing

    actor = system_actor("broadcasts")
    while True:
        run = PushRun.objects.select_related("version__bulletin").get(pk=run_id)
        if run.state != PushRun.State.RUNNING:
            return None
        rows = subscribing.claim_subscriptions(actor, run=run, limit=CHUNK)
        if rows:
            subscribing.settle_subscriptions(actor, run=run, answers=push(rows, run.version))
            continue
        if subscribing.finish_push(actor, run=run):
            return None
        due = run.retries.aggregate(at=Min("due_at"))["at"]
        return 1.0 if due is None else max(1.0, (due - datetime.now(UTC)).total_seconds())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
        )
    except ValueError as fault:
        raise _refused() from fault
