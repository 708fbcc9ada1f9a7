"""The approver's work, and what becomes of an approved version on its channels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.limits import TooMany
from khien.kernel.staff import Role
from khien.rooms.broadcasts import confirming
from khien.rooms.broadcasts.confirming import Proof
from khien.rooms.broadcasts.models import AfterReview, Approval, BulletinVersion, ChannelRun, ChannelText
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs import approving, bulletins, dispatch
from tests.factories import NOON, make_account
from tests.rooms.broadcasts.press import Press


def announced(name: str) -> list[dict]:
    return [event.payload for event in Event.objects.filter(name=name)]


@pytest.fixture
def waiting(press: Press) -> BulletinVersion:
    """A submitted version that the leader has seen and heard."""
    version = press.submitted()
    press.see(version, press.leader)
    return version


def test_another_person_approves_what_they_have_seen(press: Press, waiting: BulletinVersion) -> None:
    approval = press.approve(waiting, press.leader, at_night=True)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.at_night) == ("approved", True)
    assert approval.content_hash == waiting.content_hash
    assert approval.audience_hash == reads.audience(waiting).hash
    (told,) = announced("bulletin_approved")
    assert told["version"] == waiting.pk


def test_nobody_approves_what_they_submitted_or_wrote(press: Press) -> None:
    both = make_account(Role.COMMUNICATION_OFFICER, press.commune)
    from khien.kernel.staff.models import RoleGrant

    RoleGrant.objects.create(
        account=both, role=Role.LEADER, unit=press.province, during=(datetime(2020, 1, 1, tzinfo=UTC), None)
    )
    version = press.ready()
    # Submits without having written, and has written without submitting.
    version = bulletins.submit_bulletin(press.actor(both), version=version, edits=version.edits)
    with pytest.raises(NotAllowed) as told:
        press.approve(version, both)
    assert told.value.code == "own_bulletin"
    RoleGrant.objects.create(
        account=press.author_account,
        role=Role.LEADER,
        unit=press.province,
        during=(datetime(2020, 1, 1, tzinfo=UTC), None),
    )
    with pytest.raises(NotAllowed) as told:
        press.approve(version, press.author_account)
    assert told.value.code == "own_bulletin"
    for account in (both, press.author_account):
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.create(
                version=version, by=account.pk, at=clock.now(), is_approved=True, content_hash="x"
            )


def test_a_leader_of_other_units_decides_nothing_here(press: Press, waiting: BulletinVersion) -> None:
    stranger = make_account(Role.LEADER, press.elsewhere)
    with pytest.raises(NotAllowed):
        press.approve(waiting, stranger)
    with pytest.raises(NotAllowed):
        approving.reject_bulletin(press.actor(stranger), version=waiting, reason="Không")
    assert reads.waiting_for(press.actor(stranger)) == []
    assert reads.waiting_for(press.actor(press.leader)) == [waiting]


def test_the_final_sms_must_have_been_opened_and_the_sound_played(press: Press, monkeypatch) -> None:
    from khien.rooms.broadcasts.verbs import audio
    from tests.rooms.broadcasts.press import Engine

    monkeypatch.setattr("khien.gateways.speech.speaking.engine", Engine)
    version = press.ready(channels=("sms", "loudspeaker"))
    audio.speak_script(press.author, version=version)
    version = bulletins.submit_bulletin(press.author, version=version, edits=version.edits)
    leader = press.actor(press.leader)
    for what, code in ((None, "sms_not_seen"), ("sms", "audio_not_heard")):
        if what:
            approving.note_seen(leader, version=version, what=what)
        with pytest.raises(Conflict) as told:
            press.approve(version, press.leader)
        assert told.value.code == code
    approving.note_seen(leader, version=version, what="audio")
    with pytest.raises(Conflict) as told:
        press.approve(version, press.leader, has_listened=False)
    assert told.value.code == "audio_not_heard"
    # What another approver has seen does not count.
    with pytest.raises(Conflict):
        press.approve(version, press.second)
    press.approve(version, press.leader)


def test_the_password_is_asked_for_again(press: Press, waiting: BulletinVersion) -> None:
    leader = press.actor(press.leader)
    with pytest.raises(Invalid) as told:
        confirming.prove(leader, "mat-khau-khac")
    assert told.value.code == "wrong_password"
    old = Proof(press.leader.pk, datetime.now(UTC) - timedelta(minutes=5))
    others = confirming.prove(press.actor(press.second), "mat-khau-thu-nghiem")
    for proof in (old, others):
        with pytest.raises(NotAllowed) as refused:
            press.approve(waiting, press.leader, proof=proof)
        assert refused.value.code == "not_confirmed"


def test_guessing_passwords_is_stopped(press: Press) -> None:
    leader = press.actor(press.leader)
    for _guess in range(5):
        with pytest.raises(Invalid):
            confirming.prove(leader, "doan-mo")
    with pytest.raises(TooMany):
        confirming.prove(leader, "mat-khau-thu-nghiem")


@pytest.mark.parametrize("changed", ["content_hash", "audience_hash"])
def test_what_the_page_showed_is_what_is_approved(press, waiting, changed: str) -> None:
    with pytest.raises(Conflict) as told:
        press.approve(waiting, press.leader, **{changed: "0" * 64})
    assert told.value.code == "changed"


def test_a_text_changed_behind_everybodys_back_is_not_approved(press, waiting) -> None:
    ChannelText.objects.filter(version=waiting, channel="article").update(text="Khác hẳn")
    with pytest.raises(Conflict) as told:
        press.approve(waiting, press.leader)
    assert told.value.code == "changed"


def test_an_edit_voids_the_approval(press: Press) -> None:
    version = press.submitted(is_emergency=True)
    press.see(version, press.leader)
    press.approve(version, press.leader)
    edited = bulletins.new_version(press.author, version=version)
    edited = bulletins.edit_bulletin(
        press.author, version=edited, edits=edited.edits, draft=press.draft(title="Khác", is_emergency=True)
    )
    press.test(edited)
    press.sizes[edited.audience_id] = (3, "null")
    edited = bulletins.submit_bulletin(press.author, version=edited, edits=edited.edits)
    press.see(version := edited, press.second)
    press.approve(version, press.second)
    version.refresh_from_db()
    assert version.state == "submitted"
    # The first approver's open page is of the old version, and what they saw was its text.
    with pytest.raises(Conflict) as told:
        press.approve(version, press.leader)
    assert told.value.code == "sms_not_seen"
    press.see(version, press.leader)
    press.approve(version, press.leader)
    version.refresh_from_db()
    assert version.state == "approved"


def test_the_page_of_a_version_that_was_taken_back_decides_nothing(press, waiting) -> None:
    bulletins.new_version(press.author, version=waiting)
    with pytest.raises(Conflict) as told:
        press.approve(waiting, press.leader)
    assert told.value.code == "not_submitted"


def test_a_refusal_has_a_reason_and_stays_to_be_seen(press: Press, waiting: BulletinVersion) -> None:
    leader = press.actor(press.leader)
    with pytest.raises(Invalid):
        approving.reject_bulletin(leader, version=waiting, reason="")
    approving.reject_bulletin(leader, version=waiting, reason="Sai ngày tiêm")
    waiting.refresh_from_db()
    assert waiting.state == "rejected"
    bulletins.new_version(press.author, version=waiting)
    waiting.refresh_from_db()
    assert waiting.state == "rejected"
    assert [one.reason for one in reads.approvals(waiting)] == ["Sai ngày tiêm"]
    assert announced("bulletin_rejected")


def test_what_has_expired_while_it_waited_is_not_approved(press, waiting) -> None:
    with clock.reads.frozen_at(NOON + timedelta(days=4)), pytest.raises(Conflict) as told:
        press.approve(waiting, press.leader)
    assert told.value.code == "expired"


def test_an_emergency_needs_two_other_people_goes_out_at_night_and_is_looked_back_on(press: Press) -> None:
    version = press.submitted(is_emergency=True)
    press.see(version, press.leader)
    press.approve(version, press.leader)
    version.refresh_from_db()
    assert version.state == "submitted"
    with pytest.raises(Conflict) as told:
        press.approve(version, press.leader)
    assert told.value.code == "approved_before"
    press.see(version, press.second)
    press.approve(version, press.second)
    version.refresh_from_db()
    assert (version.state, version.at_night) == ("approved", True)
    third = press.actor(press.third)
    (review,) = reads.open_reviews(third)
    assert review.due_at == NOON + timedelta(hours=72)
    for account in (press.leader, press.second):
        with pytest.raises(NotAllowed):
            approving.close_after_review(
                press.actor(account), version=version, was_right=True, finding="Đúng"
            )
    with pytest.raises(Invalid):
        approving.close_after_review(third, version=version, was_right=True, finding=" ")
    approving.close_after_review(third, version=version, was_right=False, finding="Chưa gấp đến thế")
    assert reads.open_reviews(third) == []
    assert AfterReview.objects.get().done_by == press.third.pk


def test_one_of_two_who_refuses_ends_it(press: Press) -> None:
    version = press.submitted(is_emergency=True)
    press.see(version, press.leader)
    press.approve(version, press.leader)
    approving.reject_bulletin(press.actor(press.second), version=version, reason="Chưa xác minh")
    version.refresh_from_db()
    assert version.state == "rejected"


def test_an_ordinary_bulletin_is_not_looked_back_on(press: Press) -> None:
    version = press.approved()
    with pytest.raises(NotFound):
        approving.close_after_review(
            press.actor(press.third), version=version, was_right=True, finding="Đúng"
        )


# Channels


def test_channels_start_in_order_each_once_and_sms_as_a_campaign(press: Press) -> None:
    version = press.approved(channels=("sms", "push", "cap", "article"))
    dispatch.dispatch_version(version)
    dispatch.dispatch_version(version)
    assert [(act, key) for act, key, _n in press.heard] == [
        ("start", "article"),
        ("start", "cap"),
        ("start", "push"),
    ]
    (made,) = press.campaigns.made
    assert made["version"] == version
    assert made["text"] == version.texts.get(channel="sms").text
    assert (made["lane"], made["policy"], made["at_night"]) == ("campaign", "never_twice", False)
    assert made["not_after"] == version.expires_at


def test_a_channel_that_fails_holds_up_no_other_and_is_tried_again(press: Press) -> None:
    press.noted["article"].refuses = "Đĩa đầy."
    version = press.approved(channels=("article", "cap"))
    dispatch.dispatch_version(version)
    failed = ChannelRun.objects.get(channel="article")
    assert (failed.failure, failed.started_at) == ("Đĩa đầy.", None)
    assert [key for _act, key, _n in press.heard] == ["cap"]
    press.noted["article"].refuses = ""
    assert dispatch.dispatch_waiting() == 1
    assert dispatch.dispatch_waiting() == 0
    failed.refresh_from_db()
    assert (failed.failure, failed.attempts) == ("", 2)


def test_a_fault_of_a_channel_is_kept_in_words_not_in_code(press: Press, monkeypatch) -> None:
    def breaks(version: BulletinVersion) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(press.noted["article"], "start", breaks)
    dispatch.dispatch_version(press.approved(channels=("article",)))
    assert "Lỗi bất ngờ" in ChannelRun.objects.get().failure


def test_it_waits_for_its_time_and_not_beyond_its_end(press: Press) -> None:
    version = press.approved(channels=("article",), effective_at=NOON + timedelta(hours=2))
    assert dispatch.dispatch_version(version) == []
    assert dispatch.dispatch_waiting() == 0
    with clock.reads.frozen_at(NOON + timedelta(hours=3)):
        assert dispatch.dispatch_waiting() == 1
    late = press.approved(channels=("article",))
    with clock.reads.frozen_at(NOON + timedelta(days=5)):
        assert dispatch.dispatch_waiting() == 0
    assert late.runs.count() == 0


def test_a_correction_takes_the_place_of_what_went_out(press: Press) -> None:
    old = press.approved(channels=("article", "cap", "push"))
    dispatch.dispatch_version(old)
    press.heard.clear()
    new = bulletins.new_version(press.author, version=old)
    old.refresh_from_db()
    assert old.state == "approved"
    new = bulletins.edit_bulletin(
        press.author,
        version=new,
        edits=new.edits,
        draft=press.draft(title="Sửa: ngày 13/1", channels=("article", "cap")),
    )
    new = bulletins.submit_bulletin(press.author, version=new, edits=new.edits)
    press.see(new, press.leader)
    press.approve(new, press.leader)
    old.refresh_from_db()
    assert old.state == "replaced"
    dispatch.dispatch_version(new)
    # CAP corrects by itself (Update); on the others the old text is taken back first.
    assert sorted(press.heard) == [
        ("cancel", "article", 1),
        ("cancel", "push", 1),
        ("start", "article", 2),
        ("start", "cap", 2),
    ]
    assert not ChannelRun.objects.filter(version=old, cancelled_at=None).exists()


def test_where_the_old_cannot_be_taken_back_the_new_waits(press: Press) -> None:
    old = press.approved(channels=("article",))
    dispatch.dispatch_version(old)
    new = bulletins.new_version(press.author, version=old)
    new = bulletins.submit_bulletin(press.author, version=new, edits=new.edits)
    press.see(new, press.leader)
    press.approve(new, press.leader)
    press.noted["article"].refuses = "Không tới được máy chủ."
    assert dispatch.dispatch_version(new) == []
    press.noted["article"].refuses = ""
    dispatch.dispatch_waiting()
    assert press.heard[-2:] == [("cancel", "article", 1), ("start", "article", 2)]


def test_withdrawing_takes_every_channel_back(press: Press) -> None:
    version = press.approved(channels=("article", "cap"))
    dispatch.dispatch_version(version)
    version = bulletins.withdraw_bulletin(press.actor(press.leader), version=version, reason="Thông tin sai")
    press.noted["cap"].refuses = "Không ghi được."
    dispatch.take_back(version)
    press.noted["cap"].refuses = ""
    assert dispatch.dispatch_waiting() == 1
    assert dispatch.dispatch_waiting() == 0
    assert sorted(key for act, key, _n in press.heard if act == "cancel") == ["article", "cap"]
    assert dispatch.dispatch_version(version) == []
    assert announced("bulletin_withdrawn")[0]["was"] == "approved"
