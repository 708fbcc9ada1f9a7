"""Whose address counts, and what is counted as one."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from khien.kernel.doors.address import block_of, caller, network_of


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_address_is_counted_with_its_subscriber(address: str, block: str) -> None:
    assert network_of(address) == block


@pytest.mark.parametrize(
    ("proxies", "header", "seen"),
    [
        (0, "198.51.100.7", "127.0.0.1"),  # nobody of ours wrote that
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "10.0.0.1, 198.51.100.7", "198.51.100.7"),  # the first was written by the caller
        (2, "10.0.0.1, 198.51.100.7, 192.0.2.1", "198.51.100.7"),
        (2, "198.51.100.7", "198.51.100.7"),
        (1, "", "127.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(
    settings: object, proxies: int, header: str, seen: str
) -> None:
    settings.KHIEN_PROXIES = proxies  # type: ignore[attr-defined]
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR=header)
    assert caller(request) == seen
    assert seen not in block_of(request)
