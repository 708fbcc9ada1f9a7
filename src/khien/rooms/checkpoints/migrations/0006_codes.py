"""What a gate may read has grown, and with it the reasons to hold a scan."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkpoints", "0005_posters"),
    ]

    operations = [
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
                    ("starred", "mã QR quốc gia che số giấy tờ"),
                    ("certificate_malformed", "chứng nhận đọc không trọn"),
                    ("certificate_forged", "chứng nhận sai chữ ký"),
                    ("certificate_unknown", "chứng nhận của nơi cấp chưa được tin cậy"),
                    ("unknown_place", "địa điểm không có trong địa bàn của thiết bị"),
                    ("id_reused", "trùng mã lượt quét nhưng nội dung khác"),
                    ("device_revoked", "thiết bị đã bị thu hồi"),
                    ("seal_broken", "mã niêm phong không mở được"),
                    ("forgotten", "cũ hơn thời hạn lưu: chỉ trả lời, không giữ"),
                ],
                max_length=24,
            ),
        ),
    ]
