from django.apps import AppConfig


class TracingConfig(AppConfig):
    name = "khien.rooms.tracing"
    label = "tracing"

    def ready(self) -> None:
        from khien.rooms.tracing import announce

        announce.announce()
