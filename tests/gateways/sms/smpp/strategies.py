"""Any PDU that the codec can write."""

from __future__ import annotations

from hypothesis import strategies as st

from khien.gateways.sms.smpp import pdu

octet = st.integers(0, 255)


def text(most: int) -> st.SearchStrategy[str]:
    letters = st.characters(min_codepoint=1, max_codepoint=255)
    return st.text(letters, max_size=most)


tlvs = st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=40)), max_size=4).map(tuple)
messages = st.builds(
    pdu.Message,
    source=text(20),
    destination=text(20),
    short_message=st.binary(max_size=254),
    data_coding=octet,
    esm_class=octet,
    registered_delivery=octet,
    source_ton=octet,
    source_npi=octet,
    destination_ton=octet,
    destination_npi=octet,
    service_type=text(5),
    protocol_id=octet,
    priority=octet,
    schedule=text(16),
    validity=text(16),
    replace_if_present=octet,
    default_message=octet,
    tlvs=tlvs,
)
binds = st.builds(
    pdu.Bind,
    system_id=text(15),
    password=text(64),
    system_type=text(12),
    interface_version=octet,
    address_ton=octet,
    address_npi=octet,
    address_range=text(40),
)
BODIES = {
    pdu.BIND_RECEIVER: binds,
    pdu.BIND_TRANSMITTER: binds,
    pdu.BIND_TRANSCEIVER: binds,
    pdu.BIND_RECEIVER_RESP: st.builds(pdu.Bound, text(15), tlvs),
    pdu.BIND_TRANSMITTER_RESP: st.builds(pdu.Bound, text(15), tlvs),
    pdu.BIND_TRANSCEIVER_RESP: st.builds(pdu.Bound, text(15), tlvs),
    pdu.SUBMIT_SM: messages,
    pdu.DELIVER_SM: messages,
    pdu.SUBMIT_SM_RESP: st.builds(pdu.Answered, text(64), tlvs),
    pdu.DELIVER_SM_RESP: st.builds(pdu.Answered, text(64), tlvs),
    pdu.OUTBIND: st.builds(pdu.Outbind, text(15), text(64)),
    pdu.ALERT_NOTIFICATION: st.builds(pdu.Raw, st.binary(max_size=80)),
    pdu.UNBIND: st.none(),
    pdu.UNBIND_RESP: st.none(),
    pdu.ENQUIRE_LINK: st.none(),
    pdu.ENQUIRE_LINK_RESP: st.none(),
    pdu.GENERIC_NACK: st.none(),
}
pdus = st.sampled_from(sorted(BODIES)).flatmap(
    lambda command: st.builds(
        pdu.Pdu,
        command=st.just(command),
        sequence=st.integers(0, 2**32 - 1),
        status=st.integers(0, 2**32 - 1),
        body=BODIES[command],
    )
)
