import pytest

from khien.kernel.errors import Invalid
from khien.kernel.people.phones import display, to_e164


@pytest.mark.parametrize(
    "raw",
    [
        "0912345678",
        "0912 345 678",
        "0912.345.678",
        "+84912345678",
        "84912345678",
        "(+84) 912-345-678",
        "0084912345678",
    ],
)
def test_every_way_of_writing_a_number_is_one_number(raw: str) -> None:
    assert to_e164(raw) == "+84912345678"


def test_a_foreign_mobile_number_is_taken_with_its_country() -> None:
    assert to_e164("+44 7400 123456") == "+447400123456"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "phone_empty"),
        ("   ", "phone_empty"),
        ("không có", "phone_letters"),
        ("0912345678, 0987654321", "phone_letters"),
        ("0912+345678", "phone_letters"),
        ("0912", "phone_length"),
        ("091234567", "phone_length"),
        ("09123456789", "phone_length"),
        ("01682345678", "phone_before_2018"),
        ("+841682345678", "phone_before_2018"),
        ("0112345678", "phone_no_such"),
        ("02263852222", "phone_not_mobile"),
        ("19009095", "phone_not_mobile"),
        ("+999123456789", "phone_country"),
    ],
)
def test_every_wrong_shape_gets_its_own_answer(raw: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        to_e164(raw, field="so")
    assert refused.value.code == code
    assert refused.value.field == "so"
    assert refused.value.way_out


def test_the_new_prefix_is_offered_not_guessed() -> None:
    with pytest.raises(Invalid) as refused:
        to_e164("01682345678")
    assert "038" in str(refused.value.way_out)


def test_numbers_are_shown_as_written_in_viet_nam() -> None:
    assert display("+84912345678") == "0912 345 678"
    assert display("+447400123456").startswith("+44 ")
