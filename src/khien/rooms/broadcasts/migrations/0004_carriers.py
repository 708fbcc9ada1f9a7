"""Carriers with their ranges of numbers, files of ported numbers, orders to carriers, what audiences remember."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

# Ranges as after the change from 11 to 10 digits in 2018, with those opened since (iTel 087, Wintel 055, MobiFone 030 and
# 051), compared with the carriers' names in libphonenumber 9.0.43, which knows 087 only as VinaPhone's. A range is only the default: see PortedNumber. Rates are a cautious default
# and prices none: both are of the contract.
CARRIERS = [
    ("viettel", "Viettel", "86 96 97 98 32 33 34 35 36 37 38 39"),
    ("vinaphone", "VinaPhone", "88 91 94 81 82 83 84 85"),
    ("mobifone", "MobiFone", "89 90 93 70 76 77 78 79 30 51"),
    ("vietnamobile", "Vietnamobile", "92 52 56 58"),
    ("gmobile", "Gmobile", "99 59"),
    ("itel", "iTel", "87 998 999"),
    ("wintel", "Wintel", "55"),
]


def write(apps, _editor):
    """The carriers of Viet Nam; what a desk has changed stays."""
    carriers = apps.get_model("broadcasts", "Carrier")
    prefixes = apps.get_model("broadcasts", "CarrierPrefix")
    for code, name, ranges in CARRIERS:
        carrier, _made = carriers.objects.get_or_create(code=code, defaults={"name": name})
        for digits in ranges.split():
            prefixes.objects.get_or_create(prefix=f"+84{digits}", defaults={"carrier": carrier})


class Migration(migrations.Migration):
    dependencies = [
        ("broadcasts", "0003_bulletins"),
        ("units", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CarrierOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reference",
                    models.CharField(help_text="e.g. KH-2022-000041-1-viettel", max_length=40, unique=True),
                ),
                ("text", models.TextField(help_text="NFC")),
                ("areas", models.JSONField(help_text="[{code, tier, name, inside}] of administrative units")),
                ("not_before", models.DateTimeField()),
                ("not_after", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ordered", "Đã ký, chưa gửi nhà mạng"),
                            ("sent", "Đã gửi nhà mạng"),
                            ("reported", "Nhà mạng đã báo cáo"),
                            ("cancelled", "Đã hủy"),
                        ],
                        default="ordered",
                        max_length=10,
                    ),
                ),
                ("file", models.BinaryField(help_text="JSON, UTF-8")),
                ("signature", models.BinaryField()),
                ("document", models.BinaryField(help_text="PDF")),
                ("document_signature", models.BinaryField()),
                ("key_id", models.CharField(max_length=16)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.BigIntegerField(help_text="account; null for the system", null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("sent_by", models.BigIntegerField(help_text="account", null=True)),
                (
                    "sent_how",
                    models.CharField(blank=True, help_text="to whom and by what way", max_length=200),
                ),
                ("report_due_at", models.DateTimeField()),
                ("reported_at", models.DateTimeField(null=True)),
                (
                    "reported_by",
                    models.BigIntegerField(help_text="account that entered the report", null=True),
                ),
                ("subscribers", models.BigIntegerField(help_text="found in the areas", null=True)),
                ("accepted", models.BigIntegerField(help_text="messages that the carrier sent", null=True)),
                ("delivered", models.BigIntegerField(null=True)),
                ("failed", models.BigIntegerField(null=True)),
                (
                    "by_area",
                    models.JSONField(
                        default=list, help_text="[{code, subscribers, accepted, delivered, failed}]"
                    ),
                ),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("cancelled_because", models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name="HeldPorted",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "line",
                    models.IntegerField(help_text="number of the row in the file; the first data row is 2"),
                ),
                ("number", models.CharField(help_text="as it was written", max_length=40)),
                ("carrier", models.CharField(help_text="as it was written", max_length=40)),
                ("since", models.CharField(blank=True, help_text="as it was written", max_length=40)),
                ("code", models.CharField(max_length=40)),
                ("reason", models.CharField(max_length=400)),
            ],
        ),
        migrations.CreateModel(
            name="PortedIntake",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("by", models.BigIntegerField(help_text="account; null for the system", null=True)),
                ("received", models.IntegerField()),
                ("stored", models.IntegerField()),
                ("duplicate", models.IntegerField()),
                ("held", models.IntegerField()),
            ],
        ),
        migrations.AddField(
            model_name="audience",
            name="forgotten_at",
            field=models.DateTimeField(
                help_text="when the retention rule removed the members; counts and hash stay", null=True
            ),
        ),
        migrations.AddField(
            model_name="audience",
            name="names",
            field=models.JSONField(default=list, help_text="placeholders whose values the members bear"),
        ),
        migrations.AlterField(
            model_name="audience",
            name="left_out",
            field=models.JSONField(default=dict, help_text="how many by reason, see LeftOut"),
        ),
        migrations.AddConstraint(
            model_name="audience",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("forgotten_at__isnull", True), ("frozen_at__isnull", False), _connector="OR"
                ),
                name="audience_forgotten",
            ),
        ),
        migrations.AddField(
            model_name="carrierorder",
            name="carrier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="broadcasts.carrier"
            ),
        ),
        migrations.AddField(
            model_name="carrierorder",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="carrier_orders",
                to="broadcasts.bulletinversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="portedintake",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "received",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("stored"), "+", models.F("duplicate")
                            ),
                            "+",
                            models.F("held"),
                        ),
                    )
                ),
                name="ported_intake_adds_up",
            ),
        ),
        migrations.AddField(
            model_name="heldported",
            name="intake",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="held_rows",
                to="broadcasts.portedintake",
            ),
        ),
        migrations.AddIndex(
            model_name="carrierorder",
            index=models.Index(
                condition=models.Q(("state__in", ["ordered", "sent"])),
                fields=["report_due_at"],
                name="carrier_order_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="carrierorder",
            constraint=models.UniqueConstraint(fields=("version", "carrier"), name="carrier_order_once"),
        ),
        migrations.AddConstraint(
            model_name="carrierorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("not_after__gt", models.F("not_before"))), name="carrier_order_window"
            ),
        ),
        migrations.AddConstraint(
            model_name="carrierorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "sent"), _negated=True), ("sent_at__isnull", False), _connector="OR"
                ),
                name="carrier_order_sent_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="carrierorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "reported"), _negated=True),
                    models.Q(
                        (
                            "accepted__gte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("delivered"), "+", models.F("failed")
                            ),
                        ),
                        ("delivered__gte", 0),
                        ("failed__gte", 0),
                        ("reported_at__isnull", False),
                        ("subscribers__gte", models.F("accepted")),
                    ),
                    _connector="OR",
                ),
                name="carrier_order_counts",
            ),
        ),
        migrations.AddConstraint(
            model_name="carrierorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "cancelled"), _negated=True),
                    ("cancelled_at__isnull", False),
                    _connector="OR",
                ),
                name="carrier_order_cancelled_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="heldported",
            constraint=models.UniqueConstraint(fields=("intake", "line"), name="held_ported_line"),
        ),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]
