"""Numbers and clocks of devices beside their scans, and what each device has sent in all."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.models import Value

import khien.rooms.checkpoints.models

MORE = """
ALTER TABLE checkpoints_scan
    ADD COLUMN time_quality varchar(8) NOT NULL DEFAULT 'said',
    ADD COLUMN seq bigint,
    ADD COLUMN boot uuid,
    ADD COLUMN mono bigint,
    ADD COLUMN offline boolean,
    ADD COLUMN shown jsonb;
"""
LESS = """
ALTER TABLE checkpoints_scan
    DROP COLUMN time_quality, DROP COLUMN seq, DROP COLUMN boot, DROP COLUMN mono, DROP COLUMN offline,
    DROP COLUMN shown;
"""


class Migration(migrations.Migration):
    dependencies = [("checkpoints", "0002_scan"), ("staff", "0001_initial")]
    operations = [
        migrations.RunSQL(MORE, LESS),
        migrations.AddField(
            model_name="due",
            name="made_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="real time, of the transaction",
            ),
        ),
        migrations.AlterField(
            model_name="heldscan",
            name="reason",
            field=models.CharField(
                choices=[
                    ("malformed", "sự kiện không đúng mẫu"),
                    ("unknown_code", "không phải mã nào hệ thống biết"),
                    ("card_incomplete", "mã thẻ bị đọc thiếu"),
                    ("pass_malformed", "thẻ Khiên đọc không trọn"),
                    ("pass_forged", "thẻ không do hệ thống này ký"),
                    ("unknown_pass", "thẻ đúng chữ ký nhưng không có trong sổ"),
                    ("unknown_place", "địa điểm không có trong địa bàn của thiết bị"),
                    ("id_reused", "trùng mã lượt quét nhưng nội dung khác"),
                    ("device_revoked", "thiết bị đã bị thu hồi"),
                    ("seal_broken", "mã niêm phong không mở được"),
                    ("forgotten", "cũ hơn thời hạn lưu: chỉ trả lời, không giữ"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="DeviceTally",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="staff.device",
                    ),
                ),
                ("seen", khien.rooms.checkpoints.models.Numbers(db_default=Value("{}"))),
                ("stored", models.BigIntegerField(db_default=0)),
                ("duplicate", models.BigIntegerField(db_default=0)),
                ("held", models.BigIntegerField(db_default=0)),
                ("seqs_reused", models.BigIntegerField(db_default=0)),
                ("ids_reused", models.BigIntegerField(db_default=0)),
                ("last_batch_at", models.DateTimeField(null=True)),
                ("clashed_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
