"""Jobs of dead workers are taken back, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from khien.site import sweeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def row(status="doing", *, worker=None, attempts=0, queueing_lock=None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id, attempts, queueing_lock)"
            " VALUES ('q', 't', %s, %s, %s, %s) RETURNING id",
            [status, worker, attempts, queueing_lock],
        )
        return cursor.fetchone()[0]


def worker(silent_s: float) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => %s)) RETURNING id",
            [silent_s],
        )
        return cursor.fetchone()[0]


def statuses() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status::text FROM procrastinate_jobs")
        return dict(cursor.fetchall())


def test_jobs_of_gone_and_silent_workers_are_queued_again():
    orphan, silent, living = row(), row(worker=worker(100)), row(worker=worker(0))
    assert sweeper.sweep() == 2
    assert statuses() == {orphan: "todo", silent: "todo", living: "doing"}
    assert sweeper.sweep() == 0


def test_a_job_that_kills_its_worker_again_and_again_is_given_up():
    job = row(attempts=sweeper.MAX_ATTEMPTS - 1)
    sweeper.sweep()
    assert statuses() == {job: "failed"}


def test_a_job_whose_like_waits_is_not_queued_twice():
    waiting, first, second, third = (
        row("todo", queueing_lock="a"),
        row(queueing_lock="a"),
        row(queueing_lock="b"),
        row(queueing_lock="b"),
    )
    sweeper.sweep()
    assert statuses() == {waiting: "todo", first: "failed", second: "todo", third: "failed"}


def test_of_sweeps_at_once_exactly_one_gets_a_job():
    for _ in range(50):
        row()

    def one(_number: int) -> int:
        try:
            return sweeper.sweep()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(one, range(4)))
    assert taken == 50
    assert set(statuses().values()) == {"todo"}
