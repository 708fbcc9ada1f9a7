"""The residents' codes moved to the kernel (`residents`); those of a moment ago are asked for again."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("desk", "0001_sign_in_code")]
    operations = [migrations.DeleteModel("SignInCode")]
