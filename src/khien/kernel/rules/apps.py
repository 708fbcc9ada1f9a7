from django.apps import AppConfig


class RulesConfig(AppConfig):
    name = "khien.kernel.rules"
    label = "rules"

    def ready(self) -> None:
        from khien.kernel.registries import Tick, ticks
        from khien.kernel.rules import retention

        ticks.add(
            "rules.forget",
            Tick(retention.forget_once_a_day, 30.0, "remove what is past its retention rule, daily"),
        )
