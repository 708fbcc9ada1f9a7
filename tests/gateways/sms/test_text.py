import unicodedata

import pytest

from khien.gateways.sms.text import measure, normalise, strip_accents

NOTICE = "Anh/chị cần ở tại nhà 14 ngày. Khai báo sức khỏe mỗi ngày theo đường dẫn trong tin."


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("đ" * 70, "UCS-2", 70, 1),
        ("đ" * 71, "UCS-2", 71, 2),
        ("đ" * 134, "UCS-2", 134, 2),
        ("đ" * 135, "UCS-2", 135, 3),
        ("", "GSM-7", 0, 1),
        ("àéì", "GSM-7", 3, 1),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
    ],
)
def test_parts_follow_the_alphabet(text: str, encoding: str, units: int, parts: int) -> None:
    size = measure(text)
    assert (size.encoding, size.units, size.parts) == (encoding, units, parts)


def test_a_two_unit_character_is_never_cut_in_two() -> None:
    # 152 letters and then a euro sign: its two septets do not fit into the 153rd place.
    assert measure("a" * 152 + "€" + "a" * 152).parts == 3
    assert measure("đ" * 66 + "😷" + "đ" * 66).parts == 3


def test_decomposed_accents_cost_no_more_than_composed_ones() -> None:
    decomposed = unicodedata.normalize("NFD", NOTICE)
    assert len(decomposed) > len(NOTICE)
    assert measure(decomposed) == measure(NOTICE)
    assert normalise(decomposed) == NOTICE


def test_stripping_accents_gives_the_cheap_alphabet() -> None:
    assert strip_accents("Đề nghị Anh/chị ở tại nhà") == "De nghi Anh/chi o tai nha"
    assert measure(strip_accents(NOTICE)).encoding == "GSM-7"
