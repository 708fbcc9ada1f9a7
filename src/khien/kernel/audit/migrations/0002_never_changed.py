"""A line is never changed or deleted: only the sealer may set its seal, only the retention rule may remove it."""

from django.db import migrations

GUARD = """
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF current_setting('khien.forgetting', true) = 'on' THEN RETURN OLD; END IF;
    RAISE EXCEPTION 'audit lines are never deleted';
  END IF;
  IF OLD.seal_id IS NULL AND NEW.seal_id IS NOT NULL
     AND to_jsonb(NEW) - 'seal_id' - 'seal_place' = to_jsonb(OLD) - 'seal_id' - 'seal_place' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit lines are never changed';
END $$;
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON audit_auditline
  FOR EACH ROW EXECUTE FUNCTION audit_guard();
CREATE INDEX audit_persons ON audit_auditline USING gin (persons);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.RunSQL(
            GUARD,
            "DROP INDEX audit_persons; DROP TRIGGER audit_guard ON audit_auditline; DROP FUNCTION audit_guard();",
        )
    ]
