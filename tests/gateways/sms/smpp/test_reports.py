from __future__ import annotations

import pytest
from hypothesis import given, settings

from khien.gateways.sms.interface import Delivery
from khien.gateways.sms.smpp import pdu, reports
from tests.gateways.sms.smpp.strategies import messages

BOOK = "id:0123456789 sub:001 dlvrd:001 submit date:2111300900 done date:2111300901 stat:DELIVRD err:000 text:Xin"


def receipt(text: str | bytes, esm_class: int = 4, **more: object) -> pdu.Message:
    octets = text if isinstance(text, bytes) else text.encode("latin-1")
    return pdu.Message("84901", "KHIEN", octets, esm_class=esm_class, **more)


@pytest.mark.parametrize(
    ("text", "message_id", "delivery", "error"),
    [
        (BOOK, "0123456789", Delivery.DELIVERED, "000"),
        # Without sub and dlvrd; letters in the id; odd case and spaces; another order.
        (
            "id:15-af submit date:1701240904 done date:1701240904 stat:UNDELIV err:1A",
            *("15-af", Delivery.UNDELIVERED, "1A"),
        ),
        ("ID: 7 STAT: delivrd ERR: 0", "7", Delivery.DELIVERED, "0"),
        ("stat:EXPIRED id:8", "8", Delivery.EXPIRED, ""),
        ("id:9 stat:REJECTD err:008", "9", Delivery.UNDELIVERED, "008"),
        ("id:9 stat:DELETED", "9", Delivery.UNDELIVERED, ""),
        # On its way, or nobody knows: nothing final.
        ("id:9 stat:ENROUTE", "9", None, ""),
        ("id:9 stat:ACCEPTD", "9", None, ""),
        ("id:9 stat:UNKNOWN", "9", None, ""),
        ("id:9 stat:NEWWORD", "9", None, ""),
        # The quoted text does not count.
        ("id:9 stat:UNDELIV text:id:5 stat:DELIVRD", "9", Delivery.UNDELIVERED, ""),
        ("", "", None, ""),
    ],
)
def test_receipts_in_the_forms_of_the_field(
    text: str, message_id: str, delivery: Delivery | None, error: str
) -> None:
    report = reports.read(receipt(text))
    assert report is not None
    assert (report.message_id, report.delivery, report.error) == (message_id, delivery, error)


def test_optional_parts_count_before_the_text() -> None:
    tlvs = ((pdu.TAG_RECEIPTED_MESSAGE_ID, b"real\0"), (pdu.TAG_MESSAGE_STATE, b"\x05"))
    report = reports.read(receipt(BOOK, esm_class=0, tlvs=tlvs))
    assert report == reports.Report("real", reports.State.UNDELIVERABLE, "000")
    assert reports.read(receipt(b"", tlvs=((pdu.TAG_MESSAGE_STATE, b"\x02"),))) == reports.Report(
        "", reports.State.DELIVERED
    )


def test_a_receipt_in_sixteen_bit_letters_is_read() -> None:
    report = reports.read(receipt(BOOK.encode("utf-16-be"), data_coding=8))
    assert report is not None
    assert report.message_id == "0123456789"


def test_a_person_cannot_write_a_receipt() -> None:
    assert reports.read(receipt(BOOK, esm_class=0)) is None


def test_ids_agree_whether_written_in_hex_or_decimal() -> None:
    for form, answer, told in (("decimal", "0A1f", "2591"), ("hex", "2591", "a1F"), ("same", "x", "x")):
        assert reports.canonical(answer, form, in_receipt=False) == reports.canonical(
            told, form, in_receipt=True
        )
    assert reports.canonical("not-a-number", "decimal", in_receipt=True) == "not-a-number"


@settings(deadline=None)
@given(messages)
def test_no_message_breaks_the_reading(message: pdu.Message) -> None:
    report = reports.read(message)
    assert report is None or isinstance(report.message_id, str)
