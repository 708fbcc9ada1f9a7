"""The code: every slip of one character or of two neighbours is told."""

from __future__ import annotations

import itertools

from khien.rooms.declarations import codes


def test_a_code_is_read_as_scanned_typed_or_read_out() -> None:
    code = codes.new()
    for text in (code, f"KB1:{code}", codes.shown(code), f" kb1: {codes.shown(code)[4:].lower()} "):
        assert codes.parsed(text) == code


def test_every_wrong_character_and_every_pair_of_neighbours_that_changed_places_is_told() -> None:
    code = codes.new()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    for place, letter in itertools.product(range(12), alphabet):
        changed = code[:place] + letter + code[place + 1 :]
        assert (codes.parsed(changed) is None) == (changed != code)
    for place in range(11):
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert (codes.parsed(swapped) is None) == (swapped != code)


def test_anything_else_is_none() -> None:
    for text in ("", "KB1:", "YT1:ABCDEFGHJKMN", "Z" * 13, "Ⅷ" * 12, "ÀÁÂ" * 4):
        assert codes.parsed(text) is None
