"""What those who look at held events are shown."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from khien.rooms.checkpoints.intake import masked


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"[0-9]{9,12}", fullmatch=True), st.text(max_size=20))
def test_long_numbers_are_masked_for_those_who_look_at_held_events(number: str, around: str) -> None:
    assert number not in masked({"code": f"{around}{number}{around}"})
    assert number[:6] not in masked({"code": ".".join(number)}).replace(".", "")
