"""What people write to our number, read: a keyword of the registry with its arguments, or a text for somebody to read.

The grammar is the registry's data. Accents, case and composed or decomposed letters do not count; neither do spaces and
signs between or inside the words, so that "tc 123456 7890", "TC-123456-7890" and "Tc1234567890" are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from khien.kernel.language import fold
from khien.kernel.registries import SmsArgument, SmsKeyword, sms_keywords

LONGEST = 400
"""Characters that a question may have; what is longer was written to be read by a person."""

Sort = Literal["question", "malformed", "other"]


@dataclass(frozen=True, slots=True)
class Read:
    """What a text is: a `question` with its keyword and arguments; `malformed` when a keyword stands there as a word
    and what follows does not fit; `other` for the rest. `kept` is the text as it may be stored: without secrets."""

    sort: Sort
    kept: str
    key: str = ""
    keyword: SmsKeyword | None = None
    arguments: dict[str, str] = field(default_factory=dict)


def read(text: str) -> Read:
    """The question in a text as it came. Never raises, whatever the text is."""
    clean = cleaned(text)
    if len(clean) > LONGEST:
        return Read("other", clean)
    plain = fold(unicodedata.normalize("NFKC", clean)).upper()
    words = re.findall(r"[0-9A-Z]+", plain)
    letters = "".join(words)
    ends = _ends(words)
    malformed: Read | None = None
    for key, keyword, spelling in _spellings():
        if not letters.startswith(spelling):
            continue
        rest = letters[len(spelling) :]
        apart = len(spelling) in ends  # a space or a sign follows the keyword, or nothing does
        found = _arguments(keyword.syntax, rest, _words_after(words, len(spelling)) if apart else ())
        if found is None:
            if apart or rest[:1].isdigit():
                kept = _without_secret(keyword, spelling, clean)
                malformed = malformed or Read("malformed", kept, key, keyword)
            continue
        # "KQHOCTAP" is a word, "KQT0001" a question.
        if apart or any(character.isdigit() for character in rest):
            told = [spelling, *("•" * 4 if a.secret else found[a.name] for a in keyword.syntax)]
            return Read("question", " ".join(told), key, keyword, found)
    if malformed is not None and malformed.keyword is not None and not malformed.keyword.syntax:
        # "TU CHOI TIEM" is not "TU CHOI": somebody has to read it.
        return Read("other", clean)
    return malformed or Read("other", clean)


def cleaned(text: str) -> str:
    """NFC without what no phone shows: controls, marks of direction, zeros, lone surrogates."""
    composed = unicodedata.normalize("NFC", text)
    shown = "".join(
        c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn", "Co"} else " " for c in composed
    )
    return " ".join(shown.split())


def syntax_of(keyword: SmsKeyword) -> str:
    """How it is written, e.g. `KQ <ma ong>`, without accents."""
    parts = [plain(keyword.words[0])]
    parts += [f"<{fold(str(a.label or a.name))}>" for a in keyword.syntax]
    return " ".join(parts)


def plain(word: str) -> str:
    """A spelling in upper case without accents."""
    return fold(word).upper()


def _spellings() -> Iterator[tuple[str, SmsKeyword, str]]:
    """Every spelling of every keyword as letters alone, longest first."""
    found = [
        (key, keyword, re.sub(r"[^0-9A-Z]", "", plain(word)))
        for key, keyword in sms_keywords.items()
        for word in keyword.words
    ]
    return iter(sorted((one for one in found if one[2]), key=lambda one: (-len(one[2]), one[0])))


def _ends(words: list[str]) -> set[int]:
    ends, at = set(), 0
    for word in words:
        at += len(word)
        ends.add(at)
    return ends


def _words_after(words: list[str], place: int) -> tuple[str, ...]:
    at = 0
    for number, word in enumerate(words):
        if at == place:
            return tuple(words[number:])
        at += len(word)
    return ()


def _arguments(syntax: tuple[SmsArgument, ...], rest: str, words: tuple[str, ...]) -> dict[str, str] | None:
    """The arguments: word by word where there are as many words, else one after the other in all the letters."""
    if len(words) == len(syntax) and all(map(_fits, syntax, words)):
        return {argument.name: word for argument, word in zip(syntax, words, strict=True)}
    # Only the last may vary in length: where another does, nobody can say where it ends.
    if any(argument.shortest != argument.longest for argument in syntax[:-1]):
        return None
    found = {}
    for number, argument in enumerate(syntax, start=1):
        size = argument.longest if number < len(syntax) else len(rest)
        piece, rest = rest[:size], rest[size:]
        if not _fits(argument, piece):
            return None
        found[argument.name] = piece
    return None if rest else found


def _fits(argument: SmsArgument, text: str) -> bool:
    return argument.shortest <= len(text) <= argument.longest and set(text) <= set(argument.letters)


def _without_secret(keyword: SmsKeyword, spelling: str, clean: str) -> str:
    """A question that could not be read may hold the secret all the same."""
    return f"{spelling} …" if any(argument.secret for argument in keyword.syntax) else clean
