"""By a poster: who may be noted how, what the answer never tells, and what a flood meets."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.utils import timezone

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.limits import Limit
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.places import verbs as places
from khien.kernel.residents.models import Allowance
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.rooms.checkpoints import poster_parts, posters, verbs
from khien.rooms.checkpoints.models import Scan
from khien.rooms.checkpoints.verbs import checkins
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province
from tests.rooms.checkpoints.test_steps import point_of, shown

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


@pytest.fixture(autouse=True)
def noon() -> Any:
    places.load_kinds(SYSTEM)
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def commune() -> Any:
    return make_province()[2]


@pytest.fixture
def market(commune: Any) -> Any:
    return make_place(commune, "Chợ Bầu", code="MARKET2345")


def said(market: Any, client: Client | None = None, serial: int = 0, **fields: Any) -> Any:
    """What a phone sends; the confirmation follows."""
    address = posters.address(market.code, serial)
    path = address[address.index("/checkpoints/") :]
    body = {"id": str(uuid4()), "direction": "in", **fields}
    return (client or Client()).post(path, body, follow=True)


def test_a_number_and_a_name_are_enough(market: Any) -> None:
    answer = said(market, number="0912 345 678", name="Trần Thị  Bình")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Đã ghi nhận: vào" in page
    assert "12:00" in page
    assert "1 người" in page
    assert "Bình" not in page
    assert "0912" not in page
    person = Person.objects.get()
    assert (person.full_name, person.source, person.phones.get().number) == (
        "Trần Thị Bình",
        "poster",
        "+84912345678",
    )
    scan = Scan.objects.get()
    assert (scan.person_id, scan.method, scan.direction, scan.flags) == (
        person.pk,
        "phone",
        "in",
        ["self_typed"],
    )
    # Next time it is the same person, also by the last words of the name; another name on the phone is another.
    said(market, number="+84912345678", name="bình", direction="out")
    said(market, number="0912345678", name="Trần Văn Cường")
    assert Person.objects.count() == 2
    assert Scan.objects.filter(person_id=person.pk).count() == 2


def test_a_member_of_staff_is_a_visitor_like_any_other(market: Any, commune: Any) -> None:
    client = Client()
    client.force_login(
        make_account(Role.GUARD, commune), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert said(market, client, number="0912345678", name="Trần Thị Bình").status_code == 200
    assert Scan.objects.get().sender == "system:poster"


def test_companions_are_noted_each_and_found_again(market: Any) -> None:
    names = "Lê Thị Mai\n\nLê Văn Nam \nLê Thị Ổi"
    answer = said(market, number="0912345678", name="Trần Thị Bình", companions=names)
    assert "4 người" in answer.content.decode()
    said(market, number="0912345678", name="Trần Thị Bình", companions=names, direction="out")
    assert Person.objects.count() == 4
    assert Scan.objects.count() == 8
    assert {p.phones.get().number for p in Person.objects.all()} == {"+84912345678"}
    alone = said(market, number="035090123456", name="Trần Thị Bình", companions="Lê Thị Mai")
    assert alone.status_code == 422
    assert "cần số điện thoại" in alone.content.decode()
    many = said(market, number="0912345678", name="Bình", companions="Lê Thị Mai\n" * 21)
    assert many.status_code == 422


def test_sent_twice_it_is_noted_once(market: Any) -> None:
    fields = {"id": str(uuid4()), "number": "0912345678", "name": "Trần Thị Bình"}
    said(market, **fields)
    again = said(market, **fields)
    assert "không ghi thêm" in again.content.decode()
    assert Scan.objects.count() == 1


def test_the_answer_never_tells_what_the_ledger_knows(market: Any, commune: Any) -> None:
    person = register_person(
        SYSTEM, full_name="Nguyễn Văn An", unit=commune, documents=[NewDocument("cccd", "035090123456")]
    )
    pages = {
        said(market, number=number, name=name).content.decode()
        for number, name in (
            ("035090123456", "Nguyễn Văn An"),
            ("035090123456", "Trần Văn Khác"),
            ("035090123457", "Nguyễn Văn An"),
        )
    }
    assert len({page.split('id="done"')[1] for page in pages}) == 1
    mine, other, unknown = Scan.objects.order_by("id")
    assert (mine.person_id, mine.flags) == (person.pk, ["self_typed"])
    assert other.person_id not in (None, person.pk), "whoever says another name is somebody else"
    assert other.flags == ["self_typed", "name_differs"]
    assert not Person.objects.get(pk=other.person_id).documents.exists()
    assert unknown.subject_kind == "cccd"
    assert "self_typed" in unknown.flags


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"number": "12", "name": "Trần Thị Bình"}, "không phải số điện thoại"),
        ({"number": "", "name": "Trần Thị Bình"}, "không phải số điện thoại"),
        ({"number": "0912345678", "name": "7"}, "Tên chưa đúng"),
        ({"number": "0912345678", "name": "<b>An</b>"}, "Tên chưa đúng"),
        ({"number": "0912345678", "name": "An Bình", "direction": "up"}, "Chưa chọn vào hay ra"),
        ({"number": "0912345678", "name": "An Bình", "id": "x"}, "mở đã lâu"),
        ({"pass": "YT2:ABC", "number": "", "name": ""}, "đọc không được"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(market: Any, fields: dict[str, str], words: str) -> None:
    answer = said(market, **fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Scan.objects.exists()
    assert not Person.objects.exists()


def test_old_posters_note_and_say_so_lost_ones_refuse(market: Any, commune: Any) -> None:
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    verbs.print_poster(officer, place=market)
    verbs.replace_poster(officer, place=market)
    path = posters.address(market.code, 1)
    path = path[path.index("/checkpoints/") :]
    assert "tờ cũ" in Client().get(path).content.decode()
    said(market, serial=1, number="0912345678", name="Trần Thị Bình")
    assert Scan.objects.get().flags == ["self_typed", "old_poster"]
    verbs.report_poster(officer, place=market, serial=1)
    for answer in (Client().get(path), said(market, serial=1, number="0912345678", name="Trần Thị Bình")):
        assert answer.status_code == 410
        assert "báo mất" in answer.content.decode()
    assert Scan.objects.count() == 1, "what was noted with it stays"
    forged = path[:-8] + "AAAAAAAA"
    assert Client().get(forged).status_code == 404
    assert Client().post(forged, {"id": str(uuid4()), "direction": "in"}).status_code == 404


def test_a_pass_of_this_phone_and_a_session_need_no_typing(market: Any, commune: Any) -> None:
    an, binh = make_person("Nguyễn Văn An", commune), make_person("Trần Thị Bình", commune)
    phone = ec.generate_private_key(ec.SECP256R1())
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    card = verbs.issue_pass(officer, person=an, kind="phone", device_key=point_of(phone))
    said(market, **{"pass": shown(text_of(card), phone, NOON), "companions": "Nguyễn Thị Con"})
    mine = Scan.objects.get(person_id=an.pk)
    assert (mine.subject_kind, mine.subject, mine.flags) == ("pass", card.sub, [])
    assert Person.objects.get(full_name="Nguyễn Thị Con").source == f"poster:{an.pk}"
    said(market, **{"pass": shown(text_of(card), phone, NOON - timedelta(hours=1))})
    assert Scan.objects.filter(person_id=an.pk).order_by("-id")[0].flags == ["stale_step"]
    verbs.revoke_pass(officer, card=card)
    assert said(market, **{"pass": shown(text_of(card), phone, NOON)}).status_code == 422
    client = Client()
    session = client.session
    session[RESIDENT_SESSION_KEY] = binh.pk
    session.save()
    client.cookies["sessionid"] = session.session_key
    said(market, client, direction="out")
    assert Scan.objects.get(person_id=binh.pk).direction == "out"
    assert AuditLine.objects.filter(act="checkpoints.check_in_by_poster").count() == 3


def test_a_flood_from_one_address_or_one_number_is_stopped_a_family_is_not(
    market: Any, monkeypatch: Any
) -> None:
    for n in range(12):  # a family on one Wi-Fi, within a minute
        assert said(market, number=f"09123456{n:02d}", name="Trần Thị Bình").status_code == 200
    monkeypatch.setattr(checkins, "A_NUMBER", Limit("check_in_number", 3, 1200))
    codes = [said(market, number="0912999999", name="Trần Thị Bình").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    monkeypatch.setattr(checkins, "AN_ADDRESS", Limit("check_in_address", 5, 1.5))
    stopped = said(market, number="0912888888", name="Trần Thị Bình")
    assert stopped.status_code == 429
    assert "Đợi vài phút" in stopped.content.decode()
    assert said(market, number="0912888887", name="Lê An").status_code == 429
    kept = str(list(Allowance.objects.values()))
    assert "127.0.0.1" not in kept
    assert "912999999" not in kept
    later = timezone.now() + timedelta(minutes=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert said(market, number="0912888888", name="Trần Thị Bình").status_code == 200


def test_a_confirmation_says_how_old_it_is(market: Any) -> None:
    page = said(market, number="0912345678", name="Trần Thị Bình")
    path = page.redirect_chain[-1][0]
    assert "0 giây trước" in page.content.decode()
    with clock.reads.frozen_at(NOON + timedelta(minutes=11)):
        later = Client().get(path).content.decode()
    assert "done old" in later
    assert "Đã lâu" in later
    assert Client().get(path[:-3] + "x/").status_code == 404


def test_knowing_a_pass_lets_nobody_read_anything(market: Any, commune: Any) -> None:
    """Every door, with the text of a pass as whatever it takes: nothing of the person comes back."""
    person = register_person(
        SYSTEM,
        full_name="Nguyễn Bí Mật",
        unit=commune,
        address="Ngõ Riêng Tư 7",
        phones=["0987654321"],
        documents=[NewDocument("cccd", "035190123456")],
    )
    phone = ec.generate_private_key(ec.SECP256R1())
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    texts = [
        text_of(verbs.issue_pass(officer, person=person, kind="paper")),
        shown(
            text_of(verbs.issue_pass(officer, person=person, kind="phone", device_key=point_of(phone))),
            phone,
            NOON,
        ),
    ]
    secrets = ("Bí Mật", "N. B. Mật", "Riêng Tư", "987654321", "035190123456")
    poster = posters.address(market.code)
    doors = ("/", "/checkpoints/pass/", "/checkpoints/pass/key/", "/checkpoints/pass/state/", "/me/",
             "/checkpoints/pass/phone/", "/checkpoints/scan/", "/desk/search/", "/api/v1/checkpoints/scans",
             "/api/v1/checkpoints/devices/enrol", poster[poster.index("/checkpoints/") :])  # fmt: skip
    for text in texts:
        client = Client(raise_request_exception=False)
        for door in doors:
            fields = {"pass": text, "code": text, "q": text, "point": text, "number": text, "name": "An"}
            fields |= {"id": str(uuid4()), "direction": "in"}
            for answer in (
                client.get(door, {"m": poster[-8:], **fields}),
                client.post(door, fields, follow=True),
                client.get(door, headers={"Authorization": f"Bearer {text}"}),
                client.post(door, fields, headers={"Authorization": f"Bearer {text}"}, follow=True),
            ):
                assert answer.status_code < 500, door
                body = answer.content.decode()
                assert [s for s in secrets if s in body] == [], (door, answer.status_code)


def test_what_a_poster_loads_is_packed_and_kept_for_a_year() -> None:
    place = make_place(make_province()[2])
    client = Client(headers={"Accept-Encoding": "gzip"})
    page = client.get(posters.address(place.code))
    assert page.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(page.content).decode()
    wanted = re.findall(r'(?:href|src)="(/checkpoints/at/parts/[^"]+)"', text)
    assert [address.rsplit("/", 1)[1] for address in wanted] == ["poster.css", "poster.js"]
    for address in (*wanted, wanted[1].replace("poster.js", "step.js")):
        part = client.get(address)
        assert part.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert part.headers["Content-Encoding"] == "gzip"
        plain = Client().get(address)
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(part.content) == plain.content
    version = poster_parts.version()
    assert client.get(wanted[0].replace(version, "0" * 12)).status_code == 404
    assert client.get(wanted[0].replace("poster.css", "pass.js")).status_code == 404
