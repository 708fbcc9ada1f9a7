"""What a hostile or broken provider may say, and that none of it lets anybody in.

The right ways are tried with npm `oidc-provider` (tests/journeys/test_identity.py); here a provider of our own says
what that one never would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from khien.gateways.identity import oidc
from khien.gateways.identity.interface import Refused, Unreachable
from khien.gateways.identity.oidc import OpenIdConnect

BACK = "http://localhost/sign-in/identity/back/"
NUMBER = "035190123456"


class Hostile:
    """A provider that says whatever the test wants."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
        self.published = [self.key]
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "k1"}
        self.signing: Any = None
        self.raw_token: str | None = None
        self.userinfo: dict[str, Any] = {}
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self, "")

            def do_POST(self) -> None:
                outer.answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        path = urlsplit(handler.path).path
        self.asked.append((path, parse_qs(body), handler.headers.get("Authorization", "")))
        told: Any = {
            "/.well-known/openid-configuration": lambda: {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/me",
                "jwks_uri": f"{self.issuer}/jwks",
                **self.metadata,
            },
            "/jwks": lambda: KeySet(self.published).as_dict(private=False),
            "/token": lambda: {"access_token": "at", "token_type": "Bearer", "id_token": self.token()},
            "/me": lambda: self.userinfo,
        }[path]()
        octets = self.body if self.body is not None and path == "/token" else json.dumps(told).encode()
        handler.send_response(self.status if path == "/token" else 200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        handler.wfile.write(octets)

    def token(self) -> str:
        if self.raw_token is not None:
            return self.raw_token
        return jwt.encode(self.header, self.claims, self.signing or self.key, algorithms=["ES256", "HS256"])


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    provider = Hostile()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


@pytest.fixture
def client(hostile: Hostile) -> OpenIdConnect:
    return OpenIdConnect(
        issuer=hostile.issuer,
        client_id="khien",
        client_secret="secret",
        number_claim="citizen_id",
        https_only=False,
    )


def right(hostile: Hostile, **other: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": hostile.issuer,
        "aud": "khien",
        "sub": "s1",
        "exp": now + 300,
        "iat": now,
        "nonce": "n",
        "citizen_id": NUMBER,
    }
    return {name: value for name, value in {**claims, **other}.items() if value is not None}


def finish(client: OpenIdConnect, issuer: str = "") -> str:
    return client.finish(BACK, code="c", issuer=issuer, nonce="n", verifier="v" * 64).number


def test_the_right_answer_gives_the_number_and_proves_the_verifier(
    hostile: Hostile, client: OpenIdConnect
) -> None:
    begun = client.begin(BACK)
    query = parse_qs(urlsplit(begun.url).query)
    digest = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
    assert (query["code_challenge"], query["code_challenge_method"]) == ([digest], ["S256"])
    assert (query["state"], query["nonce"]) == ([begun.state], [begun.nonce])
    assert query["response_type"] == ["code"]
    assert begun.verifier not in begun.url
    hostile.claims = right(hostile)
    assert finish(client, hostile.issuer) == NUMBER
    _path, sent, authorization = next(row for row in hostile.asked if row[0] == "/token")
    assert sent["code_verifier"] == ["v" * 64]
    assert authorization.startswith("Basic ")
    assert NUMBER not in repr(client.finish(BACK, code="c", issuer="", nonce="n", verifier="v"))


WRONG = {
    "issuer": {"iss": "http://127.0.0.1:1"},
    "no issuer": {"iss": None},
    "audience": {"aud": "somebody"},
    "several audiences without azp": {"aud": ["khien", "other"]},
    "azp of another": {"azp": "other"},
    "expired": {"exp": 1_600_000_000},
    "no expiry": {"exp": None},
    "old": {"iat": 1_600_000_000},
    "from the future": {"iat": 4_000_000_000},
    "not yet": {"nbf": 4_000_000_000},
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "access token hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "no number anywhere": {"citizen_id": ""},
    "a number that is no text": {"citizen_id": {"a": 1}},
}


@pytest.mark.parametrize("other", WRONG.values(), ids=WRONG)
def test_a_claim_that_is_not_right_lets_nobody_in(
    hostile: Hostile, client: OpenIdConnect, other: dict[str, Any]
) -> None:
    hostile.claims = right(hostile, **other)
    with pytest.raises(Refused) as refused:
        finish(client)
    assert NUMBER not in str(refused.value)


def test_signatures_that_anybody_could_make_are_refused(hostile: Hostile, client: OpenIdConnect) -> None:
    hostile.claims = right(hostile)

    def part(told: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()

    hostile.raw_token = f"{part({'alg': 'none'})}.{part(hostile.claims)}."
    with pytest.raises(Refused, match="signature"):
        finish(client)
    hostile.raw_token = "rubbish"
    with pytest.raises(Refused):
        finish(client)
    hostile.raw_token = None
    # The published key taken as a shared secret, and our own client secret as one.
    public = json.dumps(hostile.key.as_dict(private=False)).encode()
    for secret in (public, b"secret" * 6):
        hostile.header, hostile.signing = {"alg": "HS256", "kid": "k1"}, OctKey.import_key(secret)
        with pytest.raises(Refused, match="signature"):
            finish(client)
    hostile.header = {"alg": "ES256", "kid": "k1"}
    hostile.signing = ECKey.generate_key("P-256", {"kid": "k1"})
    with pytest.raises(Refused, match="signature"):
        finish(client)


def test_new_keys_are_fetched_once_for_a_while(
    hostile: Hostile, client: OpenIdConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile.claims = right(hostile)
    finish(client)
    hostile.key = ECKey.generate_key("P-256", {"kid": "k2", "use": "sig"})
    hostile.published, hostile.header = [hostile.key], {"alg": "ES256", "kid": "k2"}
    for _attack in range(20):
        with pytest.raises(Refused):
            finish(client)
    assert sum(path == "/jwks" for path, _body, _auth in hostile.asked) == 1
    monkeypatch.setattr(oidc, "KEYS_AGAIN_S", 0.0)
    assert finish(client) == NUMBER
    finish(client)
    assert sum(path == "/jwks" for path, _body, _auth in hostile.asked) == 2


def test_the_userinfo_must_be_of_the_same_subject(hostile: Hostile, client: OpenIdConnect) -> None:
    hostile.claims = right(hostile, citizen_id=None)
    hostile.userinfo = {"sub": "another", "citizen_id": NUMBER}
    with pytest.raises(Refused, match="subject_of_userinfo"):
        finish(client)
    hostile.userinfo = {"sub": "s1", "citizen_id": NUMBER}
    assert finish(client) == NUMBER


def test_an_answer_of_another_issuer_is_refused(hostile: Hostile, client: OpenIdConnect) -> None:
    hostile.claims = right(hostile)
    with pytest.raises(Refused, match="issuer_of_answer"):
        finish(client, "http://127.0.0.1:1")
    hostile.metadata = {"authorization_response_iss_parameter_supported": True}
    strict = OpenIdConnect(issuer=hostile.issuer, client_id="khien", https_only=False)
    with pytest.raises(Refused, match="issuer_of_answer"):
        finish(strict)


def test_a_refused_code_is_refused_and_a_broken_provider_unreachable(
    hostile: Hostile, client: OpenIdConnect
) -> None:
    hostile.status, hostile.body = 400, b'{"error": "invalid_grant"}'
    with pytest.raises(Refused, match="invalid_grant"):
        finish(client)
    hostile.status, hostile.body = 500, b"<html>"
    with pytest.raises(Unreachable):
        finish(client)
    hostile.status, hostile.body = 200, b'"text"'
    with pytest.raises((Unreachable, Refused)):
        finish(client)


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://elsewhere.example"},
        {"authorization_endpoint": "ftp://127.0.0.1/"},
        {"authorization_endpoint": None},
        {"code_challenge_methods_supported": ["plain"]},
    ],
    ids=["issuer", "scheme", "none", "no PKCE"],
)
def test_a_provider_that_describes_itself_wrongly_is_not_used(
    hostile: Hostile, client: OpenIdConnect, told: dict[str, Any]
) -> None:
    hostile.metadata = told
    with pytest.raises(Unreachable):
        client.begin(BACK)


def test_in_production_only_https_is_spoken(hostile: Hostile) -> None:
    with pytest.raises(Unreachable, match="https"):
        OpenIdConnect(issuer=hostile.issuer, client_id="khien").begin(BACK)


def test_a_provider_that_is_down_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        OpenIdConnect(issuer="http://127.0.0.1:9", client_id="khien", https_only=False).begin(BACK)
