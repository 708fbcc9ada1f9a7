"""What the codes of a bulletin are called on screens."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from khien.kernel.alerts import cap
from khien.kernel.errors import Text

CATEGORIES: dict[str, Text] = {
    cap.Category.HEALTH: _("Y tế"),
    cap.Category.SAFETY: _("An toàn"),
    cap.Category.SECURITY: _("An ninh"),
    cap.Category.RESCUE: _("Cứu hộ"),
    cap.Category.MET: _("Thời tiết"),
    cap.Category.GEO: _("Địa chất"),
    cap.Category.FIRE: _("Cháy"),
    cap.Category.ENV: _("Môi trường"),
    cap.Category.TRANSPORT: _("Giao thông"),
    cap.Category.INFRA: _("Hạ tầng"),
    cap.Category.CBRNE: _("Hóa, sinh, phóng xạ"),
    cap.Category.OTHER: _("Khác"),
}
URGENCIES: dict[str, Text] = {
    cap.Urgency.IMMEDIATE: _("Làm ngay"),
    cap.Urgency.EXPECTED: _("Làm sớm (trong vài giờ)"),
    cap.Urgency.FUTURE: _("Sắp tới"),
    cap.Urgency.PAST: _("Đã qua"),
    cap.Urgency.UNKNOWN: _("Chưa rõ"),
}
SEVERITIES: dict[str, Text] = {
    cap.Severity.EXTREME: _("Đặc biệt nghiêm trọng"),
    cap.Severity.SEVERE: _("Nghiêm trọng"),
    cap.Severity.MODERATE: _("Vừa"),
    cap.Severity.MINOR: _("Nhẹ"),
    cap.Severity.UNKNOWN: _("Chưa rõ"),
}
CERTAINTIES: dict[str, Text] = {
    cap.Certainty.OBSERVED: _("Đã xảy ra"),
    cap.Certainty.LIKELY: _("Rất có thể"),
    cap.Certainty.POSSIBLE: _("Có thể"),
    cap.Certainty.UNLIKELY: _("Ít có thể"),
    cap.Certainty.UNKNOWN: _("Chưa rõ"),
}
LANGUAGES: dict[str, Text] = {"vi": _("Tiếng Việt"), "en": _("Tiếng Anh")}
