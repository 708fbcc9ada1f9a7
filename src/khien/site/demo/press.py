"""Two bulletins of the demo: one that waits for its approver, one that is still being written."""

from __future__ import annotations

from datetime import timedelta

from khien.kernel import clock
from khien.kernel.staff import system_actor
from khien.kernel.staff.models import Account
from khien.kernel.staff.reads import actor_of_account
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Bulletin
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs import bulletins, templates
from khien.rooms.broadcasts.verbs.bulletins import Draft

WAITING = (
    "Đo thân nhiệt, quét mã khi vào chợ và cơ quan",
    "Từ hôm nay, ai vào chợ, siêu thị, bệnh viện và cơ quan trong tỉnh đều đo thân nhiệt và quét mã QR.\n\n"
    "Người không có điện thoại dùng thẻ căn cước. Ai sốt, ho, mất mùi vị: ở nhà và gọi 1900 9095.",
)
GAPS = {
    "ngay": "15/1/2022",
    "gio": "7h30",
    "noi": "trạm y tế các xã, phường",
    "doi_tuong": "người từ 18 tuổi chưa tiêm mũi 3",
}


def write(province: AdminUnit) -> int:
    """Write what is missing of them, as the demo's communication officer; returns how many bulletins there are."""
    if not Bulletin.objects.exists():
        author = actor_of_account(Account.objects.get(username="truyenthong"))
        end = clock.now() + timedelta(days=14)
        title, body = WAITING
        draft = Draft(title, body, end, channels=("article",), contact="Đường dây nóng 1900 9095")
        version = bulletins.create_bulletin(author, unit=province, draft=draft)
        bulletins.submit_bulletin(author, version=version, edits=version.edits)
        bulletins.create_bulletin(
            author,
            unit=province,
            draft=Draft("", "", end, channels=("sms", "article")),
            template=reads.template_version("vaccination_day"),
            values=GAPS,
        )
        templates.add_test_number(
            system_actor("demo"), number="0990000999", holder="Máy thử của phòng truyền thông"
        )
    return Bulletin.objects.count()
