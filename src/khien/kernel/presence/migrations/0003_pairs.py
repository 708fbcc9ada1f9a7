"""Places of pair contacts have numbers of their own, above all of the register (`pairs.FIRST_PAIR`)."""

from django.db import migrations

CREATE = "CREATE SEQUENCE presence_pair START 2147483648 MINVALUE 2147483648 MAXVALUE 4294967295 CYCLE"


class Migration(migrations.Migration):
    dependencies = [("presence", "0002_ledger")]
    operations = [migrations.RunSQL(CREATE, "DROP SEQUENCE presence_pair")]
