"""An OpenID Connect provider: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0; RFC 7636, 9207).

The flow is Authlib's, signatures and claims are joserfc's. Discovery and keys are fetched when they are first needed,
kept for an hour, and fetched anew when a token names a key that is not among them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import KeySet

from khien.gateways.identity.interface import Begun, Identity, Refused, Unreachable

logger = logging.getLogger("khien.identity")

# httpx logs every address it asks.
logging.getLogger("httpx").setLevel(logging.WARNING)

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
"""Asymmetric only: with "none" or a key that is shared, whoever holds our secret could make tokens."""

LEEWAY_S = 60
OLDEST_S = 600
KEPT_S = 3600.0
KEYS_AGAIN_S = 15.0
MOST_BYTES = 512 * 1024
TIMEOUT = httpx.Timeout(5.0, connect=3.0)
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass
class _Fetched:
    """What a provider said of itself, and when (monotonic seconds)."""

    metadata: dict[str, Any] = field(default_factory=dict)
    metadata_at: float = -1e9
    keys: KeySet | None = None
    keys_at: float = -1e9


@dataclass(frozen=True)
class OpenIdConnect:
    """The provider at `issuer`. The claim `number_claim` of its ID token (or else of its userinfo) holds the number of
    a document of the kind `number_kind` (cccd, cmnd, passport, insurance)."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid"
    number_claim: str = "sub"
    number_kind: str = "cccd"
    name: str = "VNeID"
    https_only: bool = True
    _fetched: _Fetched = field(default_factory=_Fetched, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def begin(self, back: str) -> Begun:
        """As the interface says."""
        endpoint = self._endpoint("authorization_endpoint")
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        with self._client(back) as client:
            url, state = client.create_authorization_url(
                endpoint, state=secrets.token_urlsafe(32), nonce=nonce, code_verifier=verifier
            )
        return Begun(url, state, nonce, verifier)

    def finish(self, back: str, *, code: str, issuer: str, nonce: str, verifier: str) -> Identity:
        """As the interface says."""
        told = self._metadata()
        if (issuer and issuer != told["issuer"]) or (
            told.get("authorization_response_iss_parameter_supported") and not issuer
        ):
            raise Refused("issuer_of_answer")
        tokens = self._exchange(back, code, verifier)
        claims = self._checked(
            str(tokens.get("id_token") or ""), nonce, str(tokens.get("access_token") or "")
        )
        number = claims.get(self.number_claim)
        if number is None and tokens.get("access_token"):
            number = self._userinfo(str(tokens["access_token"]), str(claims["sub"])).get(self.number_claim)
        if not isinstance(number, str | int) or not str(number).strip():
            raise Refused("no_number")
        return Identity(self.number_kind, str(number).strip())

    def leave(self, back: str) -> str | None:
        """As the interface says. The ID token is not sent along: it would stand in an address."""
        try:
            endpoint = self._metadata().get("end_session_endpoint")
        except Unreachable:
            return None
        if not endpoint or not self._allowed(endpoint):
            return None
        query = urlencode({"client_id": self.client_id, "post_logout_redirect_uri": back})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    # -- the token -------------------------------------------------------------------------------------

    def _exchange(self, back: str, code: str, verifier: str) -> dict[str, Any]:
        endpoint = self._endpoint("token_endpoint")
        try:
            with self._client(back) as client:
                tokens = client.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=verifier
                )
        except httpx.HTTPError as fault:
            raise self._unreachable("token", fault) from fault
        except AuthlibBaseError as fault:
            # invalid_grant: a code that was used before, has run out, or is of another client.
            raise Refused(str(fault.error or "token")[:40]) from fault
        except (ValueError, KeyError, TypeError) as fault:
            raise self._unreachable("token", fault) from fault
        return dict(tokens)

    def _checked(self, id_token: str, nonce: str, access_token: str) -> dict[str, Any]:
        """The claims of an ID token whose signature, issuer, audience, times, nonce and hash are right."""
        if not id_token:
            raise Refused("no_id_token")
        token = self._verified(id_token)
        claims: dict[str, Any] = dict(token.claims)
        now = int(time.time())
        registry = jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._metadata()["issuer"]},
            aud={"essential": True, "value": self.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            registry.validate(claims)
        except ExpiredTokenError as fault:
            raise Refused("expired_token") from fault
        except JoseError as fault:
            raise Refused(f"claim_{getattr(fault, 'claim', '') or 'unknown'}") from fault
        if not hmac.compare_digest(str(claims.get("nonce", "")), nonce):
            raise Refused("nonce")
        if claims["iat"] < now - OLDEST_S:
            raise Refused("old_token")
        audience = claims["aud"]
        if (
            isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self.client_id
        ) or claims.get("azp", self.client_id) != self.client_id:
            raise Refused("authorized_party")
        if "at_hash" in claims and claims["at_hash"] != _half_hash(
            access_token, str(token.header.get("alg"))
        ):
            raise Refused("access_token_hash")
        return claims

    def _verified(self, id_token: str) -> jwt.Token:
        for last in (False, True):
            keys = self._keys(fresh=last)
            try:
                kid = jws.extract_compact(id_token.encode()).headers().get("kid")
                if kid is not None and not last and kid not in {key.kid for key in keys.keys}:
                    continue  # the provider has changed its keys
                return jwt.decode(id_token, keys, algorithms=ALGORITHMS)
            except JoseError as fault:
                if last:
                    raise Refused("signature") from fault
            except (ValueError, KeyError, TypeError) as fault:
                if last:
                    raise Refused("malformed_token") from fault
        raise Refused("signature")

    def _userinfo(self, access_token: str, subject: str) -> dict[str, Any]:
        told = self._json(self._endpoint("userinfo_endpoint"), {"Authorization": f"Bearer {access_token}"})
        if told.get("sub") != subject:
            raise Refused("subject_of_userinfo")
        return told

    # -- what the provider says of itself --------------------------------------------------------------

    def _metadata(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() - self._fetched.metadata_at > KEPT_S:
                told = self._json(f"{self.issuer}/.well-known/openid-configuration")
                if str(told.get("issuer", "")).rstrip("/") != self.issuer:
                    raise Unreachable("the provider names another issuer")
                if "S256" not in told.get("code_challenge_methods_supported", ["S256"]):
                    raise Unreachable("the provider knows no PKCE")
                self._fetched.metadata, self._fetched.metadata_at = told, time.monotonic()
            return self._fetched.metadata

    def _endpoint(self, which: str) -> str:
        address = self._metadata().get(which)
        if not isinstance(address, str) or not self._allowed(address):
            raise Unreachable(f"the provider has no usable {which}")
        return address

    def _keys(self, *, fresh: bool) -> KeySet:
        """The provider's keys; asked for anew at most every 15 seconds, whatever tokens come."""
        address = self._endpoint("jwks_uri")
        with self._lock:
            age = time.monotonic() - self._fetched.keys_at
            if self._fetched.keys is None or age > KEPT_S or (fresh and age > KEYS_AGAIN_S):
                try:
                    self._fetched.keys = KeySet.import_key_set(self._json(address))  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError) as fault:
                    raise self._unreachable("keys", fault) from fault
                self._fetched.keys_at = time.monotonic()
            return self._fetched.keys

    def _json(self, address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        if not self._allowed(address):
            raise Unreachable("only https addresses are asked")
        try:
            with (
                httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client,
                client.stream("GET", address, headers=headers) as response,
            ):
                response.raise_for_status()
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise Unreachable("the answer is too long")
            told = json.loads(bytes(body))
        except (httpx.HTTPError, ValueError) as fault:
            raise self._unreachable("metadata", fault) from fault
        if not isinstance(told, dict):
            raise Unreachable("the answer is no JSON object")
        return told

    def _allowed(self, address: str) -> bool:
        parts = urlsplit(address)
        return parts.scheme == "https" or (
            parts.scheme == "http" and not self.https_only and parts.hostname in _LOOPBACK
        )

    def _client(self, back: str) -> OAuth2Client:
        return OAuth2Client(
            client_id=self.client_id,
            client_secret=self.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self.client_secret else "none",
            redirect_uri=back,
            scope=self.scopes,
            code_challenge_method="S256",
            timeout=TIMEOUT,
            follow_redirects=False,
        )

    def _unreachable(self, what: str, fault: Exception) -> Unreachable:
        # The text of a fault may quote an address with a code in it: the type is enough.
        logger.warning("identity provider, %s: %s", what, type(fault).__name__)
        return Unreachable(what)


def _half_hash(access_token: str, algorithm: str) -> str:
    """The left half of the token's hash, as OpenID Connect Core 3.1.3.6 wants it."""
    digest = {"384": hashlib.sha384, "DSA": hashlib.sha512}.get(algorithm[-3:], hashlib.sha256)
    octets = digest(access_token.encode("ascii", "ignore")).digest()
    return base64.urlsafe_b64encode(octets[: len(octets) // 2]).rstrip(b"=").decode()
