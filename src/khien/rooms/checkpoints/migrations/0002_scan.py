"""The scans, partitioned by day of receipt. The default partition takes what comes before its day has one."""

from django.db import migrations

CREATE = """
CREATE SEQUENCE checkpoints_scan_number;
CREATE TABLE checkpoints_scan (
    day date NOT NULL,
    id bigint NOT NULL DEFAULT nextval('checkpoints_scan_number'),
    sender varchar(24) NOT NULL,
    client_id uuid NOT NULL,
    place_id bigint NOT NULL,
    person_id bigint,
    subject_kind varchar(10) NOT NULL,
    subject varchar(64) NOT NULL,
    direction varchar(8) NOT NULL CHECK (direction IN ('in', 'out', 'unknown')),
    method varchar(8) NOT NULL,
    at timestamptz NOT NULL,
    at_said timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    flags varchar(20)[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
CREATE INDEX checkpoints_scan_person ON checkpoints_scan (person_id, at);
CREATE INDEX checkpoints_scan_place ON checkpoints_scan (place_id, at);
CREATE INDEX checkpoints_scan_unlinked ON checkpoints_scan (subject) WHERE person_id IS NULL;
CREATE TABLE checkpoints_scan_default PARTITION OF checkpoints_scan DEFAULT;
"""


class Migration(migrations.Migration):
    dependencies = [("checkpoints", "0001_initial")]
    operations = [
        migrations.RunSQL(CREATE, "DROP TABLE checkpoints_scan; DROP SEQUENCE checkpoints_scan_number;"),
    ]
