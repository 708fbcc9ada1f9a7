"""The table of Django's database cache: what one web process counts (failed sign-ins), all of them know."""

from django.db import migrations

CREATE = """
CREATE TABLE khien_cache (cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL);
CREATE INDEX khien_cache_expires ON khien_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("khien_site", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE khien_cache")]
