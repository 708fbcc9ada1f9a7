"""Is a word a Vietnamese syllable, and what are letters called?"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_TONES = re.compile("[\u0300\u0301\u0303\u0309\u0323]")
_ONSET = "(?:ngh|ng|nh|gh|gi|kh|ph|th|tr|ch|qu|[bcdđghklmnprstvx])?"
_RIMES = """
a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây e ec em en eng eo ep et
ê êch êm ên ênh êp êt êu i ia ich im in inh ip it iu iêc iêm iên iêng iêp iêt iêu o oa oac oach oai oam oan
oang oanh oao oap oat oay oăc oăm oăn oăng oăt oc oe oem oen oeo oet oi om on ong ooc oong op ot ô ôc ôi ôm
ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uân uâng uât uây uc uê uêch uên uênh ui um un ung uơ uôc uôi uôm uôn uông
uôt up ut uy uya uych uyên uyêt uyn uynh uyp uyt uyu ư ưa ưc ưi ưm ưn ưng ưt ưu ươc ươi ươm ươn ương ươp ươt
ươu y ych yêm yên yêng yêt yêu ym yn ynh yt êng ưp
""".split()
_PLAIN = {
    unicodedata.normalize("NFC", re.sub("[\u0302\u0306\u031b]", "", unicodedata.normalize("NFD", rime)))
    for rime in _RIMES
}
_SYLLABLE = re.compile(_ONSET + "(?:" + "|".join(sorted({*_RIMES, *_PLAIN}, key=len, reverse=True)) + ")")

ALPHABET = frozenset(
    "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệfghiìỉĩíịjklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvwxyỳỷỹýỵz"
)

LETTERS = {
    "a": "a",
    "ă": "á",
    "â": "ớ",
    "b": "bê",
    "c": "xê",
    "d": "dê",
    "đ": "đê",
    "e": "e",
    "ê": "ê",
    "f": "ép",
    "g": "giê",
    "h": "hát",
    "i": "i",
    "j": "gi",
    "k": "ca",
    "l": "e lờ",
    "m": "em mờ",
    "n": "en nờ",
    "o": "o",
    "ô": "ô",
    "ơ": "ơ",
    "p": "pê",
    "q": "quy",
    "r": "e rờ",
    "s": "ét",
    "t": "tê",
    "u": "u",
    "ư": "ư",
    "v": "vê",
    "w": "vê kép",
    "x": "ích",
    "y": "i dài",
    "z": "dét",
}


@lru_cache(maxsize=16_384)
def is_syllable(word: str) -> bool:
    """Could this be one Vietnamese syllable, with or without its accents, in any case?

    >>> is_syllable("Nghiêng"), is_syllable("UBND"), is_syllable("covid")
    (True, False, False)
    """
    bare = unicodedata.normalize("NFC", _TONES.sub("", unicodedata.normalize("NFD", word.lower())))
    return _SYLLABLE.fullmatch(bare) is not None


def spell(word: str) -> str:
    """The names of the letters, one after the other; other signs are left out."""
    names = []
    for letter in unicodedata.normalize("NFC", _TONES.sub("", unicodedata.normalize("NFD", word.lower()))):
        if letter in LETTERS:
            names.append(LETTERS[letter])
    return " ".join(names)


def split(word: str) -> list[str] | None:
    """Syllables without accents that make up a word written together, or None.

    Of several ways the one with the fewest syllables that start with a vowel, then the one with the fewest.

    >>> split("hanam"), split("xyz")
    (['ha', 'nam'], None)
    """
    word = word.lower()
    if not word.isascii() or len(word) > 40:
        return None
    best: dict[int, tuple[int, int, list[str]]] = {len(word): (0, 0, [])}
    for start in range(len(word) - 1, -1, -1):
        for end in range(min(len(word), start + 7), start, -1):
            piece = word[start:end]
            if end not in best or not is_syllable(piece):
                continue
            vowels, count, rest = best[end]
            way = (vowels + (piece[0] in "aeiouy"), count + 1, [piece, *rest])
            if start not in best or way[:2] < best[start][:2]:
                best[start] = way
    return best[0][2] if 0 in best else None
