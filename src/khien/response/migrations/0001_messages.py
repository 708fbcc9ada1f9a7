"""Further texts that the response sends until the province writes its own (beside those of broadcasts)."""

from django.db import migrations

TEMPLATES = [
    (
        "watch_issued",
        "Khi phải tự theo dõi sức khỏe",
        "{name}: anh/chị tự theo dõi sức khỏe đến hết ngày {until}, đeo khẩu trang, tránh nơi đông người. "
        "Khai báo sức khỏe mỗi ngày tại {link}",
    ),
    (
        "isolation_issued",
        "Khi quyết định cách ly ca bệnh được ký",
        "{name}: anh/chị cần cách ly y tế đến hết ngày {until}. Khai báo sức khỏe mỗi ngày tại {link}. "
        "Khó thở, tức ngực: gọi 115.",
    ),
    (
        "order_moved",
        "Khi đổi nơi cách ly",
        "{name}: nơi cách ly của anh/chị đã đổi, thời gian vẫn đến hết ngày {until}. Xem tại {link}",
    ),
    (
        "order_cancelled",
        "Khi quyết định cách ly bị hủy",
        "{name}: quyết định cách ly của anh/chị đã được hủy, anh/chị không phải cách ly theo quyết định đó nữa.",
    ),
    (
        "watch_ended",
        "Khi hết thời gian tự theo dõi",
        "{name}: anh/chị đã hết thời gian tự theo dõi sức khỏe. Cảm ơn anh/chị.",
    ),
]


def write(apps, schema_editor):
    template = apps.get_model("broadcasts", "MessageTemplate")
    for code, purpose, text in TEMPLATES:
        template.objects.get_or_create(code=code, defaults={"purpose": purpose, "text": text})


class Migration(migrations.Migration):
    dependencies = [("broadcasts", "0002_templates")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
