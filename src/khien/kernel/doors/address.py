"""Where a request comes from, as far as limits need to know."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

from khien.kernel import limits


def block_of(request: HttpRequest) -> str:
    """A keyed hash of the caller's address block: an IPv4 address, or the /64 network of an IPv6 address, which is what
    one subscriber has. Behind `KHIEN_PROXIES` proxies of our own the address is the one that the outermost saw."""
    return limits.keyed("block", network_of(caller(request)))


def caller(request: HttpRequest) -> str:
    """The caller's address. Entries that the caller may have written into the header itself are not believed."""
    seen = request.META.get("REMOTE_ADDR", "")
    proxies = settings.KHIEN_PROXIES
    if proxies:
        told = [
            part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()
        ]
        if told:
            seen = told[-min(proxies, len(told))]
    return seen


def network_of(address: str) -> str:
    """The block that is counted as one: "203.0.113.9", "2001:db8:1:2::/64"; "unknown" for what is no address.

    >>> network_of("2001:db8:1:2:3:4:5:6")
    '2001:db8:1:2::/64'
    """
    text = address.strip().removeprefix("[").split("]", 1)[0].split("%", 1)[0]
    if text.count(":") == 1:
        text = text.split(":", 1)[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
