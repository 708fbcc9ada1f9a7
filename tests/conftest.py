from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_passwords(settings: object) -> None:
    """Accounts made by tests do not wait for scrypt."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
