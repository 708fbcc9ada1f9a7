"""The provider that this installation uses."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from khien.gateways.identity.interface import IdentityProvider

if TYPE_CHECKING:
    from khien.gateways.identity.oidc import OpenIdConnect


def name() -> str:
    """What people call the provider; empty when there is none."""
    return settings.KHIEN_OIDC_NAME if settings.KHIEN_OIDC_ISSUER else ""


def provider() -> IdentityProvider | None:
    """The provider of the settings `KHIEN_OIDC_*`; None without an issuer."""
    if not settings.KHIEN_OIDC_ISSUER:
        return None
    return _made(
        settings.KHIEN_OIDC_ISSUER,
        settings.KHIEN_OIDC_CLIENT_ID,
        settings.KHIEN_OIDC_CLIENT_SECRET,
        settings.KHIEN_OIDC_SCOPES,
        settings.KHIEN_OIDC_NUMBER_CLAIM,
        settings.KHIEN_OIDC_NUMBER_KIND,
        settings.KHIEN_OIDC_NAME,
        settings.PRODUCTION,
    )


@lru_cache(maxsize=4)
def _made(
    issuer: str, client_id: str, secret: str, scopes: str, claim: str, kind: str, label: str, strict: bool
) -> OpenIdConnect:
    # Here, not above: processes that sign nobody in need not load a client.
    from khien.gateways.identity.oidc import OpenIdConnect

    return OpenIdConnect(
        issuer=issuer.rstrip("/"),
        client_id=client_id,
        client_secret=secret,
        scopes=scopes,
        number_claim=claim,
        number_kind=kind,
        name=label,
        https_only=strict,
    )
