from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SmsConfig(AppConfig):
    name = "khien.gateways.sms"
    label = "sms"

    def ready(self) -> None:
        from khien.gateways.sms import verbs
        from khien.gateways.sms.smpp import store
        from khien.kernel.registries import holdings, menu, retention
        from khien.kernel.registries.registry import Holding, MenuEntry, RetentionRule
        from khien.kernel.staff import Role

        menu.add(
            "sms.simulator",
            MenuEntry(_("Điện thoại giả lập"), "sms:inbox", frozenset({Role.ADMINISTRATOR}), order=96),
        )
        retention.add(
            "sms.simulated",
            RetentionRule(_("Tin của máy giả lập"), "retention.simulated_sms", verbs.forget_simulated),
        )
        retention.add(
            "sms.smpp",
            RetentionRule(_("Báo nhận và tin trả lời qua SMPP"), "retention.messages", store.forget),
        )
        for table, column in (("receipt", "received_at"), ("reply", "received_at"), ("part", "sent_at")):
            holdings.add(f"sms.smpp_{table}", Holding("sms.smpp", f"sms_smpp{table}", column))
        holdings.add("sms.simulated", Holding("sms.simulated", "sms_simulatedmessage", "at"))
