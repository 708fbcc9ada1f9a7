"""One-time codes: few, short-lived, used once; asking tells nothing; floods neither cost much nor lock anybody out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db import connection

from khien.kernel import limits
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.people.models import Person
from khien.kernel.residents import reads, verbs
from khien.kernel.residents.models import MessageDay, SignInCode
from khien.kernel.rules import verbs as rules
from khien.kernel.rules.models import Rule
from khien.kernel.staff import system_actor
from khien.kernel.staff.reads import NOBODY
from tests.factories import make_person, make_province

pytestmark = pytest.mark.django_db
PHONE, UNKNOWN = "+84912345678", "+84987654321"
START = datetime(2022, 1, 10, 5, 0, tzinfo=UTC)


class RealTime:
    """Real time, as far as the codes see it, standing still until the test moves it."""

    def __init__(self) -> None:
        self.now = START

    def pass_by(self, **much: float) -> None:
        self.now += timedelta(**much)


@pytest.fixture
def time() -> Iterator[RealTime]:
    moved = RealTime()
    with mock.patch("django.utils.timezone.now", side_effect=lambda: moved.now):
        yield moved


@pytest.fixture(autouse=True)
def person() -> Person:
    rules.load_seed(system_actor("test"))
    return make_person("Trần Thị Bình", make_province()[2], phone=PHONE)


def ask(number: str = PHONE, block: str = "here", browser: str = "") -> verbs.Asked:
    return verbs.request_code(NOBODY, number=number, block=block, browser=browser)


def sent() -> list[verbs.ClaimedCode]:
    """The messages that leave now."""
    found: list[verbs.ClaimedCode] = []
    while (claimed := verbs.claim_code()) is not None:
        if isinstance(claimed, verbs.ClaimedCode):
            verbs.note_outcome(claimed.pk, taken=True, again=False)
            found.append(claimed)
    return found


def use(code: str, number: str = PHONE, block: str = "here", browser: str = "") -> bool:
    return verbs.use_code(NOBODY, number=number, code=code, block=block, browser=browser)


def test_a_code_is_kept_as_a_keyed_hash_and_the_number_goes_with_the_message(time: RealTime) -> None:
    ask()
    (message,) = sent()
    row = SignInCode.objects.get()
    assert (message.number, row.number) == (PHONE, "")
    assert message.code not in row.code_hash
    assert row.number_hash != limits.keyed("code", PHONE)
    assert use(message.code)
    with pytest.raises(Invalid):
        use(message.code)


def test_asking_for_an_unknown_number_does_the_same_and_sends_nothing(time: RealTime) -> None:
    def story(number: str) -> list[str]:
        told = []
        for step in range(8):
            try:
                told.append(repr(ask(number, block=f"b{number}")))
            except Conflict as fault:
                told.append(f"{fault.code}: {fault}")
            for _guess in range(3):
                try:
                    told.append(str(use("000001", number, block=f"b{number}")))
                except Invalid as fault:
                    told.append(str(fault))
            if step % 2:
                time.pass_by(minutes=6)
        return told

    known = story(PHONE)
    time.now = START
    assert story(UNKNOWN) == known
    assert (
        not SignInCode.objects.exclude(code_hash="")
        .filter(number_hash=limits.keyed("number", UNKNOWN))
        .exists()
    )


def test_a_flood_of_requests_sends_few_messages_and_the_owner_comes_in_at_any_moment(time: RealTime) -> None:
    """For a day strangers ask for one number again and again; three times its owner wants to come in."""
    messages: list[verbs.ClaimedCode] = []
    shut_out = 0
    for minute in range(0, 24 * 60, 5):
        for stranger in range(2):
            try:
                ask(block=f"stranger{minute}-{stranger}")
            except Conflict:
                shut_out += 1
        messages += sent()
        if minute in (30, 700, 1300):
            living = [
                m
                for m in messages
                if SignInCode.objects.filter(pk=m.pk, used_at=None, expires_at__gt=time.now)
            ]
            assert living, f"at minute {minute} no message of the owner's is good"
            assert use(living[-1].code, block="home")
        time.pass_by(minutes=5)
    assert len(messages) <= 3 + 8 + 3  # at once, a day's, and one for each time that the owner came in
    assert shut_out == 0


def test_guessing_makes_the_next_code_one_that_nobody_guesses(time: RealTime) -> None:
    ask()
    (message,) = sent()
    wrong = "000000" if message.code != "000000" else "000001"
    for guess in range(5):
        assert not use(wrong, block=f"guesser{guess}")
    with pytest.raises(Invalid):
        use(message.code)
    time.pass_by(minutes=2)
    ask()
    (long,) = sent()
    assert len(long.code) == 10
    for guess in range(50):
        assert not use(wrong, block=f"guesser{guess}")
    assert use(f" {long.code[:5].lower()}-{long.code[5:]} ")


def test_guessing_at_many_numbers_makes_all_codes_long(time: RealTime) -> None:
    Rule.objects.filter(key__key="sign_in.tries").update(
        value={**Rule.objects.get(key__key="sign_in.tries").value, "wrong_an_hour": 20}
    )
    for n in range(10):
        ask(f"+8490000{n:04d}", block=f"b{n}")
        for _guess in range(3):
            use("000000", f"+8490000{n:04d}", block=f"b{n}")
    ask()
    assert len(sent()[0].code) == 10


def test_one_address_block_asks_and_tries_only_so_often(time: RealTime) -> None:
    for n in range(60):
        ask(f"+8490000{n:04d}", block="flood")
    with pytest.raises(Conflict, match="sau 1 phút"):
        ask("+84900009999", block="flood")
    ask("+84900009999", block="neighbour")
    time.pass_by(minutes=1)
    ask("+84900009998", block="flood")


def test_a_browser_that_was_here_before_has_its_own_messages_and_tries(
    time: RealTime, person: Person
) -> None:
    verbs.enter(NOBODY, person=person, how="phone", number=PHONE, browser="my-cookie")
    for minute in range(3):
        ask(block=f"stranger{minute}")
        time.pass_by(minutes=1)
    sent()
    ask(browser="my-cookie")
    (mine,) = sent()
    assert len(mine.code) == 6
    for guess in range(20):  # strangers never reach the code that is for this browser alone
        use("000000" if mine.code != "000000" else "000001", block=f"guesser{guess}")
    SignInCode.objects.filter(browser="").delete()
    with pytest.raises(Invalid, match="hết hạn"):
        use(mine.code)
    assert use(mine.code, browser="my-cookie")
    ask(browser="a-cookie-that-never-was-here")
    assert SignInCode.objects.latest("pk").browser == ""


def test_the_days_messages_are_capped_with_an_alarm_and_a_share_for_known_browsers(
    time: RealTime, person: Person
) -> None:
    rule = Rule.objects.get(key__key="sign_in.messages")
    rule.value["house"] = {"a_day": 10, "an_hour": 1000, "kept_for_known": 0.2, "alarm_at": 0.5}
    rule.save()
    for n in range(12):
        make_person(f"Người {n}", person.unit, phone=f"+8490000{n:04d}")
    verbs.enter(NOBODY, person=person, how="phone", number=PHONE, browser="my-cookie")
    for n in range(4):
        ask(f"+8490000{n:04d}")
        sent()
    day = MessageDay.objects.get()
    assert (day.sent, day.alarm_at is not None, day.exhausted_at) == (4, True, None)
    for n in range(4, 9):
        ask(f"+8490000{n:04d}")
        sent()
    told = reads.budget()
    assert (told.sent, told.refused, told.cap) == (8, 1, 10)
    assert reads.alarms()[0].day == told.day
    for number in ("+84900000010", "+84900000099"):  # known or not: the same answer
        with pytest.raises(Conflict, match="hết số tin nhắn"):
            ask(number)
    ask(browser="my-cookie")
    assert len(sent()) == 1
    time.pass_by(days=1)
    ask("+84900000010")
    assert len(sent()) == 1


def test_an_hour_does_not_use_up_the_day(time: RealTime, person: Person) -> None:
    rule = Rule.objects.get(key__key="sign_in.messages")
    rule.value["house"] = {"a_day": 1000, "an_hour": 8, "kept_for_known": 0.2, "alarm_at": 0.8}
    rule.save()
    for n in range(6):
        make_person(f"Người {n}", person.unit, phone=f"+8490000{n:04d}")
    for n in range(2):
        ask(f"+8490000{n:04d}")
        assert len(sent()) == 1
    for n in range(2, 6):
        with pytest.raises(Conflict, match="cùng lúc"):
            ask(f"+8490000{n:04d}")
    time.pass_by(minutes=31)
    ask("+84900000005")
    assert len(sent()) == 1


def test_a_message_that_was_certainly_not_taken_is_tried_again_with_another_code(time: RealTime) -> None:
    ask()
    first = verbs.claim_code()
    assert isinstance(first, verbs.ClaimedCode)
    assert verbs.claim_code() is None
    verbs.note_outcome(first.pk, taken=False, again=True)
    assert MessageDay.objects.get().sent == 0
    assert verbs.claim_code() is None
    time.pass_by(seconds=3)
    (second,) = sent()
    assert not use(first.code) or first.code == second.code
    assert use(second.code)


def test_what_a_dead_sender_left_is_sent_by_another_once(time: RealTime) -> None:
    ask()
    assert isinstance(verbs.claim_code(), verbs.ClaimedCode)
    time.pass_by(seconds=21)
    assert len(sent()) == 1
    assert sent() == []


def test_the_owner_reads_that_a_code_was_sent(person: Person) -> None:
    from khien.desk.reads import as_reads, lines_about

    ask()
    sent()
    (line,) = as_reads(lines_about(person.pk))
    assert (line.kind, str(line.area)) == ("system", "Đăng nhập và làm giúp tại quầy")


@pytest.mark.django_db(transaction=True)
def test_a_hundred_guesses_at_one_moment_are_five_and_the_right_code_works_once() -> None:
    ask()
    (message,) = sent()
    wrong = "000000" if message.code != "000000" else "000001"

    def guess(n: int) -> str:
        try:
            return str(use(wrong, block=f"b{n}"))
        except Invalid:
            return "dead"
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(guess, range(100)))
    assert (answers.count("False"), answers.count("dead")) == (5, 95)
    SignInCode.objects.all().delete()
    ask(block="again")
    (message,) = sent()

    def come_in(n: int) -> str:
        try:
            return str(use(message.code, block=f"c{n}"))
        except Invalid:
            return "dead"
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(come_in, range(32)))
    assert answers.count("True") == 1


@pytest.mark.django_db(transaction=True)
def test_a_limit_taken_by_many_at_once_is_exact() -> None:
    limit = limits.Limit("test", 7, 3600)
    now = datetime.now(UTC)

    def take(_n: int) -> bool:
        try:
            return limits.take(limit, "k", now).allowed
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(200))) == 7
    assert not limits.take(limit, "k", now + timedelta(minutes=59)).allowed
    assert limits.take(limit, "k", now + timedelta(minutes=61)).allowed
