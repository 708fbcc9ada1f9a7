from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "khien.kernel.events"
    label = "events"

    def ready(self) -> None:
        from khien.kernel.events import verbs
        from khien.kernel.registries import Tick, ticks

        ticks.add(
            "events.deliver",
            Tick(verbs.deliver_pending, 2.0, "deliver again what a lost job or a fault left"),
        )
