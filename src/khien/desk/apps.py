from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeskConfig(AppConfig):
    name = "khien.desk"
    label = "desk"

    def ready(self) -> None:
        from khien.desk import codes
        from khien.desk.figures import COUNTERS
        from khien.kernel.registries import HelpTask, Tick, help_tasks, menu, ticks
        from khien.kernel.registries.registry import MenuEntry
        from khien.kernel.staff import Role

        menu.add("desk.board", MenuEntry(_("Tình hình"), "desk:board", COUNTERS, 0))
        ticks.add(
            "desk.codes", Tick(codes.send_all_due, 2.0, "one-time codes that a web process left unsent")
        )
        desk_helpers = frozenset({Role.COMMUNE_OFFICER, Role.CLERK})
        # On paper only: the page of the phone's pass would put the person's key on the officer's machine.
        help_tasks.add(
            "pass",
            HelpTask(_("Thẻ Khiên trên giấy"), "", frozenset(), desk_helpers, 10),
        )
        # Who may not see results by their role does not see them by helping either.
        help_tasks.add(
            "results",
            HelpTask(
                _("Xem kết quả xét nghiệm"),
                "testing:my",
                frozenset({"testing:my", "quarantine:mine"}),
                frozenset({Role.COMMUNE_OFFICER}),
                30,
            ),
        )
        help_tasks.add(
            "places",
            HelpTask(
                _("Xem nơi đã đến và ai đã mở hồ sơ"),
                "desk:my_places",
                frozenset({"desk:my_places", "desk:my_reads"}),
                frozenset({Role.COMMUNE_OFFICER}),
                40,
            ),
        )
        menu.add("desk.map", MenuEntry(_("Bản đồ"), "desk:map", COUNTERS, 1))
