"""Sign-in of staff: accounts are made by an administrator, nobody signs up."""

from __future__ import annotations

import base64
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import LoginForm
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.http import HttpRequest

from khien.kernel import keys


class StaffAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SecondFactorAdapter(DefaultMFAAdapter):
    """Keeps the secrets of phones' codes as ciphertext; the key lies outside the database."""

    def encrypt(self, text: str) -> str:
        return self._fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return self._fernet().decrypt(encrypted_text.encode()).decode()

    def _fernet(self) -> MultiFernet:
        """The current key encrypts, every older one still decrypts."""
        keys.current("second-factor")
        ids = reversed(keys.all_ids("second-factor"))
        return MultiFernet(
            Fernet(base64.urlsafe_b64encode(keys.get("second-factor", key_id).secret)) for key_id in ids
        )


class StaffLoginForm(LoginForm):
    """Labels stand above the fields; there is no way to reset a password by mail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            field.help_text = ""
