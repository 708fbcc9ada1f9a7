"""What devices at gates are given: filters, the signed bundle, the look at one code, and people without a code."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from django.db import connection
from django.test import Client

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.certificates import trust
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.places import verbs as places
from khien.kernel.rules import verbs as rules
from khien.kernel.rules.models import Rule
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Device
from khien.kernel.staff.reads import actor_of_account
from khien.kernel.staff.verbs import enrol_device, make_enrolment_code, revoke_device
from khien.kernel.standing import colours
from khien.kernel.standing import verbs as standing
from khien.rooms.checkpoints import bundle, filters, reads, sealing, typed, verbs
from khien.rooms.checkpoints.models import GateBuild, HeldScan, Scan, TypedPerson
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province, make_unit
from tests.rooms.checkpoints.cards import CCCD, NUMBER, event

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")
API = "/api/v1/checkpoints"


@pytest.fixture(autouse=True)
def noon():
    places.load_kinds(SYSTEM)
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def market():
    return make_place(make_province()[2], "Chợ Bầu")


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Phone:
    """A device with a key of its own, as the app is one."""

    def __init__(self, unit: Any, **more: Any) -> None:
        account = actor_of_account(make_account(Role.ADMINISTRATOR, unit.parent))
        _row, code = make_enrolment_code(account, name="Chốt 1", unit=unit, **more)
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        body = {"code": code, "public_key": b64(point), "proof": self.sign(code.encode())}
        self.told = Client().post(f"{API}/devices/enrol", body, content_type="application/json").json()
        self.token = self.told["token"]
        self.device = Device.objects.get(pk=self.told["device_id"])

    def sign(self, message: bytes) -> str:
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def post(self, path: str, body: Any, *, signature: str | None = None) -> Any:
        text = json.dumps(body)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "X-Khien-Signature": self.sign(text.encode()) if signature is None else signature,
        }
        return Client().post(API + path, text, content_type="application/json", headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        return Client().get(API + path, headers={"Authorization": f"Bearer {self.token}", **headers})

    def bundle(self) -> dict[str, Any]:
        """The bundle, verified with what the device got when it was enrolled."""
        envelope = self.get("/bundle").json()
        key = next(k for k in self.told["bundle_keys"] if k["kid"] == envelope["kid"])
        raw = octets(envelope["signature"])
        dss = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = serialization.load_der_public_key(octets(key["spki"]))
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(dss, octets(envelope["payload"]), ec.ECDSA(hashes.SHA256()))
        found: dict[str, Any] = json.loads(octets(envelope["payload"]))
        return found

    def filter(self, told: dict[str, Any]) -> filters.Filter:
        answer = self.get(f"/bundle/{told['filter']['sha256']}")
        content = b"".join(answer.streaming_content)
        assert hashlib.sha256(content).hexdigest() == told["filter"]["sha256"]
        return filters.Filter.of(content)

    def colour(self, kind: str, number: str) -> str:
        """What the device shows of a number by what it fetched."""
        told = self.bundle()
        place = self.filter(told).get(filters.digest(octets(told["filter"]["key"]), kind, number))
        return str((told["otherwise"] if place is None else told["filter"]["classes"][place])["colour"])


def stop(
    person: Person, colour: str = "red", kind: str = "under_order", reason: str = "Đang cách ly tại nhà."
) -> None:
    standing.impose(
        person.pk,
        kind,
        start=NOON - timedelta(hours=1),
        end=None,
        colour=colour,
        reason=reason,
        authority=person,
    )


def with_card(number: str, unit: Any, name: str = "Trần Thị Bình") -> Person:
    return people.register_person(SYSTEM, full_name=name, unit=unit, documents=[NewDocument("cccd", number)])


# The filter


def test_members_get_their_class_and_strangers_pass() -> None:
    """100,000 keys, 1,000,000 strangers: at most 0.1 % of them are stopped, in at most 20 bits a key."""
    entries = {secrets.token_bytes(32): n % 16 for n in range(100_000)}
    file = filters.build(entries)
    read = filters.Filter.of(file)
    assert read.get_many(entries).tolist() == list(entries.values())
    strangers = [secrets.token_bytes(32) for _n in range(1_000_000)]
    assert 0 < (read.get_many(strangers) >= 0).mean() < 0.001
    assert len(file) * 8 / len(entries) < 20


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17, 400])
def test_small_filters_are_whole(count: int) -> None:
    for _try in range(20):
        entries = {secrets.token_bytes(32): n % 16 for n in range(count)}
        try:
            read = filters.Filter.of(filters.build(entries))
        except filters.FilterFull:
            continue
        assert read.get_many(entries).tolist() == list(entries.values())
        return
    raise AssertionError("twenty keys without one that fits")


def test_what_is_no_filter_is_refused() -> None:
    good = filters.build({secrets.token_bytes(32): 1})
    for wrong in (b"", b"KGF1", good[:-2], b"XXXX" + good[4:], good + b"\0\0"):
        with pytest.raises(ValueError):
            filters.Filter.of(wrong)
    with pytest.raises(ValueError):
        filters.build({secrets.token_bytes(32): 16})
    same = secrets.token_bytes(32)
    with pytest.raises(filters.FilterFull):  # the same place in the table for two keys
        filters.build({same: 1, same[:20] + secrets.token_bytes(12): 2})


# The bundle


def test_the_device_shows_the_colour_that_the_desk_shows(market) -> None:
    """A mixed population: what the filter says is what `colours.of` says, for everybody."""
    rng = secrets.SystemRandom(7)
    numbers = {}
    for n in range(300):
        person = with_card(f"0350900{n:05d}", market.unit, f"Người Thứ {'abcdefghij'[n % 10] * 3}")
        numbers[f"0350900{n:05d}"] = person
        for colour, kind in (("red", "isolated_case"), ("orange", "under_watch"), ("yellow", "from_zone")):
            if rng.random() < 0.2:
                stop(person, colour, kind, f"Lý do {colour} {n % 40}.")
    phone = Phone(market.unit)
    told = phone.bundle()
    read, key = phone.filter(told), octets(told["filter"]["key"])
    desk = colours.of([p.pk for p in numbers.values()], clock.now())
    wrong = 0
    for number, person in numbers.items():
        place = read.get(filters.digest(key, "cccd", number))
        shown = told["otherwise"] if place is None else told["filter"]["classes"][place]
        assert place is None or desk[person.pk].colour == shown["colour"]
        wrong += desk[person.pk].colour != shown["colour"]
    assert wrong == 0
    assert len({row.colour for row in desk.values()}) == 4
    assert len(told["filter"]["classes"]) <= 16


def test_with_declarations_demanded_the_declared_are_green_and_all_others_yellow(market) -> None:
    rules.load_seed(SYSTEM)
    Rule.objects.filter(key__key="gate.card_colour").update(
        value={
            "kinds": {},
            "demanded": [
                {"kind": "declared", "colour": "yellow", "sentence": "Chưa khai báo y tế trong 72 giờ."}
            ],
        }
    )
    declared, restricted, nobody = (with_card(f"03509000000{n}", market.unit) for n in range(3))
    stop(declared, "green", "declared", "Đã khai báo y tế.")
    stop(restricted, "red")
    phone = Phone(market.unit)
    told = phone.bundle()
    assert (told["otherwise"]["colour"], told["otherwise"]["kind"]) == ("yellow", "declared")
    assert "72 giờ" in told["otherwise"]["sentence"]
    desk = colours.of([declared.pk, restricted.pk, nobody.pk], clock.now())
    shown = [phone.colour("cccd", f"03509000000{n}") for n in range(3)]
    assert shown == [desk[p.pk].colour for p in (declared, restricted, nobody)] == ["green", "red", "yellow"]


def test_a_revoked_pass_is_stopped_and_the_pass_of_somebody_under_order_is_red(market) -> None:
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    free, held = make_person("Nguyễn Văn An", market.unit), make_person("Lê Văn Cường", market.unit)
    old = verbs.issue_pass(officer, person=free, kind="paper")
    new = verbs.issue_pass(officer, person=free, kind="paper")
    lost = verbs.issue_pass(officer, person=held, kind="paper")
    card = verbs.issue_pass(officer, person=held, kind="paper")
    stop(held)
    phone = Phone(market.unit)
    assert [phone.colour("pass", c.sub) for c in (old, new, lost, card)] == ["orange", "green", "red", "red"]


def test_the_bundle_is_made_anew_only_when_somebody_changed_or_an_hour_went_by(market) -> None:
    person = with_card(NUMBER, market.unit)
    first = verbs.build_bundle(SYSTEM)
    assert verbs.build_bundle(SYSTEM).pk == first.pk
    stop(person)
    second = verbs.build_bundle(SYSTEM)
    assert second.pk != first.pk
    assert bytes(second.filter_key) != bytes(first.filter_key)
    with clock.reads.frozen_at(NOON + timedelta(minutes=61)):
        third = verbs.build_bundle(SYSTEM)
    assert third.pk != second.pk
    assert bundle.file_path(third.sha256).stat().st_size == third.size


def test_a_device_fetches_only_what_is_new(market) -> None:
    phone = Phone(market.unit)
    answer = phone.get("/bundle")
    assert answer.status_code == 200
    tag = answer.headers["ETag"]
    assert phone.get("/bundle", **{"If-None-Match": tag}).status_code == 304
    stop(with_card(NUMBER, market.unit))
    verbs.build_bundle(SYSTEM)
    assert phone.get("/bundle", **{"If-None-Match": tag}).status_code == 200
    assert phone.get("/bundle/" + "0" * 64).status_code == 404


def test_a_device_is_told_what_each_signer_of_certificates_may_sign_and_until_when(market) -> None:
    known = {signer.kid: signer for some in trust.current().signers.values() for signer in some}
    told = Phone(market.unit).bundle()["signers"]
    assert {octets(one["kid"]): (one["uses"], one["until"]) for one in told} == {
        kid: (sorted(signer.uses), int(signer.valid_until.timestamp())) for kid, signer in known.items()
    }
    assert told


def test_no_identity_number_is_in_what_a_device_gets(market) -> None:
    stop(with_card(NUMBER, market.unit))
    phone = Phone(market.unit)
    told = phone.bundle()
    content = b"".join(phone.get(f"/bundle/{told['filter']['sha256']}").streaming_content)
    for text in (json.dumps(told).encode(), content):
        assert NUMBER.encode() not in text
        assert b"B\xc3\xacnh" not in text


def test_a_team_works_in_several_communes_and_a_device_at_named_places(market) -> None:
    other = make_place(make_unit("Châu Sơn", market.unit.parent), "Chốt Châu Sơn", "checkpoint")
    make_place(market.unit, "Nhà hàng Sông Châu")
    make_place(make_unit("Nơi Khác", market.unit.parent), "Chợ nơi khác")
    assert [p["code"] for p in Phone(market.unit, place_ids=[market.pk]).bundle()["places"]] == [market.code]
    team = Phone(market.unit, other_units=[other.unit])
    assert {p["name"] for p in team.bundle()["places"]} == {"Chợ Bầu", "Nhà hàng Sông Châu", "Chốt Châu Sơn"}
    answer = team.post("/scans", {"events": [event(other.code)]}).json()
    assert answer["stored"] == 1


# The device's key


def test_a_key_must_be_proved_and_what_is_sent_must_be_signed(market) -> None:
    account = actor_of_account(make_account(Role.ADMINISTRATOR, market.unit))
    _row, code = make_enrolment_code(account, name="Chốt", unit=market.unit)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = b64(key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint))
    with pytest.raises(Invalid) as refused:
        enrol_device(code, public_key=point, proof=b64(bytes(64)))
    assert refused.value.code == "enrolment_proof"
    phone = Phone(market.unit)
    body = {"events": [event(market.code)]}
    for signature in ("", "x", b64(bytes(64)), phone.sign(b"another body")):
        answer = phone.post("/scans", body, signature=signature)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert (Scan.objects.count(), HeldScan.objects.count()) == (0, 0)
    assert phone.post("/scans", body).json()["stored"] == 1


def test_a_sealed_scan_is_stored_like_an_open_one(market) -> None:
    phone = Phone(market.unit)
    one = event(market.code)
    one["sealed"] = sealing.sealed(one.pop("code"), one["id"])
    moved = {**event(market.code), "sealed": one["sealed"], "code": None}
    answer = phone.post("/scans", {"events": [one, moved]}).json()
    assert [a["outcome"] for a in answer["answers"]] == ["stored", "held"]
    assert Person.objects.get().full_name == "Nguyễn Văn An"


def test_a_revoked_device_is_told_what_was_laid_aside_and_gets_no_bundle(market) -> None:
    phone = Phone(market.unit)
    administrator = make_actor(Role.ADMINISTRATOR, market.unit)
    revoke_device(administrator, device=phone.device)
    assert phone.get("/bundle").json()["code"] == "device_revoked"
    one = event(market.code)
    answer = phone.post("/scans", {"events": [one]})
    assert answer.status_code == 401
    assert answer.json()["held"] == [one["id"]]
    assert HeldScan.objects.get().reason == "device_revoked"


def test_a_device_that_falls_behind_is_seen(market) -> None:
    phone = Phone(market.unit)
    body = {
        "sent_at": (NOON - timedelta(minutes=10)).isoformat(),
        "unsent": 3,
        "oldest": (NOON - timedelta(minutes=130)).isoformat(),
        "bundle": "7-abc",
        "app": "0123",
    }
    answer = phone.post("/devices/heartbeat", body)
    assert answer.status_code == 200
    device = Device.objects.get(pk=phone.device.pk)
    # Ten minutes slow: what it calls 130 minutes before noon was two hours before it.
    assert device.clock_offset_ms == 600_000
    assert device.unsent_since == NOON - timedelta(hours=2)
    assert reads.is_behind(device, NOON)
    client = Client()
    account = make_account(Role.COMMUNE_OFFICER, market.unit)
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get("/checkpoints/devices/").content.decode()
    assert "1 thiết bị giữ lượt quét quá lâu" in page
    assert "đồng hồ máy sai" in page
    assert "Tạo mã ghi danh" not in page


# The look at one code


def test_a_look_clears_or_confirms_and_is_written_down(market) -> None:
    phone = Phone(market.unit)
    person = with_card(NUMBER, market.unit)
    free = phone.post("/check", {"id": "a", "sealed": sealing.sealed(CCCD, "a")}).json()
    assert (free["known"], free["colour"], free["name"]) == (True, "green", "T. T. Bình")
    stop(person)
    now = phone.post("/check", {"code": NUMBER}).json()
    assert (now["colour"], now["reason"]) == ("red", "Đang cách ly tại nhà.")
    assert AuditLine.objects.filter(act="checkpoints.check", persons__contains=[person.pk]).count() == 2
    assert phone.post("/check", {"code": "035090999999"}).json()["known"] is False
    assert phone.post("/check", {"id": "b", "sealed": sealing.sealed(CCCD, "a")}).status_code == 404
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    card = verbs.issue_pass(officer, person=make_person("Lê Văn An", market.unit), kind="paper")
    assert phone.post("/check", {"code": text_of(card)}).json()["colour"] == "green"
    verbs.revoke_pass(officer, card=card)
    assert phone.post("/check", {"code": text_of(card)}).json()["colour"] == "orange"


# People without any code


def typed_event(place: str, **said: Any) -> dict[str, Any]:
    return event(place, "KA1:" + json.dumps(said, ensure_ascii=False), method="manual")


def test_somebody_without_a_code_is_found_by_phone_name_and_year(market) -> None:
    person = make_person("Nguyễn Văn Ân", market.unit, phone="+84912345678")
    guard = make_actor(Role.GUARD, market.unit)
    said = {"name": "nguyen van an", "year": 1990, "phone": "0912 345 678", "from": "Ly Nhan"}
    answer = verbs.store_scans(guard, [typed_event(market.code, **said)]).answers[0]
    assert (answer.outcome, answer.person) == ("stored", person.pk)
    assert Scan.objects.get().person_id == person.pk
    kept = TypedPerson.objects.get()
    assert (kept.person_id, kept.linked_by) == (person.pk, None)
    assert b"0912" not in bytes(kept.sealed)
    assert typed.opened(kept).phone == "+84912345678"


def test_nobody_or_two_are_left_to_the_officer(market) -> None:
    for _twin in range(2):
        make_person("Nguyễn Văn An", market.unit, phone="+84912345678")
    guard = make_actor(Role.GUARD, market.unit)
    said = {"name": "Nguyễn Văn An", "year": 1990, "phone": "0912345678"}
    about = {**event(market.code), "about": said}
    del about["code"]
    answer = verbs.store_scans(guard, [about]).answers[0]
    assert (answer.outcome, answer.person) == ("stored", None)
    assert answer.verdict is not None
    assert answer.verdict.colour == "yellow"
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    (shown,) = reads.with_candidates(officer, list(reads.typed_people(officer)))
    assert len(shown.likely) == 2
    assert not reads.typed_people(make_actor(Role.COMMUNE_OFFICER, make_unit("Nơi Khác"))).exists()
    verbs.link_typed(officer, typed_id=shown.row.pk, person=shown.likely[1])
    assert Scan.objects.get().person_id == shown.likely[1].pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT person_id FROM checkpoints_due")
        assert cursor.fetchall() == [(shown.likely[1].pk,)]
    with pytest.raises(Conflict):
        verbs.drop_typed(officer, typed_id=shown.row.pk)
    with pytest.raises(NotFound):
        verbs.drop_typed(officer, typed_id=0)


def test_what_says_too_little_is_held(market) -> None:
    guard = make_actor(Role.GUARD, market.unit)
    events = [
        typed_event(market.code, name="An"),
        typed_event(market.code, year=1990, phone="0912345678"),
        event(market.code, "KA1:[]"),
        event(market.code, "KA1:{"),
        typed_event(market.code, name="An", year="abcd", phone=None),
    ]
    assert [a.outcome for a in verbs.store_scans(guard, events).answers] == ["held"] * 5
    assert TypedPerson.objects.count() == 0


def test_an_officer_settles_the_list_on_a_page(market) -> None:
    person = make_person("Nguyễn Văn An", market.unit)
    verbs.store_scans(
        make_actor(Role.GUARD, market.unit), [typed_event(market.code, name="nguyen van an", year=1990)] * 1
    )
    client = Client()
    account = make_account(Role.COMMUNE_OFFICER, market.unit)
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "nguyen van an" in client.get("/checkpoints/typed/").content.decode()
    kept = TypedPerson.objects.get()
    address = f"/checkpoints/typed/{kept.pk}/settle/"
    assert client.post(address, {"person": "no-uuid"}).status_code == 404
    assert client.post(address, {"person": str(person.public_id)}).status_code == 302
    assert TypedPerson.objects.get().person_id == person.pk
    assert "Không còn ai" in client.get("/checkpoints/typed/").content.decode()


def test_old_builds_and_their_files_go(market) -> None:
    person = with_card(NUMBER, market.unit)
    for n in range(6):
        stop(person, ("red", "orange", "yellow")[n % 3])
        verbs.build_bundle(SYSTEM)
    assert GateBuild.objects.count() == 4
