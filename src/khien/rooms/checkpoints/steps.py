"""The fresh step of a pass on a phone, by which a picture of the pass shows as one.

The phone shows `YT2:` + base45(pass | step | signature): the COSE_Sign1 of the pass as in `YT1:`, then the step, a
32-bit big-endian count of 15 seconds since 1970, then an ES256 signature (r and s, 64 bytes) by the phone's own key
over `"khien step 1"`, the pass and the step. The key cannot leave the phone; its public half is the `cnf` claim of
the pass, so a gate without network can verify both. `static/checkpoints/step.js` is the twin in the browser, and
`tests/vectors/steps.json` holds both to the same answers.

A step that is not fresh is a hint for the guard ("ảnh chụp màn hình?"), never a reason to refuse a scan: a phone's
clock may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import base45  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from khien.rooms.checkpoints import passes
from khien.rooms.checkpoints.passes import Claims, PassError

PREFIX = "YT2:"
STEP_S = 15
FRESH_S = 75
"""A step counts as fresh from a minute before to 75 seconds after it was made: four steps and the time to aim."""
EARLY_S = 60
STALE = "stale_step"
_CONTEXT = b"khien step 1"
_TAIL = 4 + 64


@dataclass(frozen=True, slots=True)
class Step:
    """A verified pass as the phone shows it. `made_at` is when the phone says it made the step, None for a pass
    without one (paper, or an old phone); `signed` says whether the pass's own phone signed it."""

    claims: Claims
    made_at: datetime | None = None
    signed: bool = False

    def age_s(self, at: datetime) -> float | None:
        """Seconds from the step to the scan; negative when the phone's clock is ahead."""
        return None if self.made_at is None else (at - self.made_at).total_seconds()

    def fresh(self, *moments: datetime) -> bool:
        """Whether the phone itself showed the pass at the moment of the scan, by one of the clocks that tell it.

        Nothing is asked of a pass that names no phone; a phone's pass without its step is a copy of one.
        """
        if not self.claims.device_key:
            return True
        ages = [self.age_s(moment) for moment in moments]
        return self.signed and any(age is not None and -EARLY_S <= age <= FRESH_S for age in ages)


def verify(text: str) -> Step:
    """What a pass says, with or without a step. Raises `PassError` as `passes.verify` does; a wrong signature of the
    step alone is no error, it only never counts as fresh."""
    if not text.startswith(PREFIX):
        return Step(passes.verify(text))
    if len(text) > passes.MAX_LENGTH + 2 * _TAIL:
        raise PassError("malformed")
    try:
        data = base45.b45decode(text.removeprefix(PREFIX))
    except ValueError as fault:
        raise PassError("malformed") from fault
    if len(data) <= _TAIL:
        raise PassError("malformed")
    card, step, signature = data[:-_TAIL], data[-_TAIL:-64], data[-64:]
    claims = passes.verify(passes.PREFIX + base45.b45encode(card).decode())
    made_at = datetime.fromtimestamp(int.from_bytes(step, "big") * STEP_S, UTC)
    return Step(claims, made_at, _signed(claims.device_key, card + step, signature))


def flags(step: Step, *moments: datetime | None) -> tuple[str, ...]:
    """The flags of a scan of this pass: `stale_step` when it looks like a picture. `moments` are the scan's time by
    our clock and by the device's."""
    return () if step.fresh(*(moment for moment in moments if moment is not None)) else (STALE,)


def _signed(point: bytes, message: bytes, signature: bytes) -> bool:
    if not point:
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        dss = encode_dss_signature(
            int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        )
        key.verify(dss, _CONTEXT + message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True
