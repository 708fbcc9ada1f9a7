from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a person is employed to do. A role counts only inside the units of its grant."""

    GUARD = "guard", _("Trực chốt")
    SAMPLER = "sampler", _("Lấy mẫu")
    LABORATORY = "laboratory", _("Phòng xét nghiệm")
    VACCINATOR = "vaccinator", _("Tiêm chủng")
    TRACER = "tracer", _("Truy vết")
    COMMUNE_OFFICER = "commune_officer", _("Y tế xã")
    COMMUNICATION_OFFICER = "communication_officer", _("Cán bộ truyền thông")
    CLERK = "clerk", _("Một cửa")
    LEADER = "leader", _("Lãnh đạo")
    ADMINISTRATOR = "administrator", _("Quản trị")
    AUDITOR = "auditor", _("Kiểm tra")
