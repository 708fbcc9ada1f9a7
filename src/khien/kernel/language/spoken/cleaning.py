"""What is read: one form of every letter, digit, space and line end."""

from __future__ import annotations

import unicodedata

from khien.kernel.language.spoken import patterns, syllables


def clean(text: str) -> str:
    """NFC, digits of every script as 0 to 9, plain spaces and line ends, no control characters, Vietnamese letters.

    Letters with foreign marks lose them (ü as u); what is no letter that Vietnamese writes stays for the reader,
    who leaves it out with a doubt.
    """
    kept = []
    for character in unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n"):
        if character.lower() in syllables.ALPHABET or character in "²³\n":
            kept.append(character)
            continue
        category = unicodedata.category(character)
        if category[0] == "Z" or character == "\t":
            kept.append("\n" if category in {"Zl", "Zp"} else " ")
        elif category in {"Nd", "Nl", "No"}:
            plain = unicodedata.normalize("NFKC", character)
            kept.append(f" {plain} " if "\u2044" in plain else plain)
        elif category[0] == "L":
            plain = unicodedata.normalize("NFKD", character)
            kept.append("".join(part for part in plain if not unicodedata.combining(part)))
        elif category[0] != "C" and not unicodedata.combining(character):
            kept.append("-" if character in "‐‑‒−" else character)
    # A word ends where letters begin that Vietnamese does not write.
    return patterns.FOREIGN_EDGE.sub(" ", unicodedata.normalize("NFC", "".join(kept)))
