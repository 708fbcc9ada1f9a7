import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkpoints", "0007_groups"),
        ("units", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CardList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(help_text="business time")),
                ("received", models.PositiveIntegerField()),
                ("stored", models.PositiveIntegerField()),
                ("duplicate", models.PositiveIntegerField()),
                ("held", models.PositiveIntegerField()),
                ("by", models.BigIntegerField(help_text="account", null=True)),
                (
                    "household",
                    models.PositiveIntegerField(
                        default=0, help_text="people added as members of the same household"
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="card_list",
                        to="checkpoints.printrun",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="units.adminunit"
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CardRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "line",
                    models.PositiveIntegerField(
                        help_text="in what was sent; the first data row of a sheet is 2"
                    ),
                ),
                ("row", models.JSONField()),
                ("digest", models.CharField(help_text="of the row and of who sent it", max_length=64)),
                ("code", models.CharField(blank=True, max_length=40)),
                ("reason", models.CharField(max_length=600)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Chờ xử lý"), ("stored", "Đã nhận"), ("dismissed", "Đã bỏ")],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.BigIntegerField(help_text="account", null=True)),
                ("note", models.CharField(blank=True, max_length=300)),
                (
                    "intake",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held_rows",
                        to="checkpoints.cardlist",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.AddConstraint(
            model_name="cardlist",
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
                name="checkpoints_cardlist_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrow",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("digest",),
                name="checkpoints_cardrow_open_once",
            ),
        ),
    ]
