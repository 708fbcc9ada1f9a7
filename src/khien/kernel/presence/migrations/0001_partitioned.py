"""The presence table, partitioned by day. A default partition takes what comes before its day's partition."""

from django.db import migrations, models

CREATE = """
CREATE SEQUENCE presence_id;
CREATE SEQUENCE presence_commit;
CREATE TABLE presence_record (
    day date NOT NULL,
    id bigint NOT NULL DEFAULT nextval('presence_id'),
    person_id bigint NOT NULL,
    place_id bigint NOT NULL,
    enter timestamptz NOT NULL,
    leave timestamptz,
    source varchar(10) NOT NULL,
    exit_inferred boolean NOT NULL DEFAULT false,
    entry_inferred boolean NOT NULL DEFAULT false,
    source_key varchar(64) NOT NULL,
    commit_order bigint NOT NULL DEFAULT nextval('presence_commit'),
    PRIMARY KEY (day, id),
    CONSTRAINT presence_source_once UNIQUE (day, source, source_key),
    CONSTRAINT presence_leave_after CHECK (leave IS NULL OR leave >= enter),
    CONSTRAINT presence_day_of_enter CHECK (day = (enter AT TIME ZONE 'Asia/Ho_Chi_Minh')::date)
) PARTITION BY RANGE (day);
CREATE INDEX presence_person ON presence_record (person_id, enter);
CREATE INDEX presence_place ON presence_record (place_id, enter);
CREATE INDEX presence_commit_order ON presence_record (commit_order);
CREATE TABLE presence_record_default PARTITION OF presence_record DEFAULT;
"""


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.RunSQL(
            CREATE,
            "DROP TABLE presence_record; DROP SEQUENCE presence_id; DROP SEQUENCE presence_commit;",
            state_operations=[
                migrations.CreateModel(
                    name="PresenceRecord",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "day", "id", blank=True, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("day", models.DateField()),
                        ("id", models.BigIntegerField()),
                        ("person_id", models.BigIntegerField()),
                        ("place_id", models.BigIntegerField()),
                        ("enter", models.DateTimeField()),
                        ("leave", models.DateTimeField(null=True)),
                        ("source", models.CharField(max_length=10)),
                        ("exit_inferred", models.BooleanField(default=False)),
                        ("entry_inferred", models.BooleanField(default=False)),
                        ("source_key", models.CharField(max_length=64)),
                        ("commit_order", models.BigIntegerField()),
                    ],
                    options={"db_table": "presence_record", "managed": False},
                ),
            ],
        ),
    ]
