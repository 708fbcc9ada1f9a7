"""The work on a bulletin: templates, test sends, what approvers saw, sound, channels started, reviews afterwards."""

from datetime import UTC, datetime

import django.db.models.deletion
from django.db import migrations, models

# Nobody approves what they wrote or submitted, and what has been submitted does not change, whoever asks.
GUARDS = """
CREATE FUNCTION broadcasts_other_approver() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v broadcasts_bulletinversion;
BEGIN
    SELECT * INTO v FROM broadcasts_bulletinversion WHERE id = NEW.version_id;
    IF v.submitted_by = NEW."by" OR v.editors @> to_jsonb(NEW."by") THEN
        RAISE EXCEPTION 'account % wrote or submitted version %', NEW."by", NEW.version_id USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER broadcasts_other_approver BEFORE INSERT OR UPDATE ON broadcasts_approval
    FOR EACH ROW EXECUTE FUNCTION broadcasts_other_approver();
CREATE FUNCTION broadcasts_version_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'version % was submitted and does not change', OLD.id USING ERRCODE = '23514';
END $$;
CREATE TRIGGER broadcasts_version_fixed BEFORE UPDATE ON broadcasts_bulletinversion FOR EACH ROW
    WHEN (OLD.content_hash <> '' AND (
        OLD.content_hash <> NEW.content_hash OR OLD.title <> NEW.title OR OLD.body <> NEW.body
        OR OLD.channels <> NEW.channels OR OLD.audience_id IS DISTINCT FROM NEW.audience_id
        OR OLD.submitted_by <> NEW.submitted_by OR NEW.state = 'draft'
    ))
    EXECUTE FUNCTION broadcasts_version_fixed();
"""
GUARDS_AWAY = """
DROP TRIGGER broadcasts_version_fixed ON broadcasts_bulletinversion;
DROP FUNCTION broadcasts_version_fixed();
DROP TRIGGER broadcasts_other_approver ON broadcasts_approval;
DROP FUNCTION broadcasts_other_approver();
"""

TEMPLATES = [
    (
        "vaccination_day",
        "Lịch tiêm chủng",
        "Tiêm vắc-xin ngày {ngay} tại {noi}",
        "Ngày {ngay}, từ {gio}, {noi} tiêm vắc-xin phòng COVID-19 cho {doi_tuong}.\n\n"
        "Mang theo căn cước công dân và điện thoại. Ai đang sốt hoặc đang cách ly thì chưa đến tiêm.",
        "Tiem vac-xin COVID-19: {ngay}, tu {gio}, tai {noi}, cho {doi_tuong}. Mang can cuoc va dien thoai.",
    ),
    (
        "place_exposed",
        "Tìm người đã đến một nơi",
        "Ai đã đến {noi} ngày {ngay}: khai báo y tế",
        "Có ca bệnh đã đến {noi} ngày {ngay}, từ {gio}. Ai có mặt trong thời gian đó hãy ở nhà, tránh gặp người "
        "khác và khai báo y tế.\n\nKhai báo trên cổng thông tin hoặc gọi {dien_thoai}.",
        "",
    ),
    (
        "area_closed",
        "Phong tỏa, giãn cách một khu vực",
        "{khu_vuc}: thực hiện {bien_phap} từ {gio} ngày {ngay}",
        "Từ {gio} ngày {ngay}, {khu_vuc} thực hiện {bien_phap} để phòng dịch COVID-19.\n\n"
        "Người dân ở nhà, chỉ ra ngoài khi thật cần thiết. Cần giúp đỡ, gọi {dien_thoai}.",
        "",
    ),
]
"""Code, name, title, body, SMS."""


def write(apps, schema_editor):
    template = apps.get_model("broadcasts", "BulletinTemplate")
    version = apps.get_model("broadcasts", "BulletinTemplateVersion")
    for code, name, title, body, sms in TEMPLATES:
        row, _created = template.objects.get_or_create(code=code, defaults={"name": name})
        version.objects.get_or_create(
            template=row,
            number=1,
            defaults={"title": title, "body": body, "sms": sms, "at": datetime(2022, 1, 1, tzinfo=UTC)},
        )


class Migration(migrations.Migration):
    dependencies = [
        ("broadcasts", "0005_sending"),
    ]

    operations = [
        migrations.CreateModel(
            name="AfterReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("done_by", models.BigIntegerField(help_text="account", null=True)),
                (
                    "was_right",
                    models.BooleanField(help_text="whether the emergency path was right", null=True),
                ),
                ("finding", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="ApprovalSeen",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("by", models.BigIntegerField(help_text="account")),
                (
                    "what",
                    models.CharField(
                        choices=[("sms", "Đã mở tin nhắn cuối"), ("audio", "Đã nghe bản phát thanh")],
                        max_length=6,
                    ),
                ),
                ("content_hash", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="BulletinAudio",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("language", models.CharField(default="vi", max_length=5)),
                (
                    "script_hash",
                    models.CharField(help_text="SHA-256 of the script it was made for", max_length=64),
                ),
                ("mp3", models.BinaryField(help_text="mono, 64 kbit/s")),
                ("mp3_hash", models.CharField(help_text="SHA-256", max_length=64)),
                ("seconds", models.FloatField()),
                ("words", models.TextField(blank=True, help_text="what the engine was given")),
                (
                    "notes",
                    models.JSONField(default=list, help_text="values of gateways.speech.interface.Note"),
                ),
                ("is_recording", models.BooleanField(default=False, help_text="a person's voice")),
                ("made_at", models.DateTimeField()),
                ("made_by", models.BigIntegerField(help_text="account", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="BulletinTemplate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("is_retired", models.BooleanField(default=False, help_text="no longer offered")),
            ],
        ),
        migrations.CreateModel(
            name="BulletinTemplateVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.SmallIntegerField(default=1)),
                ("title", models.CharField(max_length=160)),
                ("body", models.TextField(help_text="NFC, with {placeholders}")),
                (
                    "sms",
                    models.TextField(
                        blank=True, help_text="NFC, with {placeholders}; empty: made from title and body"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("by", models.BigIntegerField(help_text="account", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ChannelRun",
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
                ("started_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("failure", models.CharField(blank=True, max_length=400)),
                ("failed_at", models.DateTimeField(null=True)),
                ("attempts", models.IntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="TestNumber",
            fields=[
                (
                    "number",
                    models.CharField(help_text="E.164", max_length=16, primary_key=True, serialize=False),
                ),
                ("holder", models.CharField(help_text="whose it is, e.g. an office", max_length=80)),
                ("added_at", models.DateTimeField()),
                ("added_by", models.BigIntegerField(help_text="account", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="TestSend",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("content_hash", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("by", models.BigIntegerField(help_text="account")),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="bulletinversion",
            name="bulletin_frozen",
        ),
        migrations.AddField(
            model_name="approval",
            name="at_night",
            field=models.BooleanField(default=False, help_text="this approver lets it out in quiet hours"),
        ),
        migrations.AddField(
            model_name="bulletinversion",
            name="edited_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bulletinversion",
            name="edited_by",
            field=models.BigIntegerField(help_text="account", null=True),
        ),
        migrations.AddField(
            model_name="bulletinversion",
            name="editors",
            field=models.JSONField(
                default=list, help_text="accounts that have written in it; none of them approves"
            ),
        ),
        migrations.AddField(
            model_name="bulletinversion",
            name="ended_at",
            field=models.DateTimeField(help_text="when it was withdrawn or replaced", null=True),
        ),
        migrations.AddField(
            model_name="bulletinversion",
            name="ended_because",
            field=models.CharField(blank=True, help_text="why it was withdrawn", max_length=400),
        ),
        migrations.AddField(
            model_name="channeltext",
            name="instruction",
            field=models.TextField(blank=True, help_text="CAP: what people should do"),
        ),
        migrations.AlterField(
            model_name="channeltext",
            name="text",
            field=models.TextField(blank=True, help_text="NFC; as it goes out once the version is submitted"),
        ),
        migrations.AddField(
            model_name="afterreview",
            name="version",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="after_review",
                to="broadcasts.bulletinversion",
            ),
        ),
        migrations.AddField(
            model_name="approvalseen",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="seen",
                to="broadcasts.bulletinversion",
            ),
        ),
        migrations.AddField(
            model_name="bulletinaudio",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="audios",
                to="broadcasts.bulletinversion",
            ),
        ),
        migrations.AddField(
            model_name="bulletintemplateversion",
            name="template",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="broadcasts.bulletintemplate",
            ),
        ),
        migrations.AddField(
            model_name="bulletinversion",
            name="template_version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="broadcasts.bulletintemplateversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulletinversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "draft"),
                    models.Q(("content_hash", ""), ("state__in", ["replaced", "withdrawn"])),
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
        migrations.AddField(
            model_name="channelrun",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="runs",
                to="broadcasts.bulletinversion",
            ),
        ),
        migrations.AddField(
            model_name="testsend",
            name="broadcast",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="broadcasts.broadcast",
            ),
        ),
        migrations.AddField(
            model_name="testsend",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="test_sends",
                to="broadcasts.bulletinversion",
            ),
        ),
        migrations.AddIndex(
            model_name="afterreview",
            index=models.Index(
                condition=models.Q(("done_at__isnull", True)), fields=["due_at"], name="after_review_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="afterreview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("done_at__isnull", True), ("done_by__isnull", True), ("was_right__isnull", True)
                    ),
                    models.Q(
                        ("done_at__isnull", False),
                        ("done_by__isnull", False),
                        ("was_right__isnull", False),
                        models.Q(("finding", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="after_review_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalseen",
            constraint=models.UniqueConstraint(
                fields=("version", "by", "what", "content_hash"), name="seen_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="bulletinaudio",
            constraint=models.UniqueConstraint(fields=("version", "language"), name="bulletin_audio_once"),
        ),
        migrations.AddConstraint(
            model_name="bulletintemplateversion",
            constraint=models.UniqueConstraint(
                fields=("template", "number"), name="bulletin_template_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="channelrun",
            constraint=models.UniqueConstraint(fields=("version", "channel"), name="channel_run_once"),
        ),
        migrations.AddIndex(
            model_name="testsend",
            index=models.Index(fields=["version", "content_hash"], name="test_send_content"),
        ),
        migrations.RunSQL(GUARDS, GUARDS_AWAY),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]
