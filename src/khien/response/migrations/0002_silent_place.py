"""What the owner of a place is sent that has had no scan for some days."""

from django.db import migrations

TEMPLATES = [
    (
        "silent_place",
        "Khi một nơi đang mở không có lượt quét mã nhiều ngày",
        "{place} chưa có lượt quét mã nào từ ngày {since}. Đề nghị treo áp phích ở lối vào và nhắc khách quét khi vào, "
        "khi ra: khi có ca bệnh, đây là cách báo cho khách và nhân viên của nơi mình. Mất áp phích: báo trạm y tế xã.",
    ),
]


def write(apps, schema_editor):
    template = apps.get_model("broadcasts", "MessageTemplate")
    for code, purpose, text in TEMPLATES:
        template.objects.get_or_create(code=code, defaults={"purpose": purpose, "text": text})


class Migration(migrations.Migration):
    dependencies = [("response", "0001_messages"), ("broadcasts", "0002_templates")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
