"""What the sender keeps with a campaign and its chunks, and the numbers of senders."""

from django.db import migrations, models

# A sender's number is the key of an advisory lock, which is an integer.
NUMBERS = "CREATE SEQUENCE broadcasts_sender AS integer CYCLE"


class Migration(migrations.Migration):
    dependencies = [
        ("broadcasts", "0004_carriers"),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="canary_judged_at",
            field=models.DateTimeField(help_text="when the first share was judged; once only", null=True),
        ),
        migrations.AddField(
            model_name="chunk",
            name="codes",
            field=models.JSONField(help_text="refused members by the carrier's code", null=True),
        ),
        migrations.AddField(
            model_name="chunk",
            name="resends",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="chunk",
            name="settled_at",
            field=models.DateTimeField(help_text="real time of the last settlement", null=True),
        ),
        migrations.AddField(
            model_name="unmatchedreceipt",
            name="number",
            field=models.CharField(
                blank=True, help_text="the phone, where the receipt says it", max_length=21
            ),
        ),
        migrations.AddIndex(
            model_name="unmatchedreceipt",
            index=models.Index(
                condition=models.Q(("client_id", ""), _negated=True),
                fields=["client_id"],
                name="unmatched_receipt_client",
            ),
        ),
        migrations.AddIndex(
            model_name="unmatchedreceipt",
            index=models.Index(fields=["received_at"], name="unmatched_receipt_at"),
        ),
        migrations.RunSQL(NUMBERS, "DROP SEQUENCE broadcasts_sender"),
    ]
