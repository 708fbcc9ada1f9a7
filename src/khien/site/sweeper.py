"""Taking back the jobs of a worker that died: Procrastinate leaves them `doing` for ever."""

from __future__ import annotations

import logging

from django.db import connection

logger = logging.getLogger("khien.jobs")

HEARTBEAT_S = 4.0
STALLED_S = 20.0
MAX_ATTEMPTS = 8

# Selecting and taking back is one statement: of several sweeps at once exactly one gets a job. A job that has
# killed its worker again and again is given up; one whose like already waits in the queue is not needed.
_SWEEP = """
WITH stalled AS (
    SELECT job.id
    FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
    WHERE job.status = 'doing'
      AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %(stalled)s))
    ORDER BY job.id
    LIMIT %(limit)s
    FOR UPDATE OF job SKIP LOCKED
), numbered AS (
    SELECT job.id, row_number() OVER (PARTITION BY COALESCE(job.queueing_lock, job.id::text) ORDER BY job.id) AS place
    FROM procrastinate_jobs job JOIN stalled USING (id)
)
UPDATE procrastinate_jobs job
SET status = (CASE
        WHEN job.abort_requested THEN 'aborted'
        WHEN job.attempts + 1 >= %(attempts)s THEN 'failed'
        WHEN numbered.place > 1 OR EXISTS (
            SELECT 1 FROM procrastinate_jobs other
            WHERE other.queueing_lock = job.queueing_lock AND other.status = 'todo'
        ) THEN 'failed'
        ELSE 'todo'
    END)::procrastinate_job_status,
    attempts = job.attempts + 1,
    scheduled_at = now(),
    worker_id = NULL
FROM numbered
WHERE numbered.id = job.id
RETURNING job.id, job.status::text, job.task_name
"""


def sweep(stalled_s: float = STALLED_S, limit: int = 1000) -> int:
    """Queue again the jobs of workers that are gone or silent for `stalled_s` seconds; returns how many.

    A job may so run more than once, never twice at the same time unless its worker only seemed dead: every
    task is idempotent on the key of its row.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, {"stalled": stalled_s, "limit": limit, "attempts": MAX_ATTEMPTS})
        taken = cursor.fetchall()
    for job, status, task in taken:
        logger.warning("job=%s task=%s was left by a dead worker, now %s", job, task, status)
    return len(taken)
