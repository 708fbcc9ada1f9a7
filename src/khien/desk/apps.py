from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeskConfig(AppConfig):
    name = "khien.desk"
    label = "desk"

    def ready(self) -> None:
        from khien.kernel.registries import MenuEntry, menu
        from khien.kernel.staff import Role

        everyone = frozenset(Role.values)
        keepers = frozenset({Role.TRACER, Role.COMMUNE_OFFICER, Role.CLERK})
        house = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
        menu.add("desk.board", MenuEntry(_("Bảng tình hình"), "desk:board", everyone, 0))
        menu.add(
            "administration.duplicates", MenuEntry(_("Hồ sơ trùng"), "administration:duplicates", keepers, 80)
        )
        menu.add("administration.rules", MenuEntry(_("Quy định"), "administration:rules", everyone, 85))
        menu.add(
            "administration.accounts",
            MenuEntry(_("Tài khoản"), "administration:accounts", frozenset({Role.ADMINISTRATOR}), 90),
        )
        menu.add("administration.house", MenuEntry(_("Hệ thống"), "administration:house", house, 95))
