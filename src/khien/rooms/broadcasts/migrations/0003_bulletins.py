"""Bulletins, audiences, campaigns and carriers."""

import django.db.models.deletion
from django.db import migrations, models

# Partitioned by audience and by campaign: members and results go with what they belong to. Indexes of a partition are
# made when it has been filled.
TABLES = """
CREATE TABLE broadcasts_audiencemember (
    audience_id bigint NOT NULL, seq integer NOT NULL, phone varchar(16) NOT NULL, carrier_id bigint NOT NULL,
    unit_id bigint NOT NULL, person_id bigint, values jsonb
) PARTITION BY LIST (audience_id);
CREATE TABLE broadcasts_campaignresult (
    campaign_id bigint NOT NULL, seq integer NOT NULL, state varchar(12) NOT NULL, code varchar(60) NOT NULL DEFAULT '',
    message_id varchar(80) NOT NULL DEFAULT '', attempts smallint NOT NULL DEFAULT 1, at timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, seq)
) PARTITION BY LIST (campaign_id);
"""
AWAY = "DROP TABLE broadcasts_audiencemember; DROP TABLE broadcasts_campaignresult"


class Migration(migrations.Migration):
    dependencies = [
        ("broadcasts", "0002_templates"),
        ("units", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AudienceMember",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "audience_id", "seq", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("audience_id", models.BigIntegerField()),
                ("seq", models.IntegerField()),
                ("phone", models.CharField(help_text="E.164", max_length=16)),
                ("unit_id", models.BigIntegerField(help_text="AdminUnit")),
                (
                    "person_id",
                    models.BigIntegerField(help_text="Person; null where the register names none", null=True),
                ),
                ("values", models.JSONField(help_text="of the template's placeholders", null=True)),
            ],
            options={
                "db_table": "broadcasts_audiencemember",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="CampaignResult",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id", "seq", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("campaign_id", models.BigIntegerField()),
                ("seq", models.IntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("accepted", "Tổng đài đã nhận"),
                            ("unknown", "Chưa rõ"),
                            ("rejected", "Bị từ chối"),
                            ("delivered", "Đã đến máy"),
                            ("undelivered", "Không đến máy"),
                        ],
                        max_length=12,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=60)),
                ("message_id", models.CharField(blank=True, max_length=80)),
                ("attempts", models.SmallIntegerField(default=1)),
                ("at", models.DateTimeField(help_text="business time of the last change")),
            ],
            options={
                "db_table": "broadcasts_campaignresult",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="DeadNumber",
            fields=[
                (
                    "number",
                    models.CharField(help_text="E.164", max_length=16, primary_key=True, serialize=False),
                ),
                ("code", models.CharField(help_text="what the carrier said", max_length=60)),
                ("at", models.DateTimeField()),
                ("until", models.DateField()),
            ],
        ),
        migrations.CreateModel(
            name="OptOut",
            fields=[
                (
                    "number",
                    models.CharField(help_text="E.164", max_length=16, primary_key=True, serialize=False),
                ),
                ("at", models.DateTimeField()),
                ("how", models.CharField(help_text="sms, page, desk", max_length=12)),
            ],
        ),
        migrations.CreateModel(
            name="Audience",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("register", models.CharField(help_text="key in the registry of registers", max_length=40)),
                ("units", models.JSONField(default=list, help_text="ids of units, each with all inside it")),
                (
                    "filters",
                    models.JSONField(default=dict, help_text="values by the name of the register's filter"),
                ),
                (
                    "with_opted_out",
                    models.BooleanField(default=False, help_text="an emergency: opt-outs do not count"),
                ),
                ("created_at", models.DateTimeField()),
                ("created_by", models.BigIntegerField(help_text="account", null=True)),
                ("frozen_at", models.DateTimeField(null=True)),
                ("count", models.IntegerField(default=0, help_text="phones")),
                (
                    "hash",
                    models.CharField(
                        blank=True, help_text="SHA-256 of the numbers in order, a line each", max_length=64
                    ),
                ),
                (
                    "left_out",
                    models.JSONField(
                        default=dict,
                        help_text="how many by reason, see reads",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        help_text="holds all of `units`",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="units.adminunit",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Bulletin",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("created_by", models.BigIntegerField(help_text="account")),
                (
                    "unit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="units.adminunit"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BulletinVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.SmallIntegerField(default=1)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Đang soạn"),
                            ("submitted", "Chờ duyệt"),
                            ("approved", "Đã duyệt"),
                            ("rejected", "Không duyệt"),
                            ("replaced", "Đã có bản mới"),
                            ("withdrawn", "Đã rút"),
                        ],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("edits", models.IntegerField(default=0)),
                ("title", models.CharField(max_length=160)),
                ("body", models.TextField(help_text="plain text, NFC; paragraphs by empty lines")),
                ("contact", models.CharField(blank=True, max_length=160)),
                ("category", models.CharField(default="Health", help_text="CAP 1.2", max_length=10)),
                ("urgency", models.CharField(default="Expected", help_text="CAP 1.2", max_length=10)),
                ("severity", models.CharField(default="Moderate", help_text="CAP 1.2", max_length=10)),
                ("certainty", models.CharField(default="Observed", help_text="CAP 1.2", max_length=10)),
                ("effective_at", models.DateTimeField(help_text="empty: from the approval on", null=True)),
                ("expires_at", models.DateTimeField()),
                ("languages", models.JSONField(default=list, help_text='["vi"], ["vi", "en"]')),
                ("channels", models.JSONField(default=list, help_text="values of Channel")),
                (
                    "plain_sms",
                    models.BooleanField(default=False, help_text="the author agrees to send without accents"),
                ),
                (
                    "policy",
                    models.CharField(
                        choices=[("never_twice", "Không gửi lần hai"), ("at_least_once", "Gửi lại một lần")],
                        default="never_twice",
                        max_length=14,
                    ),
                ),
                (
                    "is_emergency",
                    models.BooleanField(
                        default=False, help_text="two approvers, reaches those who opted out"
                    ),
                ),
                (
                    "at_night",
                    models.BooleanField(
                        default=False, help_text="SMS and loudspeakers in quiet hours as well"
                    ),
                ),
                (
                    "audience_id",
                    models.BigIntegerField(
                        help_text="of the SMS channel: Audience, frozen at submission", null=True
                    ),
                ),
                (
                    "content_hash",
                    models.CharField(blank=True, help_text="SHA-256 of all that goes out", max_length=64),
                ),
                ("submitted_at", models.DateTimeField(null=True)),
                ("submitted_by", models.BigIntegerField(help_text="account", null=True)),
                (
                    "bulletin",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="broadcasts.bulletin",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("by", models.BigIntegerField(help_text="account")),
                ("at", models.DateTimeField()),
                ("is_approved", models.BooleanField()),
                ("reason", models.CharField(blank=True, max_length=400)),
                ("content_hash", models.CharField(max_length=64)),
                ("audience_hash", models.CharField(blank=True, max_length=64)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="approvals",
                        to="broadcasts.bulletinversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Campaign",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "text",
                    models.TextField(help_text="NFC, with {placeholders} filled from each member's values"),
                ),
                ("parts", models.SmallIntegerField(default=1)),
                (
                    "lane",
                    models.CharField(
                        choices=[("emergency", "Khẩn cấp"), ("campaign", "Thường")],
                        default="campaign",
                        max_length=10,
                    ),
                ),
                (
                    "policy",
                    models.CharField(
                        choices=[("never_twice", "Không gửi lần hai"), ("at_least_once", "Gửi lại một lần")],
                        default="never_twice",
                        max_length=14,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Chờ đến giờ"),
                            ("canary", "Gửi thử một phần"),
                            ("running", "Đang gửi"),
                            ("paused", "Tạm dừng"),
                            ("cancelled", "Đã hủy"),
                            ("finished", "Đã gửi xong"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("not_before", models.DateTimeField(null=True)),
                (
                    "not_after",
                    models.DateTimeField(
                        help_text="what is still queued then is cancelled as expired", null=True
                    ),
                ),
                ("at_night", models.BooleanField(default=False)),
                ("canary_share", models.FloatField(default=0.01)),
                (
                    "canary_limit",
                    models.FloatField(
                        default=0.05, help_text="share of refusals above which it pauses itself"
                    ),
                ),
                ("paused_because", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "audience",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="campaign",
                        to="broadcasts.audience",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="units.adminunit"
                    ),
                ),
                (
                    "version",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="campaign",
                        to="broadcasts.bulletinversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Carrier",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(help_text="e.g. viettel", max_length=20, unique=True)),
                ("name", models.CharField(max_length=60)),
                (
                    "rate",
                    models.IntegerField(
                        default=100, help_text="parts a second that the contract allows; 0: no limit"
                    ),
                ),
                ("price", models.IntegerField(default=0, help_text="dong for a part")),
                ("daily_cap", models.IntegerField(help_text="parts a day at most; empty: no cap", null=True)),
                (
                    "takes_accents",
                    models.BooleanField(default=True, help_text="whether UCS-2 texts are taken"),
                ),
                ("is_active", models.BooleanField(default=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("price__gte", 0), ("rate__gte", 0)), name="carrier_figures"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CarrierPrefix",
            fields=[
                (
                    "prefix",
                    models.CharField(
                        help_text="E.164, e.g. +8498", max_length=8, primary_key=True, serialize=False
                    ),
                ),
                (
                    "carrier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prefixes",
                        to="broadcasts.carrier",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ChannelText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("sms", "Tin nhắn SMS"),
                            ("carrier_order", "Nhà mạng nhắn mọi thuê bao"),
                            ("article", "Bài trên cổng thông tin"),
                            ("cap", "Cảnh báo CAP và nguồn tin"),
                            ("loudspeaker", "Loa truyền thanh"),
                            ("push", "Thông báo trên trình duyệt"),
                        ],
                        max_length=14,
                    ),
                ),
                ("language", models.CharField(default="vi", max_length=5)),
                ("title", models.CharField(blank=True, max_length=160)),
                ("text", models.TextField(blank=True, help_text="NFC")),
                (
                    "is_edited",
                    models.BooleanField(
                        default=False, help_text="written for this channel, no longer derived"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="texts",
                        to="broadcasts.bulletinversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Chunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("unit_id", models.BigIntegerField(help_text="AdminUnit")),
                ("first", models.IntegerField()),
                ("last", models.IntegerField()),
                (
                    "rank",
                    models.IntegerField(
                        help_text="the order in which chunks leave; the first make the canary"
                    ),
                ),
                ("is_canary", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Chờ gửi"),
                            ("claimed", "Đang gửi"),
                            ("settled", "Đã xong"),
                            ("cancelled", "Đã hủy"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                (
                    "sender",
                    models.BigIntegerField(
                        help_text="who has claimed it; holds the advisory lock of that number", null=True
                    ),
                ),
                ("claimed_at", models.DateTimeField(help_text="real time", null=True)),
                ("retry_at", models.DateTimeField(help_text="real time; not claimed before", null=True)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("accepted", models.IntegerField(default=0)),
                ("rejected", models.IntegerField(default=0)),
                ("unknown", models.IntegerField(default=0)),
                ("delivered", models.IntegerField(default=0)),
                ("undelivered", models.IntegerField(default=0)),
                ("cancelled", models.IntegerField(default=0)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="broadcasts.campaign",
                    ),
                ),
                (
                    "carrier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="broadcasts.carrier"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PortedNumber",
            fields=[
                (
                    "number",
                    models.CharField(help_text="E.164", max_length=16, primary_key=True, serialize=False),
                ),
                ("since", models.DateField(null=True)),
                (
                    "carrier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="broadcasts.carrier"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SendingSwitch",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("is_stopped", models.BooleanField(default=False)),
                ("because", models.CharField(blank=True, max_length=200)),
                ("by", models.BigIntegerField(help_text="account", null=True)),
                ("at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="sending_switch_one_row")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="audience",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("frozen_at__isnull", True), models.Q(("hash", ""), _negated=True), _connector="OR"
                ),
                name="audience_frozen",
            ),
        ),
        migrations.AddIndex(
            model_name="bulletin",
            index=models.Index(fields=["-created_at"], name="bulletin_created"),
        ),
        migrations.AddConstraint(
            model_name="bulletinversion",
            constraint=models.UniqueConstraint(fields=("bulletin", "number"), name="bulletin_version_once"),
        ),
        migrations.AddConstraint(
            model_name="bulletinversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["draft", "submitted"])),
                fields=("bulletin",),
                name="bulletin_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulletinversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "draft"),
                    models.Q(("content_hash", ""), ("state", "replaced")),
                    models.Q(
                        models.Q(("content_hash", ""), _negated=True),
                        ("submitted_at__isnull", False),
                        ("submitted_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="bulletin_frozen",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.UniqueConstraint(fields=("version", "by"), name="approval_once_a_person"),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_approved", True), models.Q(("reason", ""), _negated=True), _connector="OR"
                ),
                name="approval_reason",
            ),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)), fields=["id"], name="campaign_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("canary_limit__gte", 0),
                    ("canary_limit__lte", 1),
                    ("canary_share__gte", 0),
                    ("canary_share__lte", 1),
                ),
                name="campaign_shares",
            ),
        ),
        migrations.AddConstraint(
            model_name="channeltext",
            constraint=models.UniqueConstraint(
                fields=("version", "channel", "language"), name="channel_text_once"
            ),
        ),
        migrations.AddIndex(
            model_name="chunk",
            index=models.Index(
                condition=models.Q(("state", "queued")),
                fields=["campaign", "carrier", "rank"],
                name="chunk_queued",
            ),
        ),
        migrations.AddIndex(
            model_name="chunk",
            index=models.Index(
                condition=models.Q(("state", "claimed")), fields=["sender"], name="chunk_claimed"
            ),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.UniqueConstraint(fields=("campaign", "first"), name="chunk_once"),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.CheckConstraint(
                condition=models.Q(("first__gte", 1), ("last__gte", models.F("first"))), name="chunk_range"
            ),
        ),
        migrations.RunSQL(TABLES, AWAY),
    ]
