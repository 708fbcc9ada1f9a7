"""Who came together: a family, a bus, somebody with companions at a poster."""

from django.db import migrations, models

MORE = """
ALTER TABLE checkpoints_scan ADD COLUMN group_id uuid;
CREATE INDEX checkpoints_scan_group ON checkpoints_scan (group_id) WHERE group_id IS NOT NULL;
"""
LESS = """
DROP INDEX checkpoints_scan_group;
ALTER TABLE checkpoints_scan DROP COLUMN group_id;
"""


class Migration(migrations.Migration):
    dependencies = [("checkpoints", "0004_gate")]
    operations = [
        migrations.RunSQL(MORE, LESS),
        migrations.AddField(
            model_name="typedperson",
            name="group_id",
            field=models.UUIDField(help_text="of the scan: who came together", null=True),
        ),
    ]
