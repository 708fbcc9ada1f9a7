"""The texts that the response sends until the province writes its own."""

from django.db import migrations

TEMPLATES = [
    (
        "order_issued",
        "Khi có quyết định cách ly",
        "{name}: anh/chị cần cách ly đến hết ngày {until}. Xem quyết định và khai báo sức khỏe mỗi ngày tại {link}",
    ),
    (
        "order_changed",
        "Khi thời gian cách ly thay đổi",
        "{name}: thời gian cách ly đổi thành đến hết ngày {until}. Lý do: {reason}. Xem tại {link}",
    ),
    (
        "order_ended",
        "Khi hết cách ly",
        "{name}: anh/chị đã hết thời gian cách ly. Cảm ơn anh/chị đã giữ gìn cho mọi người.",
    ),
    (
        "follow_up_reminder",
        "Khi trong ngày chưa khai báo sức khỏe",
        "{name}: hôm nay anh/chị chưa khai báo sức khỏe. Khai báo tại {link}",
    ),
    (
        "sampling_due",
        "Khi đến ngày lấy mẫu",
        "{name}: mời anh/chị lấy mẫu xét nghiệm ngày {day}. Y tế xã sẽ báo giờ và nơi lấy mẫu.",
    ),
    (
        "result_ready",
        "Khi có kết quả xét nghiệm",
        "Đã có kết quả xét nghiệm của {name}. Xem tại {link}",
    ),
]


def write(apps, schema_editor):
    template = apps.get_model("broadcasts", "MessageTemplate")
    for code, purpose, text in TEMPLATES:
        template.objects.get_or_create(code=code, defaults={"purpose": purpose, "text": text})


class Migration(migrations.Migration):
    dependencies = [("broadcasts", "0001_initial")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
