"""That whoever decides is who they are signed in as, asked once more: a signed-in desk may have been left alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from khien.kernel import limits
from khien.kernel.errors import Invalid
from khien.kernel.limits import Limit, TooMany
from khien.kernel.staff import Actor
from khien.kernel.staff.models import Account

HOLDS_S = 120.0
"""Real seconds for which a proof counts: it is given with the decision, not kept."""
TRIES = Limit("broadcasts.confirm", 5, 180)


@dataclass(frozen=True, slots=True)
class Proof:
    """`account` gave its password at `at` (real time, aware UTC). Made by `prove` alone."""

    account: int
    at: datetime

    def holds(self, actor: Actor) -> bool:
        """Whether it is this actor's and fresh."""
        return self.account == actor.id and 0 <= (datetime.now(UTC) - self.at).total_seconds() <= HOLDS_S


def _account(actor: Actor) -> Account | None:
    if actor.kind != "staff" or actor.id is None:
        return None
    return Account.objects.filter(pk=actor.id, is_active=True).first()


def prove(actor: Actor, password: str) -> Proof:
    """The proof, for the right password of the account that acts. Raises `Invalid`; after five wrong ones `TooMany`.

    Called outside of a verb: a wrong try counts although nothing else is written.
    """
    account = _account(actor)
    now = datetime.now(UTC)
    key = limits.keyed("confirm", str(actor.id))
    if not limits.take(TRIES, key, now).allowed:
        raise TooMany(
            _("Nhập sai mật khẩu nhiều lần."), field="password", way_out=_("Đợi vài phút rồi thử lại.")
        )
    if account is None or not password or not account.check_password(password):
        raise Invalid(
            _("Mật khẩu không đúng."),
            field="password",
            code="wrong_password",
            way_out=_("Nhập mật khẩu của chính tài khoản đang dùng."),
        )
    limits.give_back(TRIES, key)
    return Proof(account.pk, now)
