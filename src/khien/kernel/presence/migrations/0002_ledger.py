"""Following what changes: one writer at a time, what was replaced is kept for those who hold a copy.

A statement that changes presence first locks the one row of `presence_ledger`, so numbers of `presence_commit` become
visible in their order: whoever has read up to `position` misses nothing before it. Old versions go to
`presence_retraction` in the same statement.
"""

from django.db import migrations

CREATE = """
CREATE TABLE presence_ledger (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    position bigint NOT NULL DEFAULT 0,
    complete_since bigint NOT NULL DEFAULT 0,
    forgotten_before date,
    lineage uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO presence_ledger (position) SELECT coalesce(max(commit_order), 0) FROM presence_record;
CREATE TABLE presence_retraction (
    commit_order bigint PRIMARY KEY DEFAULT nextval('presence_commit'),
    replaces bigint NOT NULL,
    day date NOT NULL,
    person_id bigint NOT NULL,
    place_id bigint NOT NULL,
    enter timestamptz NOT NULL,
    leave timestamptz
);
CREATE INDEX presence_retraction_day ON presence_retraction (day);

CREATE FUNCTION presence_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM presence_ledger FOR UPDATE;
    RETURN NULL;
END $$;
CREATE FUNCTION presence_keep_what_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO presence_retraction (replaces, day, person_id, place_id, enter, leave)
        SELECT commit_order, day, person_id, place_id, enter, leave FROM gone;
    UPDATE presence_ledger SET position = (SELECT last_value FROM presence_commit);
    RETURN NULL;
END $$;
CREATE FUNCTION presence_move_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE presence_ledger SET position = (SELECT last_value FROM presence_commit);
    RETURN NULL;
END $$;
CREATE TRIGGER presence_1_lock BEFORE INSERT OR UPDATE OR DELETE ON presence_record
    FOR EACH STATEMENT EXECUTE FUNCTION presence_lock();
CREATE TRIGGER presence_2_inserted AFTER INSERT ON presence_record
    FOR EACH STATEMENT EXECUTE FUNCTION presence_move_on();
CREATE TRIGGER presence_2_updated AFTER UPDATE ON presence_record
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION presence_keep_what_went();
CREATE TRIGGER presence_2_deleted AFTER DELETE ON presence_record
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION presence_keep_what_went();
"""
REVERSE = """
DROP TRIGGER presence_1_lock ON presence_record;
DROP TRIGGER presence_2_inserted ON presence_record;
DROP TRIGGER presence_2_updated ON presence_record;
DROP TRIGGER presence_2_deleted ON presence_record;
DROP FUNCTION presence_lock, presence_keep_what_went, presence_move_on;
DROP TABLE presence_retraction;
DROP TABLE presence_ledger;
"""


class Migration(migrations.Migration):
    dependencies = [("presence", "0001_partitioned")]
    operations = [migrations.RunSQL(CREATE, REVERSE)]
