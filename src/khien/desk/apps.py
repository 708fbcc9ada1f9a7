from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeskConfig(AppConfig):
    name = "khien.desk"
    label = "desk"

    def ready(self) -> None:
        from khien.desk.figures import COUNTERS
        from khien.kernel.registries import menu
        from khien.kernel.registries.registry import MenuEntry

        menu.add("desk.board", MenuEntry(_("Tình hình"), "desk:board", COUNTERS, 0))
        menu.add("desk.map", MenuEntry(_("Bản đồ"), "desk:map", COUNTERS, 1))
