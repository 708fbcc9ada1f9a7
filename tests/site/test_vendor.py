from __future__ import annotations

from tools import vendor


def test_vendored_files_are_those_that_were_checked() -> None:
    assert vendor.check() == []


def test_every_vendored_package_states_its_licence_and_hash() -> None:
    for package in vendor.packages():
        assert package["integrity"].startswith("sha512-")
        assert package["licence"]
        assert "LICENSE" in package["files"] or "notice" in package
